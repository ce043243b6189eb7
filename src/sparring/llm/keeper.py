"""Keeps a server: starts the command it is given, and ends all that came of it once its standard input is at its end.

Run as a file by llm/server.py, whose process holds the other end of that pipe: however the job ends, by SIGKILL too,
the system closes it. PR_SET_PDEATHSIG in the job would not do: it goes by the thread that started the server, which is
one of several that ask, and it spares what the server started itself. Only Python's own library: it is run alone.
"""

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

_GRACE = 10.0  # seconds that the server gets to end by itself
_DEATHSIG, _SUBREAPER = 1, 36  # of prctl(2)


def keep(command: Sequence[str]) -> int:
    """Runs `command` until it ends or standard input does; its exit status. Nothing that it started is left."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    prctl = ctypes.CDLL(None).prctl
    prctl(_SUBREAPER, 1, 0, 0, 0)  # orphans below this process become its children, so that they can be found
    server = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=lambda: prctl(_DEATHSIG, signal.SIGTERM, 0, 0, 0),  # were the keeper killed itself
    )
    try:
        while server.poll() is None and not select.select([sys.stdin], [], [], 0.2)[0]:
            pass
        return server.poll() or 0
    finally:
        _end(server)


def _end(server: "subprocess.Popen[bytes]") -> None:
    if server.poll() is None:
        server.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(_GRACE)
    began = time.monotonic()
    while (waited := time.monotonic() - began) < _GRACE:
        if waited > _GRACE / 10:  # its children had time to give their shared memory back
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)
            for child in _children():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass
        except ChildProcessError:
            return
        time.sleep(0.05)


def _children() -> list[int]:
    return [int(pid) for task in Path("/proc/self/task").glob("*/children") for pid in task.read_text().split()]


if __name__ == "__main__":
    sys.exit(keep(sys.argv[1:]))
