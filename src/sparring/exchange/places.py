"""Another store as `sparring store` sees it: a few calls, and the folder that answers them."""

import contextlib
import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol, runtime_checkable

from sparring.canonical import sha256_file
from sparring.errors import SparringError
from sparring.store import Blob, Store

Moved = Callable[[int], object]  # told of the bytes that went over, as they go
_BLOCK = 1 << 20


class Unfit(SparringError):
    """One object that cannot be taken; the others can."""


@runtime_checkable
class Place(Protocol):
    """A store somewhere. Paths are relative to it, as store.py lays them out; objects are trusted by name and size.

    away: jobs that use it run with no other store (SPARRING_AWAY).
    """

    name: str
    away: bool

    def has(self, blob: Blob) -> bool:
        """Whether an object of that name and size is there."""

    def fetch(self, blob: Blob, target: Path, moved: Moved) -> None:
        """Writes the object's bytes to `target`, unchecked."""

    def send(self, blob: Blob, source: Path, moved: Moved) -> None:
        """Puts the bytes at `source` there under their name, in one step and checked (Unfit)."""

    def read(self, path: str) -> bytes | None:
        """A small file, or None."""

    def write(self, files: Mapping[str, bytes]) -> None:
        """Writes small files, each in one step."""

    def removal(self, blob: Blob) -> str:
        """The command that takes a damaged object away."""

    def used(self) -> AbstractContextManager[None]:
        """While it is used, nothing is deleted there."""


class Folder:
    """A store folder: this machine's own, or one on a shared disk."""

    away = False

    def __init__(self, store: Store, name: str) -> None:
        self.store, self.name = store, name

    def has(self, blob: Blob) -> bool:
        """As Place says."""
        return self.store.has(blob)

    def fetch(self, blob: Blob, target: Path, moved: Moved) -> None:
        """As Place says."""
        _copy(self.store.path(blob.sha256), target, moved)

    def send(self, blob: Blob, source: Path, moved: Moved) -> None:
        """As Place says."""
        if not take_in(self.store, blob, lambda path: _copy(source, path, moved)):
            raise Unfit(f"object {blob.sha256} changed on its way to {self.name}; run the same command again")

    def read(self, path: str) -> bytes | None:
        """As Place says."""
        try:
            return (self.store.root / path).read_bytes()
        except FileNotFoundError:
            return None

    def write(self, files: Mapping[str, bytes]) -> None:
        """As Place says."""
        for path, data in files.items():
            target = self.store.root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            self.store.place(data, target)

    def removal(self, blob: Blob) -> str:
        """As Place says."""
        return f"rm -f {self.store.path(blob.sha256)}"

    def used(self) -> AbstractContextManager[None]:
        """As Place says; where one may only read, there is no lock to hold."""
        return self.store.used() if os.access(self.store.root, os.W_OK) else contextlib.nullcontext()


def open_folder(root: Path, *, make: bool, here: Store) -> Folder:
    """The store in the folder `root`. SparringError where none is (unless `make`), or it is this one."""
    if root.resolve() == here.root:
        raise SparringError(f"--folder {root} is this store; name another one")
    if not make and not (root / "format").is_file():
        raise SparringError(f"--folder {root}: no store is there; name the folder that holds `objects` and `format`")
    store = Store(root)
    return Folder(store, f"the store {store.root}")


def take_in(store: Store, blob: Blob, fill: Callable[[Path], object]) -> bool:
    """Puts what `fill` writes to a path into `store`, if it is the object `blob`; whether it was."""
    with store.scratch() as scratch:
        fill(scratch / "object")
        if sha256_file(scratch / "object") != blob.sha256:
            return False
        store.put_file(scratch / "object")
    return True


def _copy(source: Path, target: Path, moved: Moved) -> None:
    with source.open("rb") as file, target.open("wb") as out:
        while block := file.read(_BLOCK):
            out.write(block)
            moved(len(block))
