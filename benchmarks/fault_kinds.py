"""Faults that hit a run at a chosen moment: killed or stopped processes, a full disk, damaged objects, two runs."""

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from checkout import Checkout

MEMORY = Path("/sys/fs/cgroup/memory")  # version 1; where it cannot be had, SIGKILL stands for the kernel's
_LIMIT = 350 << 20


@dataclass
class Run:
    """One `snakemake` at work in `checkout`, and what a fault needs to know of it."""

    checkout: Checkout
    arguments: tuple[str, ...]
    rng: random.Random
    process: subprocess.Popen[bytes] = field(init=False)

    def start(self) -> None:
        """Starts it as the leader of a session of its own."""
        self.process = subprocess.Popen(
            self.checkout.command(*self.arguments),
            env=self.checkout.environment(),
            cwd=self.checkout.code,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def job(self) -> psutil.Process | None:
        """A running job's process, waited for; None where the run ended first."""
        while self.process.poll() is None:
            jobs = [p for p in _children(self.process.pid) if ".snakemake/scripts" in " ".join(_command(p))]
            if jobs:
                return self.rng.choice(jobs)
            time.sleep(0.05)
        return None

    def stop(self) -> None:
        """Whatever is left of the session."""
        for process in psutil.process_iter():
            try:
                if os.getsid(process.pid) == self.process.pid:
                    process.kill()
            except (ProcessLookupError, psutil.Error):
                continue
        self.process.wait()


def _children(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return []


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _to_job(number: signal.Signals) -> Callable[[Run], None]:
    def strike(run: Run) -> None:
        if job := run.job():
            with suppress(psutil.Error):
                job.send_signal(number)

    return strike


def _to_snakemake(number: signal.Signals) -> Callable[[Run], None]:
    return lambda run: run.process.send_signal(number)


def _to_group(number: signal.Signals) -> Callable[[Run], None]:
    def strike(run: Run) -> None:
        with suppress(ProcessLookupError):
            os.killpg(run.process.pid, number)

    return strike


def _out_of_memory(run: Run) -> None:
    """The kernel's own killer, by a limit on the run's memory; where no limit can be set, SIGKILL of a job."""
    group = MEMORY / f"sparring-{run.process.pid}"
    try:
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text(str(_LIMIT))
        for process in [psutil.Process(run.process.pid), *_children(run.process.pid)]:
            (group / "cgroup.procs").write_text(str(process.pid))
    except (OSError, psutil.Error):
        _to_job(signal.SIGKILL)(run)


def _objects(store: Path) -> list[Path]:
    return sorted(path for path in (store / "objects").glob("*/*") if path.stat().st_size)


def _damage(how: Callable[[Path, random.Random], None]) -> Callable[[Run], None]:
    def strike(run: Run) -> None:
        path = run.rng.choice(_objects(run.checkout.store))
        copy = path.with_name(f"{path.name}.copy")  # the file itself may be a link into another trial's store
        shutil.copy(path, copy)
        copy.chmod(0o644)
        copy.replace(path)
        how(path, run.rng)

    return strike


def _truncate(path: Path, rng: random.Random) -> None:
    os.truncate(path, rng.randrange(path.stat().st_size))


def _flip(path: Path, rng: random.Random) -> None:
    with path.open("r+b") as file:
        file.seek(at := rng.randrange(path.stat().st_size))
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ (1 << rng.randrange(8))]))


def _delete(path: Path, rng: random.Random) -> None:
    path.unlink()


def _second_run(run: Run) -> None:
    """The same command in the same folder (which has to be refused) and in another folder on the same store."""
    folder = run.checkout.code.parent / "second"
    second = run.checkout.copy(folder)
    shutil.rmtree(second.work / "results")
    for checkout in (run.checkout, second):
        subprocess.run(
            checkout.command(*run.arguments), env=checkout.environment(), cwd=checkout.code, capture_output=True
        )


STRIKES: dict[str, Callable[[Run], None]] = {
    "out of memory": _out_of_memory,
    "SIGTERM to a job": _to_job(signal.SIGTERM),
    "SIGKILL to a job": _to_job(signal.SIGKILL),
    "SIGTERM to Snakemake": _to_snakemake(signal.SIGTERM),
    "SIGKILL to Snakemake": _to_snakemake(signal.SIGKILL),
    "SIGTERM to all": _to_group(signal.SIGTERM),
    "SIGKILL to all": _to_group(signal.SIGKILL),
    "an object cut short": _damage(_truncate),
    "a flipped bit in an object": _damage(_flip),
    "an object deleted": _damage(_delete),
    "a second run": _second_run,
}
"""Faults that strike a run from outside, at any moment."""


@contextmanager
def full_disk(checkout: Checkout, free: int) -> Iterator[None]:
    """The store of `checkout` on a file system with `free` bytes left, for a while (needs the right to mount)."""
    aside = checkout.store.with_name("aside")
    checkout.store.rename(aside)
    checkout.store.mkdir()
    used = sum(path.stat().st_size + 8192 for path in aside.rglob("*") if path.is_file())
    mount = ["mount", "-t", "tmpfs", "-o", f"size={used + free}", "tmpfs", str(checkout.store)]
    subprocess.run(mount, check=True)
    try:
        shutil.copytree(aside, checkout.store, dirs_exist_ok=True)
        yield
        subprocess.run(["mount", "-o", f"remount,size={2 * used + (4 << 30)}", str(checkout.store)], check=True)
        shutil.rmtree(aside)
        shutil.copytree(checkout.store, aside)
    finally:
        subprocess.run(["umount", "-l", str(checkout.store)], check=False)
        checkout.store.rmdir()
        aside.rename(checkout.store)


def can_mount() -> bool:
    """Whether this process may mount a file system."""
    return os.geteuid() == 0 and shutil.which("mount") is not None and _mounts()


def _mounts() -> bool:
    folder = Path(f"/tmp/sparring-mount-{os.getpid()}")
    folder.mkdir()
    try:
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True)
        if done.returncode == 0:
            subprocess.run(["umount", str(folder)], check=True)
        return done.returncode == 0
    finally:
        folder.rmdir()
