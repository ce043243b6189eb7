"""One job from its inputs here to its outputs here, by way of a sandbox: what a thread of the executor does."""

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from snakemake_executor_plugin_modal.cloud import Cloud
from snakemake_executor_plugin_modal.request import Request
from snakemake_executor_plugin_modal.volume import COMMITTED, content_path, file_digest

_AFTER_FAILURE = 15  # seconds for the outcome of a job that failed to be seen: its image may lack what the runner needs


class JobFailed(Exception):
    """The job gave no outputs; the message says why."""


@dataclass(frozen=True)
class Order:
    """What a sandbox is told. Paths are relative to the working directory; `runner` and `sources` to the Volume."""

    name: str
    request: Request
    command: str
    runner: str
    sources: str
    root: str
    workdir: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    always: tuple[str, ...]
    carry: Sequence[str]
    collect: Sequence[str]
    env: Mapping[str, str]


class RemoteJob:
    """The life of one submitted job. `sandbox` is the id of the last sandbox it had.

    log: gets what the job prints, and so does `say`, line by line, without the values in `hidden`.
    """

    def __init__(
        self, cloud: Cloud, order: Order, number: int, log: Path, say: Callable[[str], None], hidden: Sequence[str]
    ) -> None:
        self._cloud, self._order, self._log, self._say, self._hidden = cloud, order, log, say, hidden
        self._place = f"jobs/{cloud.run}/{number}"
        self._stopped = threading.Event()
        self.sandbox: str | None = None

    def stop(self) -> None:
        """Starts no sandbox any more; those at work are the caller's to end."""
        self._stopped.set()

    def run(self, preemptions: int) -> None:
        """Runs the job, again where Modal ended its sandbox, up to `preemptions` times. JobFailed says why not."""
        contents = {path: file_digest(Path(path)) for path in self._inputs()}
        self._cloud.files.put({content_path(digest): Path(path) for path, digest in contents.items()})
        for turn in range(preemptions + 1):
            if self._stopped.is_set():
                raise JobFailed("stopped")
            result = self._once(contents, turn)
            if result is not None:
                self._bring(result["files"])
                if result["status"] != 0:
                    raise JobFailed(self._why(result["status"]))
                return
            self._say(f"{self._order.name}: Modal ended the sandbox {self.sandbox}, not its job")
        raise JobFailed(f"its sandbox was ended by Modal {preemptions + 1} times, the last one {self.sandbox}")

    def _inputs(self) -> list[str]:
        found = []
        for name in self._order.inputs:
            path = Path(name)
            if path.is_absolute() or ".." in path.parts:
                raise JobFailed(f"input {name} lies outside the working directory: a sandbox has no place for it")
            found += [str(file) for file in path.rglob("*") if file.is_file()] if path.is_dir() else [name]
        found += [str(path) for pattern in self._order.carry for path in Path().glob(pattern) if path.is_file()]
        return found

    def _once(self, contents: Mapping[str, str], turn: int) -> dict[str, Any] | None:
        # None: Modal ended the sandbox before the job ended.
        order, place, exception = self._order, f"{self._place}.{turn}", self._cloud.modal.exception
        spec = {
            "command": order.command,
            "sources": order.sources,
            "root": order.root,
            "workdir": order.workdir,
            "inputs": {path: content_path(digest) for path, digest in contents.items()},
            "outputs": order.outputs,
            "always": order.always,
            "collect": order.collect,
            "env": dict(order.env),
            "result": f"{place}.result.json",
        }
        self._cloud.files.put({f"{place}.json": json.dumps(spec, indent=1).encode()})
        try:
            sandbox = self._cloud.start(order.request, order.name, [order.runner, f"{place}.json"])
        except exception.ConflictError:
            return None  # ended before it began
        except exception.Error as error:
            raise JobFailed(f"it got no sandbox: {type(error).__name__}: {error}") from None
        self.sandbox = str(sandbox.object_id)
        if self._stopped.is_set():
            sandbox.terminate()
        self._stream(sandbox)
        try:
            sandbox.wait()
        except exception.SandboxTimeoutError:
            raise JobFailed(f"it ran longer than its runtime, {order.request.timeout // 60} minutes") from None
        except exception.SandboxTerminatedError:
            return self._outcome(f"{place}.result.json", patience=0)
        code = sandbox.returncode
        outcome = self._outcome(f"{place}.result.json", patience=_AFTER_FAILURE if code else COMMITTED)
        if outcome is None and code != 0:
            raise JobFailed(f"its sandbox {self.sandbox} ended with status {code} before the job could say how")
        return outcome

    def _outcome(self, path: str, *, patience: float) -> dict[str, Any] | None:
        data = self._cloud.files.read(path, patience=patience)
        return None if data is None else dict(json.loads(data))

    def _stream(self, sandbox: Any) -> None:
        # A log that breaks off is no reason to lose the job.
        self._log.parent.mkdir(parents=True, exist_ok=True)
        try:
            with self._log.open("a") as file:
                for line in sandbox.stderr:
                    for value in self._hidden:
                        line = line.replace(value, "***")
                    file.write(line)
                    file.flush()
                    self._say(f"{self._order.name} | {line.rstrip()}")
        except self._cloud.modal.exception.Error as error:
            self._say(f"{self._order.name}: its log broke off: {error}")

    def _bring(self, files: Mapping[str, tuple[str, int, int]]) -> None:
        try:
            for path, (digest, _, mode) in files.items():
                self._cloud.files.note(content_path(digest))
                self._cloud.files.fetch(digest, mode, Path(path))
        except (OSError, self._cloud.modal.exception.Error) as error:
            raise JobFailed(f"its outputs did not come back: {error}") from None

    def _why(self, status: int) -> str:
        if status == -9:
            return f"its command was killed: out of the {self._order.request.memory} MiB it asked for?"
        return f"its command ended with status {status}"
