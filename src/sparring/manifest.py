"""Manifests: the small files in `results/` that stand for big objects in the store.

A manifest has no time stamp and no host name: same content, same bytes. `content` is the digest of what the artifact IS
(kind, files, meta), not of how it came about, so that a change upstream that left the content as it was stops here.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from sparring.canonical import digest, pretty_json, sha256_file
from sparring.errors import SparringError
from sparring.store import Blob, Store

FORMAT = "sparring-manifest-1"
_LARGEST = 1 << 24  # bytes; a larger JSON file is somebody's data, not a manifest


@dataclass(frozen=True)
class Manifest:
    """One artifact: files by relative path, what a reader wants to know of them, and its inputs' content digests."""

    kind: str
    files: Mapping[str, Blob]
    meta: Mapping[str, Any]
    inputs: Mapping[str, str] = field(default_factory=dict)

    @property
    def content(self) -> str:
        """Digest (sha256) of kind, files and meta."""
        return digest({"kind": self.kind, "files": _plain(self.files), "meta": dict(self.meta)})

    def to_bytes(self) -> bytes:
        """The manifest as it stands in `results/`."""
        return pretty_json(
            {
                "format": FORMAT,
                "kind": self.kind,
                "content": self.content,
                "files": _plain(self.files),
                "meta": dict(self.meta),
                "inputs": dict(self.inputs),
            }
        )

    def link_into(self, store: Store, folder: Path, only: str = "*") -> Path:
        """Fills `folder` with links to the verified objects, under their relative paths; returns `folder`.

        Of the files, those whose relative path matches the pattern `only`.
        """
        for name, blob in sorted(self.files.items()):
            if not fnmatchcase(name, only):
                continue
            link = folder / name
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(store.verified(blob))
        folder.mkdir(parents=True, exist_ok=True)
        return folder


def _plain(files: Mapping[str, Blob]) -> dict[str, dict[str, Any]]:
    return {name: asdict(blob) for name, blob in files.items()}


def content_of(path: Path) -> str:
    """The content digest of the file at `path`: its manifest's, where it is one, else the sha256 of its bytes."""
    manifest = read_manifest(path)
    return manifest.content if manifest else sha256_file(path)


def read_manifest(path: Path) -> Manifest | None:
    """The manifest at `path`, or None where some other file is there.

    Raises SparringError where it is a manifest that was edited by hand or comes from another version.
    """
    with path.open("rb") as file:
        if path.stat().st_size > _LARGEST or file.read(1) != b"{":
            return None
    try:
        raw = json.loads(path.read_bytes())
    except ValueError:
        return None
    if not str(raw.get("format", "")).startswith("sparring-manifest-"):
        return None
    mend = f"delete {path} and run the same command again: the store still has what it needs"
    if raw["format"] != FORMAT:
        raise SparringError(f"{path} has format {raw['format']!r}, this version reads {FORMAT!r}; {mend}")
    try:
        files = {name: Blob(**blob) for name, blob in raw["files"].items()}
        manifest = Manifest(raw["kind"], files, raw["meta"], raw["inputs"])
    except (KeyError, TypeError, AttributeError) as error:
        raise SparringError(f"{path} is not a whole manifest ({error}); {mend}") from error
    if manifest.content != raw.get("content"):
        raise SparringError(f"{path} was edited: its content digest is {manifest.content}, not as written; {mend}")
    return manifest
