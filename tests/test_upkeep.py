"""verify names and quarantines damage; gc never takes what a result or a young action refers to."""

import json
import os
import shutil
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sparring.canonical import pretty_json
from sparring.codedigest import code_digest
from sparring.errors import SparringError
from sparring.job import Job, run
from sparring.manifest import read_manifest
from sparring.memo import Action, remember
from sparring.registry.keys import RULE, job_keys, run_keys
from sparring.store import Store, open_store
from sparring.upkeep import collect, verify

DAY = 86_400


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPARRING_STORE", str(tmp_path / "store"))
    (tmp_path / "rule.py").write_text("x = 1\n")
    return tmp_path


def make(work: Path, name: str, text: str) -> str:
    """Runs a job that gives results/NAME.json; the sha256 of its one object."""

    def compute(job: Job) -> dict[str, Any]:
        (job.out / "rows").write_text(text)
        return {}

    spec = {"script": "rule.py", "code": code_digest(work / "rule.py"), "text": text}
    values = {"input": {}, "output": {"manifest": f"results/{name}.json"}, "wildcards": {}, "threads": 1}
    run(SimpleNamespace(**values, params=SimpleNamespace(spec=spec), log=[], rule=name, scriptdir=str(work)), compute)
    manifest = read_manifest(work / "results" / f"{name}.json")
    assert manifest
    return manifest.files["rows"].sha256


def age(store: Store, days: float) -> None:
    then = time.time() - days * DAY
    for path in (*store.root.glob("objects/*/*"), *store.root.glob("actions/*/*")):
        os.utime(path, (then, then))


def test_damage_is_named_with_its_maker_and_taken_out_of_the_way(work: Path) -> None:
    damaged = make(work, "coder", "abc")
    make(work, "tokens", "def")
    path = open_store().path(damaged)
    path.chmod(0o644)
    path.write_text("abd")
    count, damages = verify(open_store())
    assert count == 4
    assert [(damage.sha256, damage.makers) for damage in damages] == [(damaged, ("coder",))]
    assert damages[0].quarantined.read_text() == "abd"
    assert verify(open_store()) == (3, [])
    make(work, "coder", "abc")
    assert verify(open_store()) == (4, [])


def test_what_results_refer_to_stays_and_the_rest_goes(work: Path) -> None:
    kept, dropped = make(work, "coder", "abc"), make(work, "tokens", "def")
    store = open_store()
    (work / "results" / "tokens.json").unlink()
    (work / "results" / ".sparring" / "results" / "tokens.json.json").unlink()
    age(store, 10)
    assert collect(store, keep_days=7.0, dry_run=True)[0] == 2
    assert store.path(dropped).exists()
    assert collect(store, keep_days=7.0, dry_run=False)[0] == 2
    assert store.path(kept).exists() and not store.path(dropped).exists()
    assert make(work, "tokens", "def") == dropped  # and can be made again


def test_a_retracted_result_still_has_its_objects(work: Path) -> None:
    kept = make(work, "coder", "abc")
    (work / "results" / "coder.json").unlink()  # as before a run; its record stays
    age(open_store(), 10)
    assert collect(open_store(), keep_days=7.0, dry_run=False) == (0, 0)
    assert open_store().path(kept).exists()


def test_what_is_young_stays(work: Path) -> None:
    make(work, "coder", "abc")
    (work / "results" / "coder.json").unlink()
    (work / "results" / ".sparring" / "results" / "coder.json.json").unlink()
    assert collect(open_store(), keep_days=7.0, dry_run=False) == (0, 0)


def test_runs_of_a_study_stay_with_the_records_of_what_led_to_them(work: Path) -> None:
    """The registry is a query over them; the objects of the jobs before them may go."""
    store = open_store()
    big = make(work, "coder", "abc")
    (led,) = (path.stem for path in store.root.glob("actions/*/*.json"))
    found = {"run": "one", "jobs": {"coder": {"action": led, "code": "c" * 64}}}
    result = store.put_bytes(pretty_json(found))
    remember(store, Action(RULE, {}, {"run": "one"}, {}), {"result": result}, [], {}, {})
    shutil.rmtree(work / "results")
    age(store, 30)
    collect(store, keep_days=7.0, dry_run=False)
    assert store.has(result)
    assert run_keys(store) and job_keys(store) == {led}
    assert store.action_path(led).is_file()
    assert not store.path(big).is_file()


def test_nothing_is_deleted_while_a_job_is_at_work(work: Path) -> None:
    make(work, "coder", "abc")
    with open_store().used(), pytest.raises(SparringError, match="jobs are at work on the store"):
        collect(open_store(), keep_days=0.0, dry_run=False)


def test_a_user_that_is_gone_holds_nothing(work: Path) -> None:
    make(work, "coder", "abc")
    (work / "results").rename(work / "elsewhere")
    age(open_store(), 10)
    assert collect(open_store(), keep_days=7.0, dry_run=False)[0] == 2


def test_a_store_of_a_newer_format_is_left_alone(work: Path) -> None:
    make(work, "coder", "abc")
    (work / "store" / "format").write_text("sparring-store-9\n")
    with pytest.raises(SparringError, match=r"has format 'sparring-store-9', this version reads 'sparring-store-1'"):
        open_store()
    (work / "store" / "format").write_text("sparring-store-1\n")
    assert verify(open_store()) == (2, [])


def test_a_store_that_cannot_be_written_is_named(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (work / "file").write_text("no folder")
    monkeypatch.setenv("SPARRING_STORE", str(work / "file"))
    with pytest.raises(SparringError, match="cannot be used"):
        open_store()


def test_an_action_cut_short_is_no_obstacle(work: Path) -> None:
    make(work, "coder", "abc")
    (path,) = (work / "store" / "actions").glob("*/*.json")
    path.write_text(json.dumps({"action": {}})[:5])
    assert verify(open_store()) == (2, [])
    assert collect(open_store(), keep_days=7.0, dry_run=True)[0] == 0
    make(work, "coder", "abc")
