"""Prices, predictions, the plan and the ledger by hand; the plan of the miniature study against Snakemake's own."""

import json
import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from checkout import Checkout
from edits import ADAPTER, ALL, HEADLINE, MINI, RIGHT, WRONG

from sparring.cards.prices import Rented, price_of, price_table
from sparring.cli import main
from sparring.cost.ledger import ledger, totals
from sparring.cost.plan import plan_rows, stages
from sparring.cost.plan_text import as_text, dollars, took
from sparring.cost.predict import CPU, Known, kind_of, predict
from sparring.cost.rented import Place, by_profile, on_card
from sparring.cost.work import work
from sparring.errors import SparringError
from sparring.lineage import Lineage, Memory, of_jobs
from sparring.manifest import Manifest
from sparring.memo import Action, remember
from sparring.planned import PlannedJob
from sparring.records import write_record
from sparring.registry.provenance import cost
from sparring.store import Store
from sparring.why import ANSWERED, COMPUTES, FRESH, Answer

GEMMA = {"source": {"uri": "hf:google/gemma-2-2b"}}
ARM = {"name": "sae", "kind": "sae", "read_site": "layers.12.resid_post", "write_site": "layers.12.resid_post"}
RECIPE = {"width": 1024, "k": 16, "tokens": 4096, "lr": 1e-3, "batch_rows": 1024, "optimizer": "adam"}
CODER = Lineage("coder", {"arm": ARM, "recipe": RECIPE}, {"subject": (GEMMA,)})


def job(rule: str = "coder", *, scheduled: bool = True, **changes: Any) -> PlannedJob:
    spec = dict(CODER.spec) if rule == "coder" else {}
    outputs = {"manifest": Path(f"results/{rule}.json")}
    one = PlannedJob(
        rule, spec, {}, {}, outputs, scheduled, benchmark=Path(f"results/benchmarks/{rule}.tsv"), stage="s"
    )
    return replace(one, **changes)


def known(seconds: float, lineage: Lineage = CODER, kind: str = CPU) -> Known:
    made = work(lineage)
    return Known(lineage.rule, "hf:google/gemma-2-2b", None if made is None else made.size, seconds, kind, "in a test")


def with_recipe(**changes: Any) -> Lineage:
    return replace(CODER, spec={"arm": ARM, "recipe": {**RECIPE, **changes}})


def test_a_second_costs_what_card_cores_and_memory_cost() -> None:
    assert Rented("L4", 2.0, 4.0).second == pytest.approx(0.000222 + 2 * 0.00003942 + 4 * 0.00000667)
    assert Rented(None, 1.0, 0.0).second == pytest.approx(0.00003942)
    with pytest.raises(SparringError, match="card 'X9' is unknown"):
        _ = Rented("X9", 1.0, 1.0).second


def test_a_card_without_a_price_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(price_table(), "card_second", {"T4": 0.000164})
    with pytest.raises(SparringError, match="card L4 has no price; T4 have one"):
        _ = Rented("L4", 1.0, 1.0).second


def test_a_machine_of_ones_own_costs_nothing_and_a_foreign_card_is_not_priced() -> None:
    assert price_of("AMD EPYC, 2 cores, 25 GB")[0] == 0.0
    assert price_of("AMD EPYC, 8 cores, 64 GB, NVIDIA L4, Modal")[0] == pytest.approx(0.000222)
    assert price_of("AMD EPYC, 8 cores, 64 GB, NVIDIA L4")[0] is None
    assert price_of("AMD EPYC, 8 cores, 64 GB, Modal")[0] is None
    assert kind_of("AMD EPYC, 8 cores, 64 GB, NVIDIA L4, Modal") == "L4"


def test_a_run_costs_what_its_jobs_cost() -> None:
    def ran(seconds: float, machine: str) -> Mapping[str, Any]:
        return {"record": {"measured": {"seconds": seconds, "machine": machine}}}

    modal = ran(1500.0, "EPYC, 8 cores, NVIDIA L4, Modal")
    assert cost({"a": ran(9.0, "EPYC, 2 cores"), "b": modal})["dollars"] == pytest.approx(0.333)
    assert cost({"a": ran(9.0, "EPYC, 2 cores")}) == {"dollars": 0.0, "why": "machines that cost nothing"}
    nobody = cost({"a": modal, "b": ran(9.0, "EPYC, NVIDIA L4")})
    assert nobody["dollars"] is None and "elsewhere than on Modal" in nobody["why"]
    assert cost({"a": {"record": {}}})["dollars"] is None


