"""Files on the Volume, by way of Modal's client: sent up once, brought back checked."""

import hashlib
import os
import tempfile
import time
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

COMMITTED = 60  # seconds that a file which a sandbox wrote may take to be seen from here


class VolumeFiles:
    """`volume` is a hydrated modal.Volume."""

    def __init__(self, volume: Any) -> None:
        self.volume = volume
        self._known: set[str] = set()

    def put(self, files: Mapping[str, Path | bytes]) -> None:
        """Puts files at their paths on the Volume; what this run put there before is not sent again."""
        new = {path: content for path, content in files.items() if path not in self._known}
        if new:
            with self.volume.batch_upload(force=True) as batch:
                for path, content in new.items():
                    batch.put_file(BytesIO(content) if isinstance(content, bytes) else content, f"/{path}")
            self._known.update(new)

    def note(self, path: str) -> None:
        """Notes that a sandbox of this run put the file `path` on the Volume."""
        self._known.add(path)

    def read(self, path: str, *, patience: float) -> bytes | None:
        """A small file of the Volume; None where it is not there after `patience` seconds."""
        end = time.monotonic() + patience
        while True:
            try:
                return b"".join(self.volume.read_file(path))
            except FileNotFoundError:
                if time.monotonic() > end:
                    return None
                time.sleep(0.5)

    def fetch(self, sha256: str, mode: int, target: Path) -> None:
        """Brings the file of that digest to `target`, in one step and checked. OSError where it stays wrong."""
        target.parent.mkdir(parents=True, exist_ok=True)
        end = time.monotonic() + COMMITTED
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:40]}.")
        temporary = Path(name)
        try:
            with os.fdopen(handle, "w+b") as file:
                while True:
                    file.seek(0)
                    file.truncate()
                    try:
                        self.volume.read_file_into_fileobj(content_path(sha256), file)
                    except FileNotFoundError:
                        found = "nothing"
                    else:
                        file.flush()
                        found = file_digest(temporary)
                    if found == sha256:
                        break
                    if time.monotonic() > end:
                        raise OSError(f"{target}: the Volume has {found} where {sha256} should be")
                    time.sleep(0.5)
            temporary.chmod(mode)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)


def content_path(sha256: str) -> str:
    """Where the Volume keeps a job's file of that digest."""
    return f"files/{sha256[:2]}/{sha256}"


def file_digest(path: Path) -> str:
    """The sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
