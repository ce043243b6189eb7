"""A small workflow in a folder of its own, run by the real `snakemake` and the real client against the loopback."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from loopback import Loopback

PLUGIN = Path(__file__).parents[1]
SECRET = "hunter2-of-the-loopback"


@dataclass(frozen=True)
class Flow:
    """A workflow's folder. `run` and `start` are `snakemake ARGUMENTS` there, by way of the loopback unless `local`."""

    folder: Path
    cloud: Loopback

    def write(self, **files: str) -> None:
        for name, text in files.items():
            (self.folder / name.replace("_py", ".py")).write_text(text)

    def environment(self, **more: str) -> dict[str, str]:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("MODAL_", "SPARRING_"))}
        return {**kept, **self.cloud.environment(), "PATH": path, "PYTHONPATH": str(PLUGIN), **more}

    def command(self, *arguments: str, local: bool = False) -> list[str]:
        place = ["--cores", "1"] if local else ["--executor", "modal", "--jobs", "4", "--modal-lock", "env.lock"]
        return [sys.executable, "-m", "snakemake", *arguments, *place]

    def run(self, *arguments: str, local: bool = False, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments, local=local),
            cwd=self.folder,
            env=self.environment(**environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
        )

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def sweep(self, which: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "snakemake_executor_plugin_modal", "sweep", which]
        return subprocess.run(command, env=self.environment(), capture_output=True, text=True, timeout=100)


def until(true: Callable[[], object], seconds: float = 60) -> None:
    """Waits for a condition; an assertion error after `seconds`."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.05)


def run_id(output: str) -> str:
    found = re.search(r"^Modal run (\w+) ", output, re.MULTILINE)
    assert found, output
    return found[1]
