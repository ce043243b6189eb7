"""The figures of a run that rests on labelled texts."""

import json
from collections.abc import Mapping
from typing import Any

from sparring.registry.figure import Figures, Found, figure
from sparring.registry.files import RunInputs
from sparring.testplan import TestPlan
from sparring.words import interval


def saebench(inputs: RunInputs, arm: str, test: TestPlan) -> Found:
    """SAEBench's accuracies, ours where they are not defined alike, the fair baselines, the adapter's fidelity."""
    found, gate = (json.loads(inputs.file(kind, arm).read_bytes()) for kind in ("saebench", "gate"))
    n = found["examples"]["test"]
    figures: Figures = {}
    for name, of in found["sae_bench"].items():
        # Where both are defined alike they agree, so that our interval is theirs; the probe on all latents is not.
        ci95 = None if name.endswith("_all") else found["ours"][name]["ci95"]
        figures[name.replace("_all", "_full")] = figure(of["macro"], ci95, n)
    for name, of in found["ours"].items():
        if name not in found["sae_bench"] or name.endswith("_all"):
            figures[f"ours_{name.replace('_all', '_full')}"] = figure(of["macro"], of["ci95"], n)
    for check in gate["checks"]:
        for name in ("jaccard", "cosine", "max_abs_diff"):
            figures[f"fidelity_{name}_{check['rows']}"] = figure(check[name])
    return Found(figures)


def probing(inputs: RunInputs, arm: str, test: TestPlan) -> Found:
    """A linear probe on all latents, on all coordinates, on a bag of words; and on all latents of each control."""
    found = json.loads(inputs.file("probing", arm).read_bytes())
    names = {"accuracy": "sae_all", "residual": "residual_all", "bag_of_words": "bag_of_words"}
    measures, n = found["measures"], found["texts_a_class"]["test"] * len(found["classes"])
    figures = {name: figure(measures[of]["macro"], measures[of]["ci95"], n) for name, of in names.items()}
    for control, of in found["controls"].items():
        pair, accuracy = of["pairs"]["sae_all"], of["measures"]["sae_all"]
        figures[f"{control}_accuracy"] = figure(accuracy["macro"], accuracy["ci95"], n)
        figures[f"{control}_difference"] = figure(pair["difference"], pair["ci95"], n)
        figures[f"{control}_mcnemar_p"] = figure(pair["p"], n=n)
    return Found(figures, found["doubts"])


def feature_sets(inputs: RunInputs, arm: str, test: TestPlan) -> Found:
    """Each size of the set, its random twins, the gap between them, the ceiling, and the set's faithfulness."""
    found = json.loads(inputs.file("feature_sets").read_bytes())
    figures: Figures = {"ceiling": figure(**found["ceiling"])}
    faithful = found["faithfulness"]
    for size, of in found["sizes"].items():
        figures[f"top{size}"] = figure(**of["set"])
        figures[f"random{size}"] = figure(of["random"]["value"], of["random"]["ci95"], of["random"]["n"])
        figures[f"gap{size}"] = figure(**of["gap"])
        if len(of["build_up"]) > 1:
            figures |= {f"build_up{size}_{names}": figure(**one) for names, one in of["build_up"].items()}
        for switch in ("errors_stay", "errors_ablated"):
            shares = faithful[switch]["sizes"][size]
            for name in ("faithfulness", "completeness"):
                figures[f"{name}{size}_{switch}"] = figure(**shares[name])
            twins = shares["random"]
            figures[f"random_faithfulness{size}_{switch}"] = figure(twins["value"], twins["ci95"], twins["n"])
    figures["readout_accuracy"] = figure(**faithful["accuracy"])
    return Found(figures, found["doubts"])


def steering(inputs: RunInputs, arm: str, test: TestPlan) -> Found:
    """The baseline, each way at the factors chosen for it, and the differences between them: means over concepts."""
    found = json.loads(inputs.file("steering").read_bytes())
    over, doubts = found["headline"], list(found["degenerate"])
    if over is None:
        return Found({"concepts": figure(0.0)}, doubts)
    figures = {"concepts": figure(float(over["concepts"])), "concepts_left_out": figure(float(over["left_out"]))}
    figures |= {
        "baseline_success": _mean(over["baseline"]["success"]),
        "baseline_ppl": _mean(over["baseline"]["ppl"]),
        "ppl_cap": _mean(over["baseline"]["ppl_cap"]),
    }
    for name, best in over["best"].items():
        figures[f"{name}_best_factor"] = _mean(best["factor"])
        figures[f"{name}_best_success"] = _mean(best["success"])
        figures[f"{name}_best_ppl_ratio"] = _mean(best["ppl_ratio"])
    for name, of in over["differences"].items():
        figures[f"diff {name}"] = _mean(of)
        if of is not None and name.endswith("difference_of_means") and _includes_0(of):
            doubts.append(f"The interval of {name} includes 0: {of['value']:+.3f} {interval(of['ci95'])}.")
    return Found(figures, doubts)


def edges(inputs: RunInputs, arm: str, test: TestPlan) -> Found:
    """How many edges are found, how well attribution agrees with ablation, what graphs of each size carry."""
    found = json.loads(inputs.file("edges").read_bytes())
    figures: Figures = {
        "margin": figure(**found["margin"]),
        "edges_found": figure(float(found["found"]), n=len(found["edges"])),
    }
    for name, of in found["check"].items():
        for way, groups in of.items():
            for group in ("all", "top"):
                for kind in ("spearman", "pearson"):
                    one = groups[group][kind] or {"value": None, "ci95": None}
                    figures[f"{name}_{way}_{kind}_{group}"] = figure(**one, n=groups[group]["edges"])
    for point in (found["faithfulness"]["all"] | {"edges": "all", "random": None}, *found["faithfulness"]["points"]):
        for name in ("faithfulness", "random"):
            if point[name] is not None:
                figures[f"{name}_{point['edges']}"] = figure(**point[name])
    return Found(figures, list(found["doubts"]))


def unlearning(inputs: RunInputs, arm: str, test: TestPlan) -> Found:
    """What ablating each size of the set costs the class, the others, the one beyond the other; gaps to random."""
    found = json.loads(inputs.file("unlearning").read_bytes())
    figures: Figures = {}
    for size, of in found["sizes"].items():
        for name in ("class", "others", "selectivity"):
            one = of[name]
            figures |= {f"{name}{size}": figure(**one["set"]), f"{name}_gap{size}": figure(**one["gap"])}
    return Found(figures, found["doubts"])


def _mean(of: Mapping[str, Any] | None) -> dict[str, Any]:
    return figure(None) if of is None else figure(of["value"], of["ci95"], of["n"])


def _includes_0(of: Mapping[str, Any]) -> bool:
    """Whether either interval does: of few concepts the percentile one is too narrow."""
    return any(low <= 0 <= high for low, high in filter(None, (of["ci95"], of["ci95_t"])))
