"""Runs of a study: statuses, the schema, and the registry as a query over the store."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pyarrow.parquet as pq
import pytest

from sparring.canonical import digest, pretty_json
from sparring.cli import main
from sparring.errors import SparringError
from sparring.memo import Action, remember
from sparring.registry.failed import keep_failed
from sparring.registry.figure import figure
from sparring.registry.kept import registry
from sparring.registry.keys import RULE, job_keys, run_keys
from sparring.registry.plan import RunPlan
from sparring.registry.provenance import git_revision, spent, upstream
from sparring.registry.result import finished, judged
from sparring.registry.table import registry_page, shown, write_registry
from sparring.store import Store

PLAN = RunPlan(what="reconstruction", measures=["recon"], arms=["sae"], expected={"variance_explained": (0.79, 0.81)})
FREE = RunPlan(what="reconstruction", measures=["recon"], arms=["sae"])
CODER = {
    "name": "sae",
    "kind": "sae",
    "read_site": "layers.1.mlp.out",
    "write_site": "layers.1.mlp.out",
    "n_latents": 8,
    "digest": "0" * 64,
}


def spec(run: str = "repro-001", study: str = "mini", plan: RunPlan = FREE) -> dict[str, Any]:
    from dataclasses import asdict

    return {"run": run, "study": study, "plan": asdict(plan), "code": "c" * 64, "lock": "l" * 64, "script": "x.py"}


def result(run: str = "repro-001", *, code: str = "one", plan: RunPlan = FREE, **changes: Any) -> dict[str, Any]:
    parts: dict[str, Any] = {
        "status": "novel",
        "reasons": [],
        "figures": {"variance_explained": figure(0.8, (0.79, 0.81), 100)},
        "coders": [CODER],
        "tokens": {"train": 10},
        "jobs": {},
        "digests": {"code": digest(code), "spec": digest("spec")},
        "spent": {"seconds": 1.5, "machines": ["a machine"], "cost": {"dollars": 0.0, "why": "it costs nothing"}},
    }
    return finished(spec(run), plan, Path("/"), **{**parts, **changes})


def keep(store: Store, found: dict[str, Any], code: dict[str, str]) -> None:
    action = Action(RULE, {"run": found["run"], "digest": found["code_digest"]}, {"run": found["run"]}, {})
    remember(store, action, {"result": store.put_bytes(pretty_json(found))}, [], code, {})


@pytest.mark.parametrize(
    ("plan", "value", "doubts", "status"),
    [
        (PLAN, 0.8, [], "reproduced"),
        (PLAN, 0.7, [], "failed"),
        (PLAN, None, [], "failed"),
        (PLAN, 0.8, ["Limited."], "inconclusive"),
        (FREE, 0.1, [], "novel"),
    ],
)
def test_status(plan: RunPlan, value: float | None, doubts: list[str], status: str) -> None:
    found, reasons = judged(plan, {"variance_explained": figure(value)}, doubts)
    assert found == status
    assert bool(reasons) == (status in ("failed", "inconclusive"))


def test_figure_outside_its_range_is_named() -> None:
    _, reasons = judged(PLAN, {"variance_explained": figure(0.7)}, [])
    assert reasons == ["variance_explained is 0.7, outside the expected [0.79, 0.81]."]
    assert judged(PLAN, {}, [])[0] == "failed"


def test_upside_down_range_is_refused() -> None:
    with pytest.raises(SparringError, match="lower end first"):
        RunPlan(what="x", measures=["recon"], arms=["sae"], expected={"l0": (2.0, 1.0)})


def test_result_keeps_to_its_schema() -> None:
    assert result()["wall_seconds"] == 1.5
    for broken in (
        {"status": "fine"},
        {"figures": {"l0": {"value": 1.0}}},
        {"figures": {}},
        {"status": "failed", "reasons": []},
        {"coders": [{**CODER, "kind": "crosscoder"}]},
        {"digests": {"code": "short", "spec": "short"}},
    ):
        with pytest.raises(jsonschema.ValidationError):
            result(**broken)


def test_later_code_supersedes_and_says_what_changed(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    keep(store, result(code="one"), {"sparring.adapter:encode": "1", "sparring.recon:ve": "2"})
    keep(store, result(code="two"), {"sparring.adapter:encode": "9", "sparring.recon:ve": "2"})
    old, new = registry(store, tmp_path)
    assert (old["status"], old["superseded_by"]) == ("superseded", "repro-001")
    assert old["changed"] == ["sparring.adapter.encode changed"]
    assert old["reasons"] == ["It was novel."]
    assert (new["status"], new["changed"]) == ("novel", [])


def test_the_published_file_decides_which_counts(tmp_path: Path) -> None:
    """After a revert the older result lies in results/ again: it is the one that counts."""
    store = Store(tmp_path / "store")
    first, second = result(code="one"), result(code="two")
    keep(store, first, {})
    keep(store, second, {})
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "repro-001.json").write_bytes(pretty_json(first))
    rows = registry(store, tmp_path)
    assert [row["status"] for row in rows] == ["superseded", "novel"]
    assert rows[1]["code_digest"] == first["code_digest"]


def test_failed_run_has_a_row_until_it_is_made(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    jobs = {"encode_fidelity-sae": spec()}
    reason = "encode_fidelity-sae: Jaccard 0.39"
    keep_failed(store, spec(), jobs, [reason], code={"sparring.a:b": "1"}, checkout=tmp_path)
    (row,) = registry(store, tmp_path)
    assert (row["status"], row["reasons"]) == ("failed", [reason])
    assert row["git_revision"] is None
    keep(store, result(), {"sparring.a:b": "2"})
    failed, made = registry(store, tmp_path)
    assert (failed["status"], made["status"]) == ("superseded", "novel")
    assert failed["reasons"] == ["It was failed.", reason]
    assert "sparring.a.b changed" in failed["changed"]


def test_a_run_names_what_replaces_it(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    replaced = RunPlan(what="first try", measures=["recon"], arms=["sae"], superseded_by="steer-v2")
    keep(store, result("steer", plan=replaced), {})
    assert [row["status"] for row in registry(store, tmp_path)] == ["novel"]
    keep(store, result("steer-v2"), {})
    assert [row["status"] for row in registry(store, tmp_path)] == ["superseded", "novel"]


def test_two_studies_do_not_supersede_each_other(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    keep(store, result(), {})
    other = {**result(code="two"), "study": "gemma-2-2b"}
    keep(store, other, {})
    assert [row["status"] for row in registry(store, tmp_path)] == ["novel", "novel"]


def test_files_of_the_registry(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    keep(store, result(), {})
    keep_failed(store, spec("other"), {}, ["coder-sae: out of memory"], code={}, checkout=tmp_path)
    rows = registry(store, tmp_path)
    write_registry(rows, tmp_path)
    assert json.loads((tmp_path / "result").read_bytes())["rows"] == rows
    table = pq.read_table(tmp_path / "table").to_pylist()
    assert [(line["run"], line["status"], line["figure"], line["value"]) for line in table] == [
        ("other", "failed", None, None),
        ("repro-001", "novel", "variance_explained", 0.8),
    ]
    page = registry_page(rows)
    assert "| mini | repro-001 | novel | variance_explained 0.8 [0.790, 0.810] |" in page
    assert "- coder-sae: out of memory" in page


def test_the_best_known_figures_are_shown_first_and_few_changes() -> None:
    names = ("cosine", "fvu", "sae.variance_explained", "sae.mean_l0", "zeta", "alpha", "beta", "gamma")
    row = {**result(), "changed": [f"f{i} changed" for i in range(20)]}
    row |= {"figures": {name: figure(0.5) for name in names}, "expected": {"zeta": [0, 1]}}
    assert [said.split()[0] for said in shown(row)][:3] == ["zeta", "sae.variance_explained", "sae.mean_l0"]
    assert len(shown(row)) == 6
    page = registry_page([row])
    assert page.count("Since then") == 8 and "And 12 more changes." in page


def test_runs_in_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SPARRING_STORE", raising=False)
    store = Store(tmp_path / "store")
    keep(store, result(), {})
    keep_failed(store, spec("ai-g2-sae"), {}, ["score-sae: no answer"], code={}, checkout=tmp_path)
    assert main(["runs"]) == 0
    said = capsys.readouterr().out
    assert "repro-001" in said
    assert "score-sae: no answer" in said
    assert main(["runs", "ai-*", "--status", "failed", "--json"]) == 0
    assert [row["run"] for row in json.loads(capsys.readouterr().out)] == ["ai-g2-sae"]
    assert main(["runs", "--study", "gemma-2-2b"]) == 0
    assert capsys.readouterr().out == "no run in this store fits\n"


def test_keys_of_what_led_to_a_run(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    remember(store, Action("tokens", {}, {}, {}), {}, [], {}, {})
    keep(store, result(jobs={"tokens": {"action": "a" * 64, "code": "b" * 64}}), {})
    assert len(run_keys(store)) == 1
    assert job_keys(store) == {"a" * 64}


def test_what_was_spent_is_known_or_not() -> None:
    job = {"record": {"measured": {"seconds": 2.0, "machine": "m"}}}
    assert spent({"a": job, "b": job}) == {"seconds": 4.0, "machines": ["m"]}
    assert spent({"a": job, "b": {"record": {}}})["seconds"] is None


def test_result_that_nothing_explains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SparringError, match=r"nothing tells how results/recon/sae.json was made"):
        upstream(["results/recon/sae.json"], Store(tmp_path / "store"))


def test_no_repository_no_revision(tmp_path: Path) -> None:
    assert git_revision(tmp_path) is None
