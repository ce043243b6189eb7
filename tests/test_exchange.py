"""Pull and push: what is there is not sent again, nothing damaged takes a name, and no memo answers with a gap."""

import contextlib
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from edits import MINI
from loopback import Loopback
from modal_checkout import PLUGIN, OnModal

from sparring.canonical import digest
from sparring.cli import main
from sparring.codedigest import code_digest
from sparring.errors import SparringError
from sparring.exchange import places
from sparring.exchange.answers import behind
from sparring.job import Job, run
from sparring.manifest import content_of
from sparring.order import note_order
from sparring.records import read_record
from sparring.store import Blob, Store, open_store
from sparring.upkeep import collect

COUNT = (4, 4, 5)  # objects behind tokens, the coder, the scores: files and manifest


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """results/{tokens,coder,scores}.json, each made from the one before, in the store `near`."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("SPARRING_STORE", str(tmp_path / "near"))
    (work / "rule.py").write_text("x = 1\n")
    make("tokens", {})
    make("coder", {"tokens": "results/tokens.json"})
    make("scores", {"coder": "results/coder.json"}, parts=4)
    return work


def make(name: str, inputs: dict[str, str], parts: int = 3) -> list[str]:
    """Runs a job that gives results/NAME.json; whether it computed."""
    computed = []

    def compute(job: Job) -> dict[str, Any]:
        computed.append(name)
        for part in range(parts):
            (job.out / str(part)).write_bytes(f"{name} {part}\n".encode() * 1000)
        return {}

    spec = {"script": "rule.py", "code": code_digest(Path("rule.py"))}
    values = {"input": inputs, "output": {"manifest": f"results/{name}.json"}, "wildcards": {}, "threads": 1}
    run(
        SimpleNamespace(**values, params=SimpleNamespace(spec=spec), log=[], rule=name, scriptdir=str(Path.cwd())),
        compute,
    )
    return computed


def key_of(target: str) -> str:
    record = read_record(target)
    assert record
    return record.action


def recorded(store: Path, target: str) -> bool:
    return Store(store).action_path(key_of(target)).is_file()


def objects(store: Path) -> set[str]:
    return {path.name for path in store.glob("objects/*/*")}


def changed(store: Path, sha256: str) -> Path:
    path = Store(store).path(sha256)
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    return path


@pytest.fixture
def far(work: Path, tmp_path: Path) -> Path:
    """A store that has everything; the one here then has nothing."""
    assert main(["store", "push", "--upstream", "--folder", str(tmp_path / "far"), "results/scores.json"]) == 0
    shutil.rmtree(tmp_path / "near")
    return tmp_path / "far"


def pull(far: Path, *arguments: str) -> int:
    return main(["store", "pull", "--folder", str(far), *arguments])


def test_only_the_target_s_own_unless_all_upstream_is_asked_for(far: Path, tmp_path: Path, capsys: Any) -> None:
    near = tmp_path / "near"
    assert pull(far, "results/coder.json") == 0
    assert "4 objects, 0.0 MB pulled from the store" in capsys.readouterr().out
    assert len(objects(near)) == COUNT[1]
    assert [recorded(near, f"results/{name}.json") for name in ("tokens", "coder", "scores")] == [False, True, False]
    assert pull(far, "--upstream", "results/scores.json") == 0
    assert "9 objects, 0.1 MB pulled" in (said := capsys.readouterr().out) and "; 4 were there already" in said
    assert objects(near) == objects(far)
    shutil.rmtree("results")
    inputs = {"tokens": {}, "coder": {"tokens": "results/tokens.json"}, "scores": {"coder": "results/coder.json"}}
    assert [make(name, files) for name, files in inputs.items()] == [[], [], []]


def test_what_a_result_waits_for_without_reading_it_is_upstream(far: Path, tmp_path: Path) -> None:
    note_order({"results/tokens.json": ["results/scores.json"], "results/coder.json": ["results/tokens.json"]})
    note_order({"results/tokens.json": []})
    assert list(behind(["results/coder.json"], upstream=True)) == ["results/tokens.json", "results/coder.json"]
    note_order({"results/tokens.json": ["results/gone.json"]})
    with pytest.raises(SparringError, match=r"results/gone.json: nothing in"):
        behind(["results/coder.json"], upstream=True)
    assert list(behind(["./results/coder.json"], upstream=False)) == ["results/coder.json"]


def test_a_dry_run_lists_and_moves_nothing(far: Path, tmp_path: Path, capsys: Any) -> None:
    assert pull(far, "--dry-run", "results/coder.json") == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "results/coder.json"
    assert [line.split()[:2] for line in said[1:5]] == [["0.0", "MB"]] * 4
    assert sorted(line.split()[3] for line in said[1:5]) == ["0", "1", "2", "coder.json"]
    assert said[5].startswith("4 objects, 0.0 MB would be pulled from the store")
    assert not objects(tmp_path / "near")
    assert main(["store", "push", "--dry-run", "--folder", str(tmp_path / "new"), "results/coder.json"]) == 1
    assert not (tmp_path / "new").exists()


def test_damage_there_is_named_with_its_mend_and_the_rest_goes_over(
    far: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    near = tmp_path / "near"
    shutil.copytree(far, tmp_path / "whole")
    damaged = sorted(objects(far))[0]
    path = changed(far, damaged)
    assert pull(far, "--upstream", "results/scores.json") == 1
    said = capsys.readouterr()
    assert said.out.startswith("12 objects") and said.out.endswith("; 0 were there already\n")
    (line,) = said.err.splitlines()
    assert f"object {damaged} of the store {far} is damaged; take it away (`rm -f {path}`)" in line
    assert objects(near) == objects(far) - {damaged}
    assert sum(recorded(near, f"results/{name}.json") for name in ("tokens", "coder", "scores")) == 2
    path.unlink()  # its mend, in two steps
    assert pull(far, "--upstream", "results/scores.json") == 1
    assert f"object {damaged} is missing from the store {far}" in capsys.readouterr().err
    monkeypatch.setenv("SPARRING_STORE", str(tmp_path / "whole"))
    assert main(["store", "push", "--upstream", "--folder", str(far), "results/scores.json"]) == 0
    assert "1 objects" in capsys.readouterr().out
    monkeypatch.setenv("SPARRING_STORE", str(near))
    assert pull(far, "--upstream", "results/scores.json") == 0
    assert objects(near) == objects(far)


def test_a_damaged_or_missing_object_here_is_not_sent(work: Path, tmp_path: Path, capsys: Any) -> None:
    near, far = tmp_path / "near", tmp_path / "far"
    one, other = sorted(objects(near))[:2]
    changed(near, one)
    open_store().path(other).unlink()
    push = ["store", "push", "--upstream", "--folder", str(far), "results/scores.json"]
    assert main(push) == 1
    said = capsys.readouterr().err
    assert f"object {one} was damaged and is now" in said and f"object {other} is missing from the store" in said
    assert said.count("makes it anew") == 2
    assert len(objects(far)) == sum(COUNT) - 2
    assert sum(recorded(far, f"results/{name}.json") for name in ("tokens", "coder", "scores")) < 3


def test_cut_in_the_middle_it_goes_on(far: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    near, copy, copies = tmp_path / "near", places._copy, []

    def cut(source: Path, target: Path, moved: places.Moved) -> None:
        copies.append(source.name)
        if len(copies) == 6:
            target.write_bytes(b"half")
            with pytest.raises(SparringError, match="jobs are at work on the store"):
                collect(open_store(), keep_days=0.0, dry_run=False)
            raise KeyboardInterrupt
        copy(source, target, moved)

    monkeypatch.setattr(places, "_copy", cut)
    assert pull(far, "--upstream", "results/scores.json") == 1
    assert capsys.readouterr().err == "sparring: stopped; the same command goes on\n"
    assert len(objects(near)) == 5
    assert not list(near.glob("actions/*/*"))  # the records come last
    assert not list(near.glob("scratch/*"))
    assert pull(far, "--upstream", "results/scores.json") == 0
    assert len(copies) == 6 + sum(COUNT) - 5
    assert objects(near) == objects(far)
    assert pull(far, "--upstream", "results/scores.json") == 0
    assert len(copies) == 6 + sum(COUNT) - 5


def test_a_full_disk_is_one_line(far: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    def full(source: Path, target: Path, moved: places.Moved) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(places, "_copy", full)
    assert pull(far, "results/coder.json") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "the disk of the store here is full; free some space" in line


def test_the_earlier_time_of_both_stores_holds(far: Path, tmp_path: Path) -> None:
    near = Store(tmp_path / "near")
    plan, scores = content_of(Path("results/tokens.json")), content_of(Path("results/scores.json"))
    for store, content, when in (
        (far, plan, 100),
        (far, scores, 200),
        (near.root, plan, 300),
        (near.root, scores, 150),
    ):
        (store / "seen").mkdir(exist_ok=True)
        (store / "seen" / content).write_text(f"{when}\n")
    # Of the scores alone; their plan is the older one, and stays so.
    assert pull(far, "results/scores.json") == 0
    assert (near.first_seen(plan), near.first_seen(scores)) == (100, 150)
    assert main(["store", "push", "--folder", str(far), "results/scores.json"]) == 0
    assert (Store(far).first_seen(plan), Store(far).first_seen(scores)) == (100, 150)


def test_an_answer_that_stands_is_not_replaced(far: Path, tmp_path: Path, capsys: Any) -> None:
    """The same action can give other bytes on another machine; results elsewhere rest on those."""
    key = key_of("results/coder.json")
    record = json.loads(Store(far).action_path(key).read_bytes())
    other = Store(tmp_path / "near").put_bytes(b"another manifest")
    record |= {"outputs": {"manifest": {"sha256": other.sha256, "bytes": other.bytes}}, "objects": []}
    Store(tmp_path / "near").write_action(key, json.dumps(record).encode())
    assert pull(far, "results/coder.json") == 1
    assert "results/coder.json is not what the store here has of the same action" in capsys.readouterr().err
    assert json.loads(Store(tmp_path / "near").action_path(key).read_bytes()) == record
    Path("results/coder.json").unlink()
    assert pull(far, "results/coder.json") == 0
    assert len(objects(tmp_path / "near")) == 1


@pytest.mark.parametrize("harm", ["another's", "a path", "cut short"])
def test_a_record_from_elsewhere_that_does_not_fit_is_none(far: Path, harm: str, capsys: Any) -> None:
    path = Store(far).action_path(key_of("results/coder.json"))
    record = json.loads(path.read_bytes())
    if harm == "another's":
        record["action"]["rule"] = "other"
    if harm == "a path":
        record["objects"][0]["sha256"] = "../../../../etc/passwd"
    path.write_text(json.dumps(record)[: 50 if harm == "cut short" else None])
    assert pull(far, "results/coder.json") == 1
    assert "has no record of how it was made" in capsys.readouterr().err


def test_what_cannot_be_done_is_one_line(work: Path, tmp_path: Path, capsys: Any) -> None:
    for arguments, said in (
        (["pull", "results/none.json", "--folder", str(tmp_path / "far")], "results/none.json: nothing in results"),
        (["pull", "results/coder.json", "--folder", str(tmp_path / "far")], "no store is there"),
        (["push", "results/coder.json", "--folder", str(tmp_path / "near")], "is this store"),
    ):
        assert main(["store", *arguments]) == 1
        assert said in capsys.readouterr().err
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "format").write_text("sparring-store-9\n")
    assert main(["store", "push", "results/coder.json", "--folder", str(tmp_path / "far")]) == 1
    assert "has format 'sparring-store-9'" in capsys.readouterr().err


# By the real client, in processes of their own, against the plugin's loopback.


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Loopback]:
    with Loopback(tmp_path / "cloud") as cloud:
        yield cloud


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "sparring.cli", "store", *arguments]


def environment(cloud: Loopback, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MODAL_")}
    return {**kept, **cloud.environment(), "PYTHONPATH": f"{Path(places.__file__).parents[2]}:{PLUGIN}", **more}


def store(cloud: Loopback, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments), env=environment(cloud, **more), capture_output=True, text=True, timeout=100
    )


@pytest.fixture
def big(work: Path) -> Blob:
    """results/coder.json refers to an object of 80 MB, too."""
    data = os.urandom(79 << 20) + bytes(1 << 20)  # its end is zeros, which Modal's client does not send
    key = key_of("results/coder.json")
    blob = open_store().put_bytes(data)
    path = open_store().action_path(key)
    record = json.loads(path.read_bytes())
    assert digest(record["action"]) == key
    record["objects"].append({"sha256": blob.sha256, "bytes": blob.bytes})
    path.write_text(json.dumps(record))
    return blob


def test_80_megabytes_to_a_volume_and_back(big: Blob, cloud: Loopback, tmp_path: Path) -> None:
    for name in ("pull", "push"):
        listed = store(cloud, name, "--dry-run", "results/coder.json")
        assert (listed.returncode, listed.stderr) == (
            1,
            "sparring: Modal knows no Volume 'snakemake'\n",
        )
    pushed = store(cloud, "push", "results/coder.json")
    assert pushed.returncode == 0, pushed.stderr
    assert "5 objects, 83.9 MB pushed to the Modal Volume snakemake; 0 were there already" in pushed.stdout
    far = cloud.volume() / "store"
    assert (far / "format").read_text() == "sparring-store-1\n"
    assert Store(far).verified(big)
    again = store(cloud, "push", "results/coder.json")
    assert "0 objects, 0.0 MB pushed to the Modal Volume snakemake; 5 were there already" in again.stdout
    shutil.rmtree(tmp_path / "near")
    pulled = store(cloud, "pull", "--volume", "snakemake", "results/coder.json")
    assert "5 objects, 83.9 MB pulled from the Modal Volume snakemake" in pulled.stdout, pulled.stderr
    assert open_store().verified(big)
    assert recorded(tmp_path / "near", "results/coder.json")
    path = changed(far, big.sha256)
    shutil.rmtree(tmp_path / "near")
    pulled = store(cloud, "pull", "results/coder.json")
    assert pulled.returncode == 1
    assert f"object {big.sha256} of the Modal Volume snakemake is damaged" in pulled.stderr
    mend = pulled.stderr.split("`")[1].split()
    subprocess.run([sys.executable, "-m", *mend], env=environment(cloud), check=True, timeout=100, capture_output=True)
    assert not path.exists()
    assert "is missing from the Modal Volume snakemake" in store(cloud, "pull", "results/coder.json").stderr


def _size(near: Path) -> int:
    with contextlib.suppress(FileNotFoundError):
        return sum(path.stat().st_blocks * 512 for path in near.glob("scratch/*/object"))
    return 0


@pytest.mark.parametrize("name", ["push", "pull"])
def test_killed_or_dropped_in_the_middle(big: Blob, cloud: Loopback, tmp_path: Path, name: str) -> None:
    """A killed transfer leaves no half object; the next one loses its connection, and holds out."""
    near, far, blocks = tmp_path / "near", cloud.volume() / "store", cloud.folder / "blocks"
    if name == "pull":
        assert store(cloud, "push", "results/coder.json").returncode == 0
        shutil.rmtree(near)
    into = far if name == "push" else near

    def begin(enough: int = 0) -> "subprocess.Popen[str]":
        started = subprocess.Popen(
            command(name, "results/coder.json"),
            env=environment(cloud),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        end = time.monotonic() + 60
        while (len(list(blocks.iterdir())) < enough) if name == "push" else (_size(near) < 1 << 24):
            assert time.monotonic() < end and started.poll() is None
            time.sleep(0.02)
        return started

    cloud.slow = 0.3
    killed = begin(8)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert len(objects(into)) == 4 and big.sha256 not in objects(into)
    assert not list(into.glob("actions/*/*"))
    sent = {path: path.stat().st_mtime_ns for path in blocks.iterdir()}
    second = begin(len(sent) + 1)
    cloud.drop()
    said, _ = second.communicate(timeout=100)
    assert second.returncode == 0, said
    assert "1 objects, 83.9 MB" in said and "4 were there already" in said
    assert sent == {path: path.stat().st_mtime_ns for path in sent}  # on the way up, blocks too go once
    assert Store(into).verified(big)
    assert recorded(into, "results/coder.json")
    assert not list(near.glob("scratch/*/object"))


def test_the_volume_and_its_folder_are_the_profile_s(work: Path, cloud: Loopback, tmp_path: Path) -> None:
    (tmp_path / "profile").mkdir()
    said = "modal-volume: ours\nmodal-env: A=1,SPARRING_STORE={volume}/deep/store\n"
    (tmp_path / "profile" / "config.yaml").write_text(said)
    pushed = store(cloud, "push", "--profile", str(tmp_path / "profile"), "results/coder.json")
    assert pushed.returncode == 0, pushed.stderr
    assert len(objects(cloud.volume("ours") / "deep" / "store")) == COUNT[1]
    asked = store(cloud, "push", "--profile", str(tmp_path / "none"), "results/coder.json")
    assert (asked.returncode, "it needs a config.yaml" in asked.stderr) == (1, True)


def test_without_a_token_or_a_client(work: Path, cloud: Loopback, tmp_path: Path) -> None:
    none = {"MODAL_TOKEN_ID": "", "MODAL_TOKEN_SECRET": "", "MODAL_CONFIG_PATH": "/dev/null"}
    asked = store(cloud, "pull", "results/coder.json", **none)
    assert asked.returncode == 1
    (line,) = asked.stderr.splitlines()
    assert "Modal does not let us in" in line and "run `modal token new`" in line
    (tmp_path / "without").mkdir()
    (tmp_path / "without" / "modal.py").write_text("raise ImportError\n")
    path = f"{tmp_path / 'without'}:{Path(places.__file__).parents[2]}:{PLUGIN}"
    asked = store(cloud, "pull", "results/coder.json", PYTHONPATH=path)
    assert asked.returncode == 1
    (line,) = asked.stderr.splitlines()
    assert "is not installed; run `make env`, or name a store with --folder" in line


# The graph.

TARGET = "results/tokens.json"
JOBS = frozenset({"subject", "corpus", "tokens"})


@pytest.fixture
def on_modal(tmp_path: Path) -> Iterator[OnModal]:
    with OnModal.entered(tmp_path) as checkout:
        yield checkout


@pytest.mark.e2e
def test_what_modal_made_is_pulled_and_nothing_is_left_to_compute(on_modal: OnModal) -> None:
    ran = on_modal.run(TARGET, "--profile", "modal", *MINI)
    assert (ran.status, ran.computed) == (0, JOBS), ran.output
    here = on_modal.work / "store"
    listed = on_modal.sparring("store", "pull", "--upstream", "--dry-run", TARGET)
    assert listed.returncode == 0, listed.stderr
    assert listed.stdout.splitlines()[-1].endswith("; 0 are there already")
    assert "  model.safetensors" in listed.stdout
    assert not objects(here)
    profile = str(on_modal.code / "profiles" / "modal")
    pulled = on_modal.sparring("store", "pull", "--upstream", "--profile", profile, TARGET)
    assert pulled.returncode == 0, pulled.stderr
    assert objects(here) == objects(on_modal.store)
    assert on_modal.sparring("verify").stdout.endswith("objects, 0 damaged\n")
    local = on_modal.run(TARGET, *MINI)
    assert (local.status, local.launched) == (0, frozenset()), local.output
    shutil.rmtree(on_modal.work / "results")
    local = on_modal.run(TARGET, *MINI)
    assert (local.status, local.recalled, local.computed) == (0, JOBS, frozenset()), local.output


@pytest.mark.e2e
def test_what_was_made_here_is_pushed_and_modal_computes_nothing(on_modal: OnModal) -> None:
    ran = on_modal.run(TARGET, *MINI)
    assert (ran.status, ran.computed) == (0, JOBS), ran.output
    pushed = on_modal.sparring("store", "push", "--upstream", TARGET)
    assert pushed.returncode == 0, pushed.stderr
    assert objects(on_modal.store) == objects(on_modal.work / "store")
    there = on_modal.run(TARGET, "--profile", "modal", *MINI)
    assert (there.status, there.launched) == (0, frozenset()), there.output
    assert not on_modal.cloud.boxes
    shutil.rmtree(on_modal.work / "results")
    there = on_modal.run(TARGET, "--profile", "modal", *MINI)
    assert (there.status, there.recalled, there.computed) == (0, JOBS, frozenset()), there.output
