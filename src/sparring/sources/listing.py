"""One digest for a set of files: the sha256 of the canonical JSON of {relative name: sha256}."""

from pathlib import Path

from sparring.canonical import digest, sha256_file
from sparring.errors import SparringError


def listing(folder: Path) -> dict[str, str]:
    """{relative name with "/": sha256} of every file below `folder`, hidden ones too."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): sha256_file(path) for path in files}


def path_digest(path: Path) -> str:
    """The sha256 of a file, or for a folder the digest of its listing."""
    return digest(listing(path)) if path.is_dir() else sha256_file(path)


def check_digest(path: Path, *, expected: str, what: str) -> None:
    """Raise SparringError, naming both digests, unless `path` has the digest `expected`."""
    found = path_digest(path)
    if found != expected:
        raise SparringError(
            f"{what}: sha256 {found} where {expected} was expected; the file changed or the pin is wrong"
        )