def test_the_work_of_a_training_by_hand() -> None:
    made = work(CODER)
    assert made is not None
    assert made.flops == 4096 * (2 * 1024 * 2304 + 10 * 16 * 2304)
    weights = 4 * 2 * 1024 * 2304
    assert made.passed == 4096 * (16 * 16 * 2304 + 20 * 1024 + 40 * 2304) + 4 * 9 * weights
    assert work(replace(CODER, above={})) is None  # nobody knows how wide its rows are


def test_a_scorer_that_the_job_serves_is_work_as_one_that_is_served() -> None:
    plan = {"explanations": ["real"]}
    drawn = {"plan": {"latents": 60, "window": 32, "positives": 20, "negatives": 20}}
    name = "Qwen/Qwen2.5-7B-Instruct"
    served, ours = (
        work(
            Lineage(
                "llm_score",
                {"model": {"engine": engine, "name": name, "parallel": 8}, "plan": plan},
                {"draw": (drawn,)},
            )
        )
        for engine in ("openai", "vllm")
    )
    assert served is not None and served == ours and ours.server
    fetched = work(Lineage("llm", {"engine": "vllm", "sources": [{"uri": f"hf:{name}"}]}, {}))
    assert fetched is not None and fetched.stored == 4 * 7_615_616_512


def test_a_prediction_scales_the_nearest_job_that_was_measured() -> None:
    twice, large = with_recipe(tokens=8192), with_recipe(tokens=10**12)
    found = predict(twice, CPU, [known(10.0), known(1.0, with_recipe(tokens=1024)), known(7.0, kind="L4")])
    assert found.seconds == pytest.approx(20.0)
    assert found.rests_on == "measured: 10 s in a test, x 2 by its work"
    assert predict(twice, "L4", [known(7.0, kind="L4")]).seconds == pytest.approx(14.0)
    too_far = predict(large, CPU, [known(10.0)])
    assert too_far.seconds is None and "10 s in a test was for 1/244140" in too_far.rests_on
    assert predict(large, "L4", [known(7.0, kind="L4")]).rests_on.startswith("assumed speed")  # the next best basis


def test_a_prediction_says_when_it_rests_on_a_cards_speed_or_on_nothing() -> None:
    made = work(CODER)
    assert made is not None
    found = predict(CODER, "L4", [])
    by_hand = made.flops / (0.4 * 30.3e12) + made.passed / (0.6 * 3.0e11) + made.stored / 5e8 + 30.0
    assert found.seconds == pytest.approx(by_hand)
    assert found.rests_on.startswith("assumed speed: ")
    unknown = predict(Lineage("edges", {"plan": {}}, {"subject": (GEMMA,)}), "L4", [])
    assert unknown.seconds is None and unknown.rests_on.startswith("nothing")


