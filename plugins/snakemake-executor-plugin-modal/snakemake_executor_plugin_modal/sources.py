"""The workflow's sources as one archive, named by its content."""

import hashlib
import io
import os
import subprocess
import tarfile
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from snakemake_interface_common.exceptions import WorkflowError

_LARGEST = 200_000_000  # bytes; more than that is data


@dataclass(frozen=True)
class Sources:
    """archive: tar of paths below a common folder. root, workdir: the workflow's and the working folder in there."""

    digest: str
    archive: bytes
    root: str
    workdir: str


def pack(snakefile: Path, workdir: Path, extra: Iterable[Path], outputs: Collection[Path]) -> Sources:
    """Packs the sources of the workflow of `snakefile`.

    They are what `git ls-files` names (and new files that git does not ignore), with the contents on disk; where git
    does not know the Snakefile, all files but hidden ones. Left out: `outputs`, the files that jobs make. Added:
    `extra`, such as config files that lie elsewhere.
    """
    snakefile, workdir = snakefile.resolve(), workdir.resolve()
    extra = [path.resolve() for path in extra]
    root = _repository(snakefile.parent)
    found = _listed_files(root) if root else []
    if root is None or snakefile not in found:
        root = workdir if snakefile.is_relative_to(workdir) else snakefile.parent
        found = _plain_files(root)
    made = {workdir / path for path in outputs}
    files = sorted({path for path in [*found, *extra] if path not in made})
    size = sum(path.lstat().st_size for path in files)
    if size > _LARGEST:
        large = max(files, key=lambda path: path.lstat().st_size)
        raise WorkflowError(
            f"the workflow's sources below {root} are {size / 1e6:.0f} MB ({large} is the largest); let git ignore "
            "what is no source, and give it to rules as input"
        )
    common = Path(os.path.commonpath([root, workdir, *(path.parent for path in extra)]))
    archive = _archive(common, files)
    return Sources(
        hashlib.sha256(archive).hexdigest(),
        archive,
        root.relative_to(common).as_posix(),
        workdir.relative_to(common).as_posix(),
    )


def _repository(folder: Path) -> Path | None:
    asked = subprocess.run(["git", "-C", folder, "rev-parse", "--show-toplevel"], capture_output=True, text=True)
    return Path(asked.stdout.strip()).resolve() if asked.returncode == 0 else None


def _listed_files(root: Path) -> list[Path]:
    command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\0")
    paths = [root / name for name in names if name]
    return [path for path in paths if path.is_symlink() or path.is_file()]


def _plain_files(root: Path) -> list[Path]:
    found: list[Path] = []
    for folder, names, files in os.walk(root):
        names[:] = [name for name in names if not name.startswith(".") and name != "__pycache__"]
        links = [name for name in names if (Path(folder) / name).is_symlink()]
        found += [Path(folder) / name for name in [*files, *links] if not name.startswith(".")]
    return found


def _archive(common: Path, files: Iterable[Path]) -> bytes:
    # No times, owners or hard links: same contents, same bytes.
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path in files:
            entry = tarfile.TarInfo(path.relative_to(common).as_posix())
            if path.is_symlink():
                entry.type, entry.linkname = tarfile.SYMTYPE, str(path.readlink())
                tar.addfile(entry)
            else:
                data = path.read_bytes()
                entry.size, entry.mode = len(data), 0o755 if path.stat().st_mode & 0o100 else 0o644
                tar.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()
