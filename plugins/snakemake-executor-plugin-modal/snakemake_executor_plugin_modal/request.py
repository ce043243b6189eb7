"""What a job asks of Modal, read from its resources and checked before anything is started."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from snakemake_interface_common.exceptions import WorkflowError

from snakemake_executor_plugin_modal.settings import ExecutorSettings, listed

_LONGEST = 24 * 60  # minutes: Modal ends every sandbox then


@dataclass(frozen=True)
class ImageSource:
    """An image of a registry, or a Python version, Debian packages, and the lock files that pip installs into it.

    venvs: (folder, lock file) of each further environment.
    """

    reference: str | None
    python: str = ""
    packages: tuple[str, ...] = ()
    locks: tuple[Path, ...] = ()
    venvs: tuple[tuple[str, Path], ...] = ()


@dataclass(frozen=True)
class Request:
    """gpu: "L4:1" or None. cpu: cores. memory: MiB, or None for Modal's own choice. timeout: seconds."""

    gpu: str | None
    cpu: float
    memory: int | None
    timeout: int
    image: ImageSource


def read_request(
    name: str, threads: int, resources: Mapping[str, Any], settings: ExecutorSettings, beside: Path
) -> Request:
    """The request of the job called `name`. WorkflowError, in one line, for what Modal does not have.

    beside: the Snakefile's folder, where a lock file is looked for that the working directory does not have.
    """
    minutes = int(resources.get("runtime") or _LONGEST)
    memory = resources.get("mem_mb")
    return Request(
        gpu=_gpu(name, resources),
        cpu=float(threads),
        memory=int(memory) if isinstance(memory, int) else None,
        timeout=60 * min(minutes, _LONGEST),
        image=_image(name, resources, settings, beside),
    )


def known_gpus() -> dict[str, int]:
    """Modal's names of GPUs, and how many of each a sandbox may have."""
    table = json.loads((files(__package__) / "gpus.json").read_text())
    return dict(table["most"])


def _gpu(name: str, resources: Mapping[str, Any]) -> str | None:
    count, model = resources.get("gpu") or 0, resources.get("gpu_model")
    if not count:
        return None
    most = known_gpus()
    if model is None:
        raise WorkflowError(f"{name}: gpu={count} without gpu_model; Modal has {', '.join(most)}")
    if str(model).upper() not in most:
        raise WorkflowError(f"{name}: gpu_model={model!r} is not known to Modal, which has {', '.join(most)}")
    model = str(model).upper()
    if not 1 <= int(count) <= most[model]:
        raise WorkflowError(f"{name}: gpu={count}; a sandbox has 1 to {most[model]} of {model}")
    return f"{model}:{count}"


def _image(name: str, resources: Mapping[str, Any], settings: ExecutorSettings, beside: Path) -> ImageSource:
    reference = resources.get("modal_image") or (None if resources.get("modal_lock") else settings.image)
    if reference:
        return ImageSource(str(reference))
    said = listed(resources.get("modal_lock") or settings.lock)
    if not said:
        raise WorkflowError(f"{name}: no image; name a lock file (--modal-lock) or an image (--modal-image)")
    locks = tuple(_lock_file(name, entry, beside, "lock") for entry in said)
    venvs = []
    for entry in listed(resources.get("modal_venvs") or settings.venvs):
        folder, _, lock = entry.partition("=")
        if not (lock and folder.startswith("/")):
            raise WorkflowError(f"{name}: --modal-venvs: {entry} is not /FOLDER=LOCKFILE")
        venvs.append((folder, _lock_file(name, lock, beside, "venvs")))
    return ImageSource(None, str(settings.python), tuple(listed(settings.apt)), locks, tuple(venvs))


def _lock_file(name: str, entry: str, beside: Path, setting: str) -> Path:
    lock = Path(entry) if Path(entry).is_file() else beside / entry
    if not lock.is_file():
        raise WorkflowError(
            f"{name}: the lock file {lock} is not here; mend --modal-{setting} or resource modal_{setting}"
        )
    return lock
