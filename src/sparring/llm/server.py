"""A server that a job starts, waits for, and stops with all its children, in whatever way the job ends."""

import contextlib
import fcntl
import os
import re
import secrets
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from sparring.errors import SparringError
from sparring.llm import keeper
from sparring.progress import progress

_PORTS = 3  # ports that are tried: another program may take one between our look and the server's
_LOOK = 0.25  # seconds between two looks whether something has come about
_TAKEN = re.compile(r"address already in use", re.IGNORECASE)
_TELLING = re.compile(r"error|out of memory|killed|cannot|not supported", re.IGNORECASE)
_NOISE = re.compile(r"^(raise |File |return |For further|.*Warning:)")
_PREFIX = re.compile(r"^(\([^)]*\) )*([A-Z]+ \d\d-\d\d [\d:]+ \[[^]]*\] )?")  # vLLM's process, level, time and place
_MENDS = {
    re.compile(r"out of memory|cannot allocate memory|free memory|no available memory|KV cache|by signal 9", re.I): (
        "it does not fit: lower llm.model.parallel or llm.model.context, or take a quantised model or a bigger card"
    ),
    re.compile(r"No module named|cannot open shared object", re.I): (
        "its environment is not whole: delete the folder and build it again with `sparring scorer-env`"
    ),
    re.compile(r"max_model_len", re.I): "lower llm.model.context to what the model reads",
    re.compile(r"not supported|not recognize|unrecognized", re.I): "name a model that it knows in llm.sources",
}


@dataclass(frozen=True)
class Launch:
    """What is started: `what`, for people; `command` for a port of 127.0.0.1; where its output goes; how many seconds
    it may take to answer GET /v1/models. It finds the key to ask for in its environment, in `key_variable`."""

    what: str
    command: Callable[[int], Sequence[str]]
    environment: Mapping[str, str]
    key_variable: str
    log: Path
    within: float


class Server:
    """One server: `start` once, `close` at last; both from any thread."""

    def __init__(self, launch: Launch) -> None:
        self.key = secrets.token_urlsafe(24)
        self._launch = launch
        self._closed = threading.Event()
        self._changing = threading.Lock()
        self._held = contextlib.ExitStack()
        self._keeper: subprocess.Popen[bytes] | None = None

    def start(self) -> str:
        """The URL (http://127.0.0.1:PORT/v1) once it answers there. SparringError if it ends, or takes too long."""
        try:
            self._held.enter_context(self._alone())
            for _ in range(_PORTS):
                url = f"http://127.0.0.1:{self._run()}/v1"
                if self._answers(url):
                    return url
                if not _TAKEN.search(self._log()):
                    break
            raise self.ended("could not be started")
        except BaseException:
            self.close()
            raise

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._keeper is not None and self._keeper.poll() is None

    def ends(self, within: float = 15.0) -> bool:
        """Whether it is gone, or going: its keeper first ends what it leaves."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._keeper is None or self._keeper.wait(within) is not None
        return False

    def ended(self, how: str) -> SparringError:
        """Why it is gone, in one line: what its log says, and the mend."""
        said = [_PREFIX.sub("", line).strip() for line in self._log().splitlines() if line.strip()]
        status = None if self._keeper is None else self._keeper.poll()
        if status is not None and status > 128:
            said.append(f"error: ended by signal {256 - status}")
        telling = [line for line in said if _TELLING.search(line) and not _NOISE.match(line)] or said
        found = " | ".join(dict.fromkeys(line[:300] for line in telling[-3:])) or "it said nothing"
        mends = (mend for pattern, mend in _MENDS.items() if pattern.search(" ".join(telling)))
        mend = next(mends, "the log says more")
        return SparringError(f"{self._launch.what} {how} ({found}); {mend} ({self._launch.log})")

    def close(self) -> None:
        """Stops it and its children; returns when they are gone."""
        self._closed.set()
        with self._changing:
            self._stop()
        self._held.close()

    def _run(self) -> int:
        # The keeper ends the server when the pipe to it closes: by `_stop`, or because this process is no more.
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = int(free.getsockname()[1])
        one = self._launch
        one.log.parent.mkdir(parents=True, exist_ok=True)
        with self._changing, one.log.open("wb") as log:
            self._stop()
            if not self._closed.is_set():
                self._keeper = subprocess.Popen(
                    [sys.executable, "-I", keeper.__file__, *one.command(port)],
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=log,
                    env={**one.environment, one.key_variable: self.key},
                    start_new_session=True,
                )
        return port

    def _stop(self) -> None:
        if self._keeper is not None and self._keeper.stdin is not None:
            self._keeper.stdin.close()
            self._keeper.wait()

    def _answers(self, url: str) -> bool:
        """True once it does, False if it ended."""
        with progress(None, desc=f"start {self._launch.what}", unit="s") as bar:
            began, waited = time.monotonic(), 0.0
            while self.alive:
                with contextlib.suppress(httpx.TransportError):
                    # With its key, so that no other server at this port can be taken for it; past any proxy.
                    asked = {"Authorization": f"Bearer {self.key}"}
                    if httpx.get(f"{url}/models", headers=asked, timeout=5.0, trust_env=False).is_success:
                        return True
                if waited >= self._launch.within:
                    raise self.ended(f"does not answer after {self._launch.within:g} seconds (llm.model.start)")
                self._closed.wait(_LOOK)
                waited = time.monotonic() - began
                bar.update(round(waited, 1) - bar.n)
        if self._closed.is_set():
            raise SparringError(f"{self._launch.what} was stopped before it answered")
        return False

    def _log(self) -> str:
        try:
            return self._launch.log.read_text(errors="replace")[-20_000:]
        except OSError:
            return ""

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """One server at a time on these cards: a second one would not fit, and its job can wait."""
        cards = re.sub(r"\W+", "-", os.environ.get("CUDA_VISIBLE_DEVICES", "all"))
        path = Path(tempfile.gettempdir()) / f"sparring-server-{os.getuid()}-{cards}.lock"
        with path.open("w") as lock:
            while not self._closed.is_set():
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    self._closed.wait(_LOOK)
            yield
