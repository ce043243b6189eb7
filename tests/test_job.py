"""The job wrapper: what the memo knows is not computed again; what failed is not remembered."""

import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sparring.canonical import pretty_json
from sparring.codedigest import code_digest
from sparring.job import Job, run
from sparring.manifest import Manifest, read_manifest
from sparring.memo import read_action, read_brought
from sparring.records import read_record
from sparring.store import Blob, open_store


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPARRING_STORE", str(tmp_path / "store"))
    (tmp_path / "rule.py").write_text("x = 1\n")
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "given.json").write_bytes(b"{}")
    return tmp_path


def snakemake(work: Path, **changes: Any) -> Any:
    values: dict[str, Any] = {
        "input": {"given": "results/given.json"},
        "output": {"manifest": "results/made.json"},
        "params": SimpleNamespace(spec={"script": "rule.py", "code": code_digest(work / "rule.py"), "width": 4}),
        "wildcards": {},
        "threads": 1,
        "log": ["rule.log"],
        "rule": "rule",
        "scriptdir": str(work),
    }
    return SimpleNamespace(**(values | changes))


def writes(text: str, calls: list[str]) -> Callable[[Job], Mapping[str, Any]]:
    def compute(job: Job) -> Mapping[str, Any]:
        calls.append(text)
        (job.out / "part").mkdir()
        (job.out / "part" / "rows").write_text(text)
        return {"rows": 3}

    return compute


def test_an_artifact_is_stored_and_its_manifest_says_what_it_is(work: Path) -> None:
    run(snakemake(work), writes("abc", []))
    manifest = read_manifest(Path("results/made.json"))
    assert manifest and manifest.meta == {"rows": 3}
    blob = manifest.files["part/rows"]
    assert open_store().verified(blob).read_text() == "abc"
    assert str(work) not in Path("results/made.json").read_text()


def test_the_memo_answers_the_second_time_and_after_the_results_are_gone(work: Path) -> None:
    calls: list[str] = []
    run(snakemake(work), writes("abc", calls))
    before = Path("results/made.json").read_bytes()
    Path("results/made.json").unlink()
    run(snakemake(work), writes("other", calls))
    assert calls == ["abc"]
    assert Path("results/made.json").read_bytes() == before
    assert "from the memo" in Path("rule.log").read_text()


def test_a_record_is_sent_along_only_from_a_store_that_is_away(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(snakemake(work), writes("abc", []))
    key = read_record("results/made.json").action
    assert read_brought(key) is None
    monkeypatch.setenv("SPARRING_AWAY", "1")
    run(snakemake(work), writes("abc", []))  # answered by the memo
    assert read_brought(key) == read_action(open_store(), key) is not None


@pytest.mark.parametrize("what", ["spec", "input", "wildcards", "code"])
def test_whatever_decides_the_outcome_asks_anew(work: Path, what: str) -> None:
    calls: list[str] = []
    run(snakemake(work), writes("abc", calls))
    changed = snakemake(work)
    if what == "spec":
        changed.params.spec["width"] = 4.5
    elif what == "input":
        Path("results/given.json").write_bytes(b'{"a":1}')
    elif what == "wildcards":
        changed.wildcards["arm"] = "sae"
    else:
        (work / "rule.py").write_text("x = 2\n")
        changed = snakemake(work)
    run(changed, writes("new", calls))
    assert calls == ["abc", "new"]


def test_equal_content_of_another_origin_stops_the_change_here(work: Path) -> None:
    calls: list[str] = []
    store = open_store()
    for origin in ("0", "1"):
        manifest = Manifest("tokens", {"rows": store.put_bytes(b"r")}, {"n": 1}, {"corpus": origin})
        Path("results/given.json").write_bytes(manifest.to_bytes())
        run(snakemake(work), writes("abc", calls))
    assert calls == ["abc"]


@pytest.mark.parametrize("damage", ["gone", "short"])
def test_an_object_that_is_missing_or_short_is_made_again(work: Path, damage: str) -> None:
    calls: list[str] = []
    run(snakemake(work), writes("abc", calls))
    manifest = read_manifest(Path("results/made.json"))
    assert manifest
    path = open_store().path(manifest.files["part/rows"].sha256)
    path.chmod(0o644)
    if damage == "gone":
        path.unlink()
    else:
        path.write_text("a")
    run(snakemake(work), writes("abc", calls))
    assert calls == ["abc", "abc"]
    assert open_store().verified(manifest.files["part/rows"]).read_text() == "abc"


def test_a_damaged_input_is_named_before_it_is_used(work: Path) -> None:
    store = open_store()
    blob = store.put_bytes(b"rows")
    Path("results/given.json").write_bytes(Manifest("tokens", {"rows": blob}, {}, {}).to_bytes())
    store.path(blob.sha256).chmod(0o644)
    store.path(blob.sha256).write_bytes(b"r0ws")
    with pytest.raises(SystemExit, match=f"{blob.sha256} was damaged"):
        run(snakemake(work), lambda job: {"size": len(list(job.folder("given").iterdir()))})


def test_a_failure_is_not_remembered_and_leaves_no_scratch(work: Path) -> None:
    calls: list[str] = []

    def fails(job: Job) -> Mapping[str, Any]:
        (job.out / "half").write_text("x")
        raise MemoryError("planted")

    with pytest.raises(MemoryError):
        run(snakemake(work), fails)
    assert "planted" in Path("rule.log").read_text()
    assert not list((work / "store" / "scratch").iterdir())
    run(snakemake(work), writes("abc", calls))
    assert calls == ["abc"]


def test_code_edited_while_the_job_ran_is_not_recorded(work: Path) -> None:
    def edits(job: Job) -> Mapping[str, Any]:
        (work / "rule.py").write_text("x = 3\n")
        return {}

    with pytest.raises(SystemExit, match="edited while the job ran"):
        run(snakemake(work), edits)
    assert not Path("results/made.json").exists()


def test_a_manifest_edited_by_hand_is_refused(work: Path) -> None:
    manifest = Manifest("tokens", {"rows": Blob("0" * 64, 1)}, {"n": 1}, {})
    Path("results/given.json").write_bytes(manifest.to_bytes().replace(b'"n": 1', b'"n": 2'))
    with pytest.raises(SystemExit, match=r"given\.json was edited"):
        run(snakemake(work), lambda job: {})


def test_files_people_read_are_published_as_they_are(work: Path) -> None:
    def compute(job: Job) -> Mapping[str, Any]:
        (job.out / "result").write_bytes(pretty_json({"ve": 0.5}))
        return {}

    run(snakemake(work, output={"result": "results/recon.json"}), compute)
    assert Path("results/recon.json").read_bytes() == pretty_json({"ve": 0.5})


def test_what_a_job_needs_to_ask_the_memo_imports_nothing_heavy() -> None:
    heavy = "torch", "transformers", "h5py", "pyarrow", "numpy", "scipy"
    code = f"import sparring.job, sys; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_list_of_inputs_gets_a_name_each(work: Path) -> None:
    seen: list[dict[str, str]] = []

    def compute(job: Job) -> Mapping[str, Any]:
        seen.append(job.contents())
        return {}

    run(snakemake(work, input={"coder": ["results/given.json", "results/given.json"]}), compute)
    assert list(seen[0]) == ["coder.0", "coder.1"]
