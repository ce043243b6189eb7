"""The Python that has vLLM: an environment of its own, apart from ours, made once from a lock file."""

import fcntl
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from sparring.canonical import digest, sha256_file
from sparring.errors import SparringError

_VLLM = re.compile(r"^(vllm(?:-cpu)?)==([^\s;\\]+)", re.MULTILINE)
_TORCH = re.compile(r"^torch==", re.MULTILINE)
_FOREIGN = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")  # of our environment: another one must not import from it


def pinned(lock: Path) -> tuple[str, str]:
    """The distribution of vLLM that `lock` pins, and its version: ("vllm", "0.33.0")."""
    found = _VLLM.search(_read(lock))
    if found is None:
        raise SparringError(f"llm.model.lock: {lock} pins no vllm; name envs/scorer.lock or one made like it")
    return found[1], found[2]


def interpreter(lock: Path) -> str:
    """The Python to start vLLM with: SPARRING_SCORER_PYTHON, or that of the environment of `lock`, built if need be.

    SparringError where it has not the version that `lock` pins, under which its answers are filed.
    """
    given = os.environ.get("SPARRING_SCORER_PYTHON")
    python = given or str(build(lock))
    name, version = pinned(lock)
    asked = f"import importlib.metadata as m; print(m.version({name!r}))"
    try:
        done = subprocess.run([python, "-c", asked], capture_output=True, text=True, env=clean_environment())
    except OSError as error:
        raise SparringError(f"SPARRING_SCORER_PYTHON is {python!r}, which cannot be run ({error.strerror})") from None
    found = done.stdout.strip()
    if found.partition("+")[0] != version:
        raise SparringError(
            f"{python} has {f'{name} {found}' if found else f'no {name}'}, but {lock.name} pins {version}: "
            + ("unset SPARRING_SCORER_PYTHON or install that lock there" if given else "delete that environment")
        )
    return python


def build(lock: Path) -> Path:
    """The Python of the environment made from `lock` in SPARRING_ENVS (.sparring/envs), which is made once.

    A lock that pins no torch takes the machine's build of the version in torch.txt beside it.
    """
    wanted = [["--require-hashes", "--no-deps", "-r", str(lock)]]
    names = [lock]
    if not _TORCH.search(_read(lock)):
        names.append(lock.with_name("torch.txt"))
        wanted.append(["-r", str(names[1])])
    name = digest([sys.version_info[:2], *(sha256_file(path) for path in names)])[:16]
    folder = Path(os.environ.get("SPARRING_ENVS") or ".sparring/envs").resolve() / name
    python = folder / "bin" / "python"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lone:
        fcntl.flock(lone, fcntl.LOCK_EX)
        # Marked when it is whole: an environment holds its own path, so that it cannot be moved into its place.
        if not (folder / ".ready").exists():
            shutil.rmtree(folder, ignore_errors=True)
            _run(["venv", "--without-pip", str(folder)], lock)
            for some in wanted:
                _run(["pip", "--python", str(python), "install", "--quiet", *some], lock)
            (folder / ".ready").touch()
    return python


def clean_environment() -> dict[str, str]:
    """The variables for another environment's Python."""
    return {name: value for name, value in os.environ.items() if name not in _FOREIGN}


def _run(module: list[str], lock: Path) -> None:
    done = subprocess.run([sys.executable, "-m", *module], capture_output=True, text=True, env=clean_environment())
    if done.returncode:
        lines = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        said = next((line for line in reversed(lines) if "ERROR" in line), lines[-1] if lines else "no reason given")
        raise SparringError(
            f"the scorer's environment was not made from {lock} ({said}); see `pip config list`, or make it where "
            "there is a network with `sparring scorer-env` and name its Python in SPARRING_SCORER_PYTHON"
        )


def _read(lock: Path) -> str:
    try:
        return lock.read_text()
    except OSError as error:
        raise SparringError(f"llm.model.lock: {lock} cannot be read ({error.strerror}); name a lock file") from None
