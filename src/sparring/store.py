"""The content-addressed store: immutable objects under their sha256, scratch folders, and the action memo's records.

Layout of a store folder:

    format                       the store's format, one line
    objects/ab/abcdef...         one object, read-only, named by its sha256
    actions/ab/abcdef....json    what one action (code, spec, input contents) gave: see memo.py
    scratch/...                  folders of running jobs; an abandoned one is swept by the next job (SPARRING_SCRATCH
                                 puts them elsewhere: on a disk of one's own, where locks do not reach far enough)
    quarantine/...               damaged objects, kept for a look
    users.lock                   held by every job at work, so that nothing is deleted under it
    users/...                    the results folders that refer to this store
    seen/...                     when a content was first seen: see `Store.first_seen`
    answers/...                  what language models have answered: see llm/answers.py

Objects come into being by a rename, so a reader never sees half of one.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sparring.canonical import sha256_bytes, sha256_file
from sparring.errors import SparringError
from sparring.layout import action_path, note_path, object_path

FORMAT = "sparring-store-1"


@dataclass(frozen=True)
class Blob:
    """The name of one object: its sha256 (hexadecimal) and its size in bytes."""

    sha256: str
    bytes: int


class Store:
    """A store folder, made on first use. Errors name the folder and the mend (SparringError)."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self._scratch = Path(os.environ.get("SPARRING_SCRATCH") or self.root / "scratch").resolve()
        try:
            for name in ("objects", "actions", "scratch"):
                (self.root / name).mkdir(parents=True, exist_ok=True)
            stamp = self.root / "format"
            if not stamp.exists():
                self.place(FORMAT.encode() + b"\n", stamp)
            found = stamp.read_text().strip()
        except OSError as error:
            raise SparringError(
                f"the store {self.root} cannot be used ({error}); name a writable folder in SPARRING_STORE"
            ) from error
        if found != FORMAT:
            raise SparringError(
                f"the store {self.root} has format {found!r}, this version reads {FORMAT!r}; "
                "update sparring or name another folder in SPARRING_STORE"
            )

    def path(self, sha256: str) -> Path:
        """Where the object `sha256` lies or would lie."""
        return self.root / object_path(sha256)

    def action_path(self, key: str) -> Path:
        """Where the record of action `key` lies or would lie."""
        return self.root / action_path(key)

    def has(self, blob: Blob) -> bool:
        """Whether an object of that name and size is there (its bytes are checked when it is used)."""
        try:
            return self.path(blob.sha256).stat().st_size == blob.bytes
        except FileNotFoundError:
            return False

    def put_file(self, source: Path) -> Blob:
        """Moves `source` (a file in a scratch folder, say) in under its sha256.

        An object of that name is replaced: the bytes are the same, unless it was damaged.
        """
        blob = Blob(sha256_file(source), source.stat().st_size)
        target = self.path(blob.sha256)
        target.parent.mkdir(exist_ok=True)
        if source.stat().st_dev != target.parent.stat().st_dev:
            source = self._near(source)
        source.chmod(0o444)
        source.replace(target)
        return blob

    def _near(self, source: Path) -> Path:
        # A copy on the store's own file system, from where it can be moved in one step.
        handle, name = tempfile.mkstemp(dir=self.root / "scratch")
        with os.fdopen(handle, "wb") as out, source.open("rb") as file:
            shutil.copyfileobj(file, out, 1 << 20)
        source.unlink()
        return Path(name)

    def put_bytes(self, data: bytes) -> Blob:
        """Stores `data` under its sha256."""
        blob = Blob(sha256_bytes(data), len(data))
        self.path(blob.sha256).parent.mkdir(exist_ok=True)
        self.place(data, self.path(blob.sha256), mode=0o444)
        return blob

    def verified(self, blob: Blob) -> Path:
        """The path of an object whose bytes have just been re-hashed; a damaged one is quarantined (SparringError)."""
        path = self.path(blob.sha256)
        if not path.exists():
            raise SparringError(
                f"object {blob.sha256} is missing from the store {self.root}; run the same command again"
            )
        if path.stat().st_size != blob.bytes or sha256_file(path) != blob.sha256:
            kept = self.quarantine(blob.sha256)
            raise SparringError(f"object {blob.sha256} was damaged and is now {kept}; run the same command again")
        return path

    def quarantine(self, sha256: str) -> Path:
        """Takes a damaged object out of the way; returns where it was put."""
        kept = self.root / "quarantine" / sha256
        kept.parent.mkdir(exist_ok=True)
        self.path(sha256).replace(kept)
        return kept

    def quarantined(self) -> frozenset[str]:
        """The names of the objects taken out of the way."""
        return frozenset(path.name for path in (self.root / "quarantine").glob("*"))

    def write_action(self, key: str, record: bytes) -> None:
        """Writes the record of action `key` in one step."""
        path = self.action_path(key)
        path.parent.mkdir(exist_ok=True)
        self.place(record, path)

    def first_seen(self, sha256: str) -> int:
        """When this store first saw the digest `sha256` (nanoseconds): now, if it never did."""
        note = self.root / note_path(sha256)
        if not note.exists():
            note.parent.mkdir(exist_ok=True)
            self.place(f"{time.time_ns()}\n".encode(), note)
        return int(note.read_text())

    def register(self, results: Path) -> None:
        """Notes that the files below `results` need this store's objects: `sparring gc` keeps what they refer to."""
        note = self.root / "users" / sha256_bytes(str(results.resolve()).encode())[:16]
        if not note.exists():
            note.parent.mkdir(exist_ok=True)
            self.place(f"{results.resolve()}\n".encode(), note)

    def users(self) -> list[Path]:
        """The results folders that were registered and are still there."""
        noted = [Path(note.read_text().strip()) for note in sorted((self.root / "users").glob("*"))]
        return [results for results in noted if results.is_dir()]

    @contextlib.contextmanager
    def scratch(self) -> Iterator[Path]:
        """An empty folder, gone afterwards; sweeps those of killed jobs first."""
        self._scratch.mkdir(parents=True, exist_ok=True)
        self._sweep()
        folder = Path(tempfile.mkdtemp(dir=self._scratch))
        with (folder / ".locking").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            (folder / ".locking").rename(folder / ".lock")  # only now, held, may a sweep look at it
            try:
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)

    @contextlib.contextmanager
    def used(self) -> Iterator[None]:
        """While a job takes from the store or puts into it."""
        with (self.root / "users.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH)
            yield

    @contextlib.contextmanager
    def unused(self) -> Iterator[None]:
        """While no job may begin; SparringError where one is at work."""
        with (self.root / "users.lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise SparringError(f"jobs are at work on the store {self.root}; wait for them or stop them") from None
            yield

    def _sweep(self) -> None:
        # The kernel drops a killed job's lock, so a folder whose lock can be had belongs to nobody. A job killed in the
        # moment before it had its lock leaves an empty folder, which costs nothing.
        for lock_path in self._scratch.glob("*/.lock"):
            with contextlib.suppress(OSError), lock_path.open() as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(lock_path.parent, ignore_errors=True)

    def place(self, data: bytes, path: Path, mode: int = 0o644) -> None:
        """Puts `data` at `path`, in this store, in one step."""
        handle, name = tempfile.mkstemp(dir=self.root / "scratch")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            Path(name).chmod(mode)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def open_store() -> Store:
    """The store named by SPARRING_STORE, else `store` in the working directory."""
    return Store(Path(os.environ.get("SPARRING_STORE", "store")))
