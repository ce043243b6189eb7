"""The miniature study through profiles/slurm, on a Slurm of this machine alone (benchmarks/slurm_cluster.sh)."""

import fcntl
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from checkout import ROOT, Checkout
from edits import HEADLINE, MINI

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("slurmctld") is None or os.getuid() != 0,
        reason="needs root and Debian's slurmctld, slurmd, slurm-client and munge",
    ),
]
SLURM = ("--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", "2")


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    script = str(ROOT / "benchmarks" / "slurm_cluster.sh")
    # A machine has one; pytest's own folders are closed to munge's user.
    alone = Path(tempfile.gettempdir()) / "sparring-test-slurm.lock"
    with tempfile.TemporaryDirectory() as folder, alone.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        subprocess.run([script, "start", folder], check=True)
        try:
            yield
        finally:
            subprocess.run([script, "stop", folder], check=True)


def command(checkout: Checkout, *arguments: str) -> list[str]:
    local = checkout.command()
    local[local.index("--cores") :] = ["--profile", str(ROOT / "profiles" / "slurm")]
    return [*local, *SLURM, *arguments]


def run(checkout: Checkout, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(checkout, *arguments), env=checkout.environment(), cwd=checkout.code, capture_output=True, text=True
    )


def test_the_study_is_the_same_as_on_one_machine(cluster: None, mini: Checkout, tmp_path: Path) -> None:
    checkout = Checkout.make(tmp_path, tmp_path / "store")
    ran = run(checkout, HEADLINE, *MINI)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    of = {path.relative_to(mini.work): path for path in (mini.work / "results").rglob("*") if path.is_file()}
    compared = [name for name in of if ".sparring" not in name.parts and "benchmarks" not in name.parts]
    assert len(compared) > 20
    for name in compared:
        assert (checkout.work / name).read_bytes() == of[name].read_bytes(), name


def test_a_job_over_its_memory_and_a_cancelled_one_are_made_up_by_the_same_command(
    cluster: None, copy: Checkout
) -> None:
    target = "results/coders/sae.json"
    before = (copy.work / target).read_bytes()
    copy.forget(target)
    # Snakemake itself takes 190 MB there, the training twice as much again.
    little = run(copy, target, *MINI, "--set-resources", "coder:mem_mb=350", "--retries", "0")
    assert little.returncode != 0
    said = [log.read_text() for log in copy.work.glob(".snakemake/slurm_logs/rule_coder/**/*.log")]
    assert any("exceeded memory limit" in text for text in said), little.stdout + little.stderr
    assert not (copy.work / target).exists()

    started = subprocess.Popen(
        command(copy, target, *MINI, "--retries", "0"), env=copy.environment(), cwd=copy.code, stdout=subprocess.DEVNULL
    )
    while not (running := _queued("%A", "--states=RUNNING")):
        assert started.poll() is None
        time.sleep(0.2)
    subprocess.run(["scancel", *running], check=True)
    assert started.wait(120) != 0 and not (copy.work / target).exists()

    again = run(copy, target, *MINI)
    assert again.returncode == 0, again.stdout + again.stderr
    assert (copy.work / target).read_bytes() == before


def _queued(format: str, *arguments: str) -> list[str]:
    found = subprocess.run(
        ["squeue", "--noheader", f"--format={format}", *arguments], capture_output=True, text=True, check=True
    )
    return found.stdout.split()
