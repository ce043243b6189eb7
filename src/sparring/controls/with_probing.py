"""Trained against random, the probes beside the other figures: of each coder and twin all that the study measures."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from sparring.probing.in_words import HEADLINE, against, name_of
from sparring.words import lowered

Result = Mapping[str, Any]


def with_probing(result: Result, probed: Sequence[Result]) -> dict[str, Any]:
    """A result of controls.compare and what probing results say of its coders against their twins, paired by text."""
    found = copy.deepcopy(dict(result))
    for one in probed:
        for pair in found["coders"].get(one["arm"]["name"], {}).values():
            twin, task = pair["twin"], one["task"]
            pairs, measures = one["controls"][twin]["pairs"], one["controls"][twin]["measures"]
            pair["metrics"] |= {
                f"{task}, {name_of(measure)}": _metric(of, one["measures"][measure], measures[measure])
                for measure, of in pairs.items()
            }
            said = against(one["arm"]["name"], twin, one["controls"][twin]["what"], pairs)
            sentences = [f"On {task}, {lowered(sentence)}" for some in said.values() for sentence in some]
            pair["sentences"] += sentences
            found["sentences"] += sentences
    return found


def of_all_latents(metrics: Result) -> list[str]:
    """The names among a pair's metrics of the probes on all latents, one a task."""
    return [name for name in metrics if name.endswith(f", {name_of(HEADLINE)}")]


def _metric(pair: Result, trained: Result, random: Result) -> dict[str, Any]:
    return {
        "trained": {"value": pair["arm"], "ci95": trained["ci95"]},
        "random": {"value": pair["control"], "ci95": random["ci95"]},
        "unit": "texts",
        "diff": pair["difference"],
        "ci95": pair["ci95"],
    }