def test_a_profile_says_what_jobs_rent(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(
        "default-resources: [mem_mb=2048]\nset-resources:\n  coder: {gpu: 1, gpu_model: A100-40GB}\n"
        "set-threads: {draw: 3}\n"
    )
    place = by_profile(tmp_path)
    assert place.rented(job(), CODER) == Rented("A100-40GB", 2.0, 2.0)
    assert place.rented(job("draw", resources={"mem_mb": 1024}), CODER) == Rented(None, 3.0, 1.0)
    (tmp_path / "config.yaml").write_text("set-resources: ['coder:gpu=1', 'coder:gpu_model=H100']\n")
    assert by_profile(tmp_path).rented(job(), CODER).card == "H100"
    with pytest.raises(SparringError, match="no profile at"):
        by_profile(tmp_path / "none")
    (tmp_path / "config.yaml").write_text("set-resources: [nonsense]\n")
    with pytest.raises(SparringError, match="profile"):
        by_profile(tmp_path)
    with pytest.raises(SparringError, match="card 'L5' is unknown"):
        on_card("L5")


def test_a_plan_counts_what_would_run_and_what_the_memo_has() -> None:
    above = PlannedJob("subject", GEMMA, {}, {}, {"manifest": Path("results/subject.json")}, False, stage="sources")
    trained = job(inputs={"subject": Path("results/subject.json")})
    answers = [
        Answer(above, FRESH, ("nothing changed",)),
        Answer(trained, COMPUTES, ("never computed before",)),
        Answer(job("draw"), ANSWERED, ("the store has it",)),
    ]
    rows = plan_rows(answers, on_card("L4"), [])
    assert [row.job for row in rows] == ["coder", "draw"]
    coder, draw = rows
    assert coder.machine == "L4" and coder.fits and coder.memory_gib is not None and coder.seconds is not None
    assert coder.dollars == pytest.approx(coder.seconds * Rented("L4", 2.0, 4.0).second)
    assert (draw.seconds, draw.dollars, draw.memo) == (0.0, 0.0, True)
    (one, total) = stages(rows)
    assert (total["jobs"], total["memo"], total["unknown"]) == (2, 1, 0)
    assert total["dollars"] == one["dollars"] == coder.dollars
    assert "coder" in as_text(rows, here=False) and "nothing to be done" in as_text([], here=True)
    assert all(row.dollars == 0.0 for row in plan_rows(answers, Place(), []))


def test_a_job_that_does_not_fit_is_told_with_what_would() -> None:
    above = PlannedJob("subject", GEMMA, {}, {}, {"manifest": Path("results/subject.json")}, False, stage="sources")
    wide = {**CODER.spec, "recipe": {**RECIPE, "width": 1 << 20}}
    rows = plan_rows(
        [Answer(above, FRESH, ("",)), Answer(job(spec=wide, inputs=above.outputs), COMPUTES, ("",))], on_card("L4"), []
    )
    assert rows[0].fits is False
    assert "does not fit: coder: training sae needs" in as_text(rows, here=False)


@pytest.fixture
def ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Two jobs that ran here: one computed in 100 s, one of 400 s that the memo answered in 2 s."""
    monkeypatch.chdir(tmp_path)
    store = Store(tmp_path / "store")
    for rule, measured, took_now in (("coder", 99.0, 100.0), ("draw", 400.0, 2.0)):
        manifest = Manifest(rule, {}, {"rule": rule}, {})
        action = Action(rule, dict(CODER.spec) if rule == "coder" else {}, {}, {})
        spent = {"seconds": measured, "machine": "EPYC, 2 cores, 25 GB"}
        remember(store, action, {"manifest": store.put_bytes(manifest.to_bytes())}, [], {}, spent)
        write_record(Path(f"results/{rule}.json"), action.key, {})
        path = Path(f"results/benchmarks/{rule}.tsv")
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(f"s\th:m:s\tmax_rss\n{took_now}\t0:01:40\t512.00\n")
    return store


def test_the_ledger_adds_up_seconds_dollars_and_what_the_memo_saved(ran: Store) -> None:
    jobs = [job(), job("draw"), job("headtohead")]  # of the last there is no record
    coder, draw = ledger(jobs, ran, on_card("L4"), [])
    assert (coder.seconds, coder.memo, coder.saved_seconds, coder.memory_gib) == (100.0, False, 0.0, 0.5)
    assert coder.dollars == pytest.approx(100 * Rented("L4", 2.0, 4.0).second)
    second = Rented(None, 2.0, 4.0).second
    assert (draw.memo, draw.saved_seconds, draw.foreseen) == (True, 398.0, 0.0)
    assert draw.saved_dollars == pytest.approx(398 * second)
    total = totals([coder, draw])[-1]
    assert (total["jobs"], total["memo"], total["seconds"], total["saved_seconds"]) == (2, 1, 102.0, 398.0)
    assert total["dollars"] == pytest.approx(coder.dollars + 2 * second)
    assert all(entry.dollars == 0.0 for entry in ledger(jobs, ran, Place(), []))


def test_what_was_foreseen_does_not_rest_on_the_job_itself(ran: Store) -> None:
    above = PlannedJob("subject", GEMMA, {}, {}, {"manifest": Path("results/subject.json")}, False, stage="sources")
    jobs = [above, job(inputs=above.outputs)]
    itself = known(99.0, of_jobs(jobs)[1])
    (entry,) = ledger(jobs, ran, Place(), [itself, replace(itself, seconds=50.0)])
    assert entry.foreseen == pytest.approx(50.0)


def test_no_record_and_a_damaged_one_are_one_line(ran: Store, tmp_path: Path) -> None:
    with pytest.raises(SparringError, match="no benchmark record"):
        ledger([job("headtohead")], ran, Place(), [])
    Path("results/benchmarks/coder.tsv").write_text("s\th:m:s\nnonsense\t0\n")
    with pytest.raises(SparringError, match=r"coder.tsv is no benchmark record"):
        ledger([job()], ran, Place(), [])


def test_a_store_tells_a_jobs_lineage_and_time(ran: Store) -> None:
    measured = {one.lineage.rule: one.seconds for one in Memory(ran).measured()}
    assert measured == {"coder": 99.0, "draw": 400.0}


@pytest.mark.parametrize(("seconds", "said"), [(None, "unknown"), (42.2, "42 s"), (720.0, "12 min"), (7200.0, "2.0 h")])
def test_times_are_read_easily(seconds: float | None, said: str) -> None:
    assert took(seconds) == said
    assert (dollars(0.001), dollars(0.0), dollars(1.234), dollars(None)) == ("<0.01", "0.00", "1.23", "unknown")


def test_bad_input_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["plan", "results/x.json", "--snakefile", "none"]) == 1
    assert capsys.readouterr().err == "sparring: no none here; go to the checkout, or name it with --snakefile\n"
    for command in ("plan", "cost"):
        assert main([command, "results/x.json", "--card", "L5"]) == 1
        said = capsys.readouterr().err
        assert said.startswith("sparring: card 'L5' is unknown; known are T4, L4,") and said.count("\n") == 1
        assert main([command, "results/x.json", "--card", "L4", "--profile", "p"]) == 1
        assert "name one of them" in capsys.readouterr().err


def _counts(said: str) -> dict[str, int]:
    """How many jobs of each rule a dry run of Snakemake says it would run: its table of job stats."""
    table = said.split("Job stats:\n", 1)[1].split("\n\n")[0].splitlines()[2:]
    counts = {line.split()[0]: int(line.split()[1]) for line in table}
    assert counts.pop("total") == sum(counts.values())
    return counts


@pytest.mark.e2e
def test_the_plan_has_exactly_the_jobs_that_snakemake_would_run(tmp_path: Path) -> None:
    """Of the miniature study, from nothing; nothing is fetched."""
    checkout = Checkout.make(tmp_path, tmp_path / "store")
    assert {row["job"] for row in _same_jobs(checkout)} == ALL  # what a real run computes


@pytest.mark.e2e
def test_after_a_fix_the_plan_has_what_snakemake_would_run_again(copy: Checkout) -> None:
    copy.edit(ADAPTER, RIGHT, WRONG)
    rows = _same_jobs(copy)
    assert 0 < len(rows) < 12
    assert {row["stage"] for row in rows} <= {"coders", "autointerp", "headtohead"}
    told = copy.sparring("cost", HEADLINE, *_mini(copy), "--json")
    assert told.returncode == 0, told.stderr
    said = json.loads(told.stdout)
    assert said["stages"][-1]["jobs"] >= 20 and said["stages"][-1]["dollars"] == 0


@pytest.mark.e2e
def test_what_the_memo_has_takes_no_time(copy: Checkout) -> None:
    shutil.rmtree(copy.work / "results")
    rows = _same_jobs(copy)
    assert {row["job"] for row in rows} == ALL
    assert all(row["memo"] and row["seconds"] == 0 for row in rows)


def _mini(checkout: Checkout) -> tuple[str, ...]:
    code = checkout.code
    return ("--snakefile", str(code / "Snakefile"), "--configfile", str(code / MINI[1]))


def _same_jobs(checkout: Checkout) -> list[dict[str, Any]]:
    told = checkout.sparring("plan", HEADLINE, *_mini(checkout), "--json")
    assert told.returncode == 0, told.stderr
    rows: list[dict[str, Any]] = json.loads(told.stdout)["jobs"]
    dry = checkout.run(HEADLINE, *MINI, "-n")
    assert Counter(row["rule"] for row in rows) == _counts(dry.output), dry.output
    assert len({row["job"] for row in rows}) == len(rows)
    return rows
