"""The store: atomic objects, damage noticed before use, scratch folders of killed jobs swept."""

import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from sparring.errors import SparringError
from sparring.store import Blob, Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def test_an_object_is_named_by_its_content_and_read_only(store: Store) -> None:
    blob = store.put_bytes(b"rows")
    assert blob == Blob(hashlib.sha256(b"rows").hexdigest(), 4)
    assert store.verified(blob).read_bytes() == b"rows"
    assert store.path(blob.sha256).stat().st_mode & 0o222 == 0


@pytest.mark.parametrize("apart", [False, True])
def test_scratch_may_lie_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, apart: bool) -> None:
    shared = Path("/dev/shm")  # a file system of its own, where there is one
    if apart and not (shared.is_dir() and shared.stat().st_dev != tmp_path.stat().st_dev):
        pytest.skip("one file system")
    with tempfile.TemporaryDirectory(dir=shared if apart else tmp_path) as elsewhere:
        monkeypatch.setenv("SPARRING_SCRATCH", f"{elsewhere}/own")
        store = Store(tmp_path / "store")
        with store.scratch() as scratch:
            assert scratch.parent == Path(elsewhere).resolve() / "own"
            (scratch / "rows").write_bytes(b"rows")
            blob = store.put_file(scratch / "rows")
            assert not (scratch / "rows").exists()
        assert store.verified(blob).read_bytes() == b"rows"
        assert store.path(blob.sha256).stat().st_mode & 0o777 == 0o444
        assert not list((tmp_path / "store" / "scratch").iterdir())
        assert not list(Path(elsewhere, "own").iterdir())


def test_a_file_is_moved_in_and_a_second_copy_is_dropped(store: Store) -> None:
    with store.scratch() as scratch:
        for name in ("one", "two"):
            (scratch / name).write_bytes(b"same")
        assert store.put_file(scratch / "one") == store.put_file(scratch / "two")
        assert not (scratch / "two").exists()


@pytest.mark.parametrize("damage", ["flip", "truncate"])
def test_damage_is_named_and_quarantined_before_use(store: Store, damage: str) -> None:
    blob = store.put_bytes(b"0123456789")
    path = store.path(blob.sha256)
    path.chmod(0o644)
    path.write_bytes(b"0123456780" if damage == "flip" else b"01234")
    with pytest.raises(SparringError, match=rf"{blob.sha256} was damaged .*quarantine"):
        store.verified(blob)
    assert not store.has(blob)
    assert (store.root / "quarantine" / blob.sha256).exists()


def test_a_missing_object_is_named(store: Store) -> None:
    with pytest.raises(SparringError, match="is missing from the store"):
        store.verified(Blob("0" * 64, 1))


def test_a_newer_format_is_refused(store: Store) -> None:
    (store.root / "format").write_text("sparring-store-9\n")
    with pytest.raises(SparringError, match="sparring-store-9"):
        Store(store.root)


def test_a_folder_that_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SparringError, match="SPARRING_STORE"):
        Store(tmp_path / "file" / "store")


def test_scratch_of_a_killed_job_is_swept_and_of_a_living_one_is_not(store: Store) -> None:
    code = (
        "import sys, time; from pathlib import Path; from sparring.store import Store\n"
        "with Store(Path(sys.argv[1])).scratch() as s: (s / 'half').touch(); print(s, flush=True); time.sleep(60)"
    )
    job = subprocess.Popen([sys.executable, "-c", code, str(store.root)], stdout=subprocess.PIPE, text=True)
    assert job.stdout
    folder = Path(job.stdout.readline().strip())
    with store.scratch():
        assert (folder / "half").exists()
    os.kill(job.pid, signal.SIGKILL)
    job.wait()
    for _ in range(50):  # the kernel releases the lock as it reaps the process
        with store.scratch():
            if not folder.exists():
                break
        time.sleep(0.1)
    assert not folder.exists()


def test_jobs_that_start_together_do_not_sweep_each_other(store: Store) -> None:
    code = (
        "import sys; from pathlib import Path; from sparring.store import Store\n"
        "for _ in range(200):\n"
        "    with Store(Path(sys.argv[1])).scratch() as s: (s / 'out').mkdir()"
    )
    jobs = [subprocess.Popen([sys.executable, "-c", code, str(store.root)]) for _ in range(3)]
    assert [job.wait() for job in jobs] == [0, 0, 0]
