"""The store on a Modal Volume, by the executor plugin's files and settings. Needs the plugin and Modal's client."""

import contextlib
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import yaml

from sparring.errors import SparringError
from sparring.exchange.places import Moved
from sparring.layout import object_path
from sparring.store import FORMAT, Blob

if TYPE_CHECKING:
    from snakemake_executor_plugin_modal.volume import VolumeFiles


class Volume:
    """The store in the folder `folder` of a Volume (`files`, `title`); what it lists is asked once."""

    away = True

    def __init__(self, files: "VolumeFiles", title: str, folder: str) -> None:
        self._files, self._title, self._folder = files, title, folder
        self.name = f"the Modal Volume {title}"
        self._listed: dict[str, dict[str, int]] = {}
        self._lock = threading.Lock()

    def has(self, blob: Blob) -> bool:
        """As Place says."""
        return self._size(object_path(blob.sha256)) == blob.bytes

    def fetch(self, blob: Blob, target: Path, moved: Moved) -> None:
        """As Place says."""

        def progress(**told: Any) -> None:
            moved(int(told.get("advance") or 0))

        with self._reached(), target.open("wb") as file:
            self._files.volume.read_file_into_fileobj(self._at(object_path(blob.sha256)), file, progress)

    def send(self, blob: Blob, source: Path, moved: Moved) -> None:
        """As Place says: Modal's client sends blocks of 8 MiB by their sha256, and no block that is there already."""
        with self._reached():
            self._files.put({self._at(object_path(blob.sha256)): source})
        moved(blob.bytes)  # the client tells no more

    def read(self, path: str) -> bytes | None:
        """As Place says."""
        if self._size(path) is None:
            return None
        with self._reached():
            return self._files.read(self._at(path), patience=0)

    def write(self, files: Mapping[str, bytes]) -> None:
        """As Place says."""
        with self._reached():
            self._files.put({self._at(path): data for path, data in files.items()})

    def removal(self, blob: Blob) -> str:
        """As Place says."""
        return f"modal volume rm {self._title} {self._at(object_path(blob.sha256))}"

    def used(self) -> AbstractContextManager[None]:
        """As Place says; nobody collects on a Volume."""
        return nullcontext()

    def stamp(self, *, make: bool) -> None:
        """Reads the store's format, or with `make` writes it. SparringError where there is none, or another."""
        found = self.read("format")
        if found is None and make:
            self.write({"format": f"{FORMAT}\n".encode()})
        elif found is None:
            raise SparringError(f"{self.name} has no store in its folder {self._folder!r}; nothing was run there yet")
        elif (said := found.decode(errors="replace").strip()) != FORMAT:
            raise SparringError(f"the store on {self.name} has format {said!r}, this version reads {FORMAT!r}")

    def _at(self, path: str) -> str:
        return f"{self._folder}/{path}"

    def _size(self, path: str) -> int | None:
        folder, _, name = path.rpartition("/")
        with self._lock:
            if folder not in self._listed:
                self._listed[folder] = self._list(folder)
            return self._listed[folder].get(name)

    def _list(self, folder: str) -> dict[str, int]:
        with self._reached():
            try:
                entries = self._files.volume.listdir(self._at(folder).rstrip("/"))
            except (FileNotFoundError, self._missing()):
                return {}
        return {PurePosixPath(entry.path).name: int(entry.size) for entry in entries}

    def _missing(self) -> type[Exception]:
        import modal

        return modal.exception.NotFoundError

    @contextlib.contextmanager
    def _reached(self) -> Iterator[None]:
        from aiohttp import ClientError

        import modal

        try:
            yield
        except (modal.exception.Error, ClientError, ConnectionError) as error:
            raise SparringError(
                f"{self.name} broke off ({type(error).__name__}: {error}); run the same command again: it goes on"
            ) from None


def open_volume(profile: Path, name: str | None, *, make: bool) -> Volume:
    """The store of jobs that run with `profile` (where there is none, by the plugin's defaults), or on Volume `name`.

    SparringError where Modal's client is not installed, or does not get to a store; with `make` the store is made.
    """
    try:
        from snakemake_executor_plugin_modal.cloud import open_modal, open_volume
        from snakemake_executor_plugin_modal.settings import ExecutorSettings, variables
        from snakemake_executor_plugin_modal.volume import VolumeFiles
        from snakemake_interface_common.exceptions import WorkflowError

        modal = open_modal()
    except ImportError:
        raise SparringError(
            "Modal's client or the Modal executor is not installed; run `make env`, or name a store with --folder"
        ) from None
    file = profile / "config.yaml"
    try:
        said = (yaml.safe_load(file.read_bytes()) if file.is_file() else None) or {}
        placed = PurePosixPath(variables(said.get("modal-env")).get("SPARRING_STORE", "{volume}/store"))
        title = name or said.get("modal-volume") or str(ExecutorSettings().volume)
        files = VolumeFiles(open_volume(modal, title, make=make))
        found = Volume(files, title, placed.relative_to("{volume}").as_posix())
    except (WorkflowError, ValueError, yaml.YAMLError) as error:
        raise SparringError(" ".join(str(error).split())) from None
    found.stamp(make=make)
    return found
