"""What a rule's script sees of its job: Snakemake's object, and ours."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from sparring.canonical import sha256_file
from sparring.manifest import Manifest
from sparring.store import Store

BESIDE = "store"  # the name of what a job reads of the store beside its inputs


@runtime_checkable
class Snakemake(Protocol):
    """The part of the object that Snakemake puts into a script's namespace which we use."""

    input: Any
    output: Any
    params: Any
    wildcards: Any
    threads: int
    log: Any
    rule: str
    scriptdir: str


@dataclass(frozen=True)
class Job:
    """What a script's `compute` sees: the spec, the inputs as folders or files, and an empty folder `out` to fill."""

    rule: str
    spec: Mapping[str, Any]
    wildcards: Mapping[str, str]
    threads: int
    out: Path
    checkout: Path
    store: Store = field(repr=False)
    _files: Mapping[str, Path]
    _manifests: Mapping[str, Manifest]
    _links: Path = field(repr=False)

    def folder(self, name: str, *, only: str = "*") -> Path:
        """The files of the artifact that is input `name`, re-hashed, in a folder of links; ask once for an input.

        only: a pattern for the relative paths, for a reader of one of several large files.
        """
        return self._manifests[name].link_into(self.store, self._links / name, only)

    def meta(self, name: str) -> Mapping[str, Any]:
        """The meta of the artifact that is input `name`."""
        return self._manifests[name].meta

    def content(self, name: str) -> str:
        """The content digest of input `name`."""
        return content_digest(self._files[name], self._manifests.get(name))

    def contents(self) -> dict[str, str]:
        """The content digest of every input."""
        return {name: self.content(name) for name in sorted(self._files)}

    def first_seen(self, name: str) -> int:
        """When the store first saw the content of input `name` (nanoseconds), by whatever job it was made."""
        return self.store.first_seen(self.content(name))

    def kept(self, name: str) -> Path:
        """The folder `name` of the store, for what jobs keep from one to the next beside the objects."""
        return self.store.root / name

    def file(self, name: str) -> Path:
        """Input `name` as the file it is."""
        return self._files[name]

    def files(self) -> list[Path]:
        """Every input as the file it is."""
        return list(self._files.values())


def content_digest(path: Path, manifest: Manifest | None) -> str:
    """The content digest of an input: its manifest's, where it is one."""
    return manifest.content if manifest else sha256_file(path)
