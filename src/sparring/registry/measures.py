"""The figures of a run, read off the results of its jobs, and what is doubtful in them.

A run of one arm names a figure as the published rows do (`variance_explained`); of several, with the arm before it
(`sae.variance_explained`). A doubt is a sentence: the comparison could not be decided, or the instrument is too weak.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from sparring.comparable import ArmInputs
from sparring.instrument import instrument_check
from sparring.limits import instrument_limits
from sparring.registry import labelled
from sparring.registry.figure import Figures, Found, figure
from sparring.registry.files import RunInputs
from sparring.registry.plan import Measure
from sparring.stats.bootstrap import bootstrap_mean
from sparring.stats.power import minimum_detectable_effect
from sparring.testplan import METRICS, TestPlan
from sparring.verdict import LIMITED, NOT_COMPARABLE, UNDECIDED


def measured(measure: Measure, inputs: RunInputs, arm: str, test: TestPlan) -> Found:
    """What one measure found of one arm (of all arms together, for those of WHOLE)."""
    return _MEASURES[measure](inputs, arm, test)


def _train(inputs: RunInputs, arm: str, test: TestPlan) -> Found:
    meta = inputs.meta("coder", arm)
    summary = meta.get("training") or {}
    return Found({f"training.{name}": figure(value) for name, value in summary.items() if _number(value)})


def _smoke(inputs: RunInputs, arm: str, test: TestPlan) -> Found:
    training = json.loads((inputs.folder("coder", arm, only="training.json") / "training.json").read_bytes())
    (_, _, first), (steps, _, final) = training["curve"][0], training["curve"][-1]
    failed = [] if final < first else [f"{arm}: the loss (FVU) did not fall: {first:.3f}, then {final:.3f}."]
    figures = {"steps": figure(steps), "first_fvu": figure(first), "final_fvu": figure(final)}
    return Found(figures | _recon(inputs, arm, test).figures, failures=failed)


def _recon(inputs: RunInputs, arm: str, test: TestPlan) -> Found:
    found = json.loads(inputs.file("recon", arm).read_bytes())
    model, rows = found["model"], found["rows"]
    figures = {
        "variance_explained": figure(found["ve"], found["ve_ci95"], rows),
        "mean_l0": figure(found["l0"], n=rows),
        "fvu": figure(found["fvu"], n=rows),
        "dead_fraction": figure(found["dead_fraction"], n=found["n_latents"]),
        "cosine": figure(found["cosine"], n=rows),
        "relative_bias": figure(found["relative_bias"], n=rows),
        "delta_ce": figure(model["delta_ce"], model["delta_ce_ci95"], model["tokens"]),
        "ce_recovered": figure(model["ce_recovered"], model["ce_recovered_ci95"], model["tokens"]),
    }
    if found["affine_floor"] is not None:
        figures["affine_floor"] = figure(found["affine_floor"], n=rows)
    return Found(figures)


def _autointerp(inputs: RunInputs, arm: str, test: TestPlan) -> Found:
    folder, meta = inputs.folder("scores", arm, only="scores.parquet"), inputs.meta("scores", arm)
    draw = json.loads(inputs.file("draw", arm).read_bytes())
    one = ArmInputs(folder / "scores.parquet", meta, inputs.meta("coder", arm)["arm"], {}, draw, "")
    check = instrument_check({arm: one}, {arm: one.scored}, test)
    figures: Figures = {}
    doubts: list[str] = []
    for metric in METRICS:
        values = one.scored.table(metric, "real").values
        if values.size < 2:
            figures[metric] = figure(None, n=int(values.size))
            doubts += [f"{metric.capitalize()} of {arm} was not measured: {values.size} latents have a score."]
            continue
        mean = bootstrap_mean(values, resamples=test.resamples, seed=test.seed)
        sd, n = float(values.std(ddof=1)), int(values.size)
        figures[metric] = figure(mean.estimate, mean.ci, n)
        for name in ("reliability", "floor", "ceiling"):
            at = check[name][metric]["pooled"]
            value, ci = (at["mean"], at["ci95"]) if isinstance(at, dict) else (at, None)
            figures[f"{metric}_{name}"] = figure(value, ci, n)
        limits = instrument_limits(
            {"metrics": {metric: {"mde": minimum_detectable_effect(sd, n, sd, n)}}, "instrument": check}, metric
        )
        doubts += limits if metric == test.primary else []
    return Found(figures, doubts)


def _headtohead(inputs: RunInputs, arm: str, test: TestPlan) -> Found:
    found = json.loads(inputs.file("headtohead").read_bytes())
    figures = {
        f"{metric}_difference": figure(None)
        if "not_measured" in of
        else figure(of["diff"], of["ci95"], sum(of["n"].values()))
        for metric, of in found["metrics"].items()
    }
    undecided = found["verdict"] in (UNDECIDED, LIMITED, NOT_COMPARABLE)
    return Found(figures, [f"Verdict: {found['verdict']}. {found['reasons'][0]}"] if undecided else [])


def _memory(inputs: RunInputs, arm: str, test: TestPlan) -> Found:
    found = json.loads(inputs.file("memory").read_bytes())
    names = ("needed_gib", "free_gib", "headroom_gib")
    said = f"It needs {found['needed_gib']:.2f} GiB where {found['free_gib']:.2f} are free"
    failed = [] if found["fits"] else [f"{said}; what would fit: {', or '.join(found['would_fit'])}."]
    return Found({name: figure(found[name]) for name in names}, failures=failed)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_MEASURES: Mapping[Measure, Callable[[RunInputs, str, TestPlan], Found]] = {
    "train": _train,
    "smoke": _smoke,
    "recon": _recon,
    "autointerp": _autointerp,
    "headtohead": _headtohead,
    "saebench": labelled.saebench,
    "probing": labelled.probing,
    "feature_sets": labelled.feature_sets,
    "steering": labelled.steering,
    "edges": labelled.edges,
    "unlearning": labelled.unlearning,
    "memory": _memory,
}
