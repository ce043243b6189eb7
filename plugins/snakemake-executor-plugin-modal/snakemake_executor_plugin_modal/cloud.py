"""The part of Modal that the executor uses. Modal is imported here, when a run has jobs, and nowhere else."""

import contextlib
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from snakemake_interface_common.exceptions import WorkflowError

from snakemake_executor_plugin_modal.request import ImageSource, Request
from snakemake_executor_plugin_modal.settings import ExecutorSettings, listed
from snakemake_executor_plugin_modal.volume import VolumeFiles

RUN_TAG, JOB_TAG = "snakemake-run", "snakemake-job"


def open_modal() -> Any:
    """The module `modal`; takes a second to import."""
    # The backend that GPUs need in any case; so that all jobs, and the tests, go one way.
    os.environ.setdefault("MODAL_SANDBOX_V2", "0")
    import modal

    return modal


def open_app(modal: Any, name: str, *, make: bool) -> Any:
    """The app called `name`. WorkflowError, in one line, where Modal cannot be reached or does not know us."""
    with _known(modal, f"Modal knows no app {name!r}"):
        return modal.App.lookup(name, create_if_missing=make)


def open_volume(modal: Any, name: str, *, make: bool) -> Any:
    """The Volume (v2) called `name`, hydrated. WorkflowError, in one line, as for an app."""
    with _known(modal, f"Modal knows no Volume {name!r}"):
        volume = modal.Volume.from_name(name, create_if_missing=make, version=2)
        volume.hydrate()
        return volume


@contextlib.contextmanager
def _known(modal: Any, otherwise: str) -> Iterator[None]:
    try:
        yield
    except modal.exception.AuthError as error:
        raise WorkflowError(f"Modal does not let us in ({error}); run `modal token new`") from None
    except modal.exception.NotFoundError:
        raise WorkflowError(otherwise) from None
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
        self.files = VolumeFiles(open_volume(self.modal, str(settings.volume), make=True))
        self._secrets = [self._secret(name) for name in listed(settings.secrets)]
        if variables:
            self._secrets.append(self.modal.Secret.from_dict(dict(variables)))
        self._images: dict[ImageSource, Any] = {}
        self._lock = threading.Lock()

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
            volumes={self._mount: self.files.volume},
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
        if source.packages:
            image = image.apt_install(*source.packages)
        for lock in source.locks:
            image = image.pip_install_from_requirements(str(lock), extra_options=_options(lock))
        for folder, lock in source.venvs:
            # By the image's own pip, as this is the one way into an image for a file that does not first list the
            # whole working directory. --ignore-installed: what the image has already is not there for that folder.
            into = f"{_options(lock)} --ignore-installed --prefix {folder}"
            image = image.run_commands(f"python -m venv --without-pip {folder}")
            image = image.pip_install_from_requirements(str(lock), extra_options=into.strip())
        return image


def _options(lock: Path) -> str:
    """Of pip: a lock file with hashes is complete, and is held to them."""
    return "--require-hashes --no-deps" if "--hash=" in lock.read_text() else ""
