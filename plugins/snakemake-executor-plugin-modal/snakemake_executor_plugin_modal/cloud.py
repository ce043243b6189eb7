"""The part of Modal that the executor uses. Modal is imported here, when a run has jobs, and nowhere else."""

import hashlib
import os
import tempfile
import threading
import time
from collections.abc import Iterable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

from snakemake_interface_common.exceptions import WorkflowError

from snakemake_executor_plugin_modal.request import ImageSource, Request
from snakemake_executor_plugin_modal.settings import ExecutorSettings, listed

RUN_TAG, JOB_TAG = "snakemake-run", "snakemake-job"
COMMITTED = 60  # seconds that a file which a sandbox wrote may take to be seen from here


def open_modal() -> Any:
    """The module `modal`; takes a second to import."""
    # The backend that GPUs need in any case; so that all jobs, and the tests, go one way.
    os.environ.setdefault("MODAL_SANDBOX_V2", "0")
    import modal

    return modal


def open_app(modal: Any, name: str, *, make: bool) -> Any:
    """The app called `name`. WorkflowError, in one line, where Modal cannot be reached or does not know us."""
    try:
        return modal.App.lookup(name, create_if_missing=make)
    except modal.exception.AuthError as error:
        raise WorkflowError(f"Modal does not let us in ({error}); run `modal token new`") from None
    except modal.exception.NotFoundError:
        raise WorkflowError(f"Modal knows no app {name!r}") from None
    except (modal.exception.Error, OSError) as error:
        raise WorkflowError(f"Modal cannot be reached: {type(error).__name__}: {error}") from None


def end_sandboxes(modal: Any, app: Any, run: str | None) -> list[str]:
    """Terminates the app's sandboxes that carry the tag of `run` (None: of any run); returns their ids."""
    ended = []
    for sandbox in modal.Sandbox.list(app_id=app.app_id, tags={RUN_TAG: run} if run else None):
        if run or RUN_TAG in sandbox.get_tags():
            sandbox.terminate()
            ended.append(str(sandbox.object_id))
    return ended


class Cloud:
    """The app, the Volume and the secrets of one run. Errors before any sandbox starts are WorkflowErrors."""

    def __init__(self, settings: ExecutorSettings, run: str, variables: Mapping[str, str]) -> None:
        self.modal = open_modal()
        self.run = run
        self._mount = str(settings.mount)
        self._app = open_app(self.modal, str(settings.app), make=True)
        self._volume = self.modal.Volume.from_name(str(settings.volume), create_if_missing=True, version=2)
        try:
            self._volume.hydrate()
        except self.modal.exception.Error as error:
            raise WorkflowError(f"--modal-volume {settings.volume}: {error}") from None
        self._secrets = [self._secret(name) for name in listed(settings.secrets)]
        if variables:
            self._secrets.append(self.modal.Secret.from_dict(dict(variables)))
        self._images: dict[ImageSource, Any] = {}
        self._known: set[str] = set()
        self._lock = threading.Lock()

    def put(self, files: Mapping[str, Path | bytes]) -> None:
        """Puts files at their paths on the Volume; what this run put there before is not sent again."""
        new = {path: content for path, content in files.items() if path not in self._known}
        if new:
            with self._volume.batch_upload(force=True) as batch:
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
                return b"".join(self._volume.read_file(path))
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
                        self._volume.read_file_into_fileobj(content_path(sha256), file)
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

    def start(self, request: Request, job: str, arguments: Iterable[str]) -> Any:
        """A sandbox that runs `python MOUNT/ARGUMENTS...`; returns when it is scheduled."""
        with self._lock:
            image = self._images.setdefault(request.image, None) or self._image(request.image)
            self._images[request.image] = image
        script, *rest = arguments
        return self.modal.Sandbox.create(
            "python",
            "-u",
            f"{self._mount}/{script}",
            self._mount,
            *rest,
            app=self._app,
            image=image,
            secrets=self._secrets,
            gpu=request.gpu,
            cpu=request.cpu,
            memory=request.memory,
            timeout=request.timeout,
            volumes={self._mount: self._volume},
            tags={RUN_TAG: self.run, JOB_TAG: job},
        )

    def end_all(self) -> list[str]:
        """Terminates every sandbox of this run; their ids."""
        return end_sandboxes(self.modal, self._app, self.run)

    def _secret(self, name: str) -> Any:
        secret = self.modal.Secret.from_name(name)
        try:
            secret.hydrate()
        except self.modal.exception.NotFoundError:
            raise WorkflowError(
                f"Modal knows no secret {name!r}; make it (`modal secret create`) or mend --modal-secrets"
            ) from None
        except self.modal.exception.Error as error:
            raise WorkflowError(f"the secret {name!r} is refused: {error}") from None
        return secret

    def _image(self, source: ImageSource) -> Any:
        if source.reference:
            return self.modal.Image.from_registry(source.reference)
        image = self.modal.Image.debian_slim(source.python)
        for lock in source.locks:
            hashed = "--hash=" in lock.read_text()
            options = "--require-hashes --no-deps" if hashed else ""
            image = image.pip_install_from_requirements(str(lock), extra_options=options)
        return image


def content_path(sha256: str) -> str:
    """Where the Volume keeps a job's file of that digest."""
    return f"files/{sha256[:2]}/{sha256}"


def file_digest(path: Path) -> str:
    """The sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
