"""The result of the edges stage as JSON values: what is found, what agrees, and what is in doubt."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from sparring.canonical import rounded
from sparring.edges.curve import Curve
from sparring.edges.measure import Measured
from sparring.edges.network import Network
from sparring.edges.plan import EdgesPlan
from sparring.edges.table import ALPHA, Table
from sparring.edges.texts import Split
from sparring.stats.bootstrap import bootstrap_diff_of_means

READOUT = "readout"
_MOST = 0.5  # of the margin
_ENOUGH = 200  # edges between latents, for a rank correlation that says something


def report(
    network: Network,
    measured: Measured,
    every: Table,
    drawn: Curve,
    words: list[list[list[str]]],
    split: Split,
    plan: EdgesPlan,
) -> dict[str, Any]:
    """The result as JSON values."""
    positive = split.measured.positive
    names = [[f"{layer.name}:{int(node)}" for node in layer.nodes] for layer in network.layers] + [[READOUT]]
    check = every.compared(resamples=plan.resamples, seed=plan.seed)
    margin = _contrast(measured.margins, positive, plan)
    p = every.p(permutations=plan.resamples, seed=plan.seed)
    doubts = _doubts(network, margin, drawn, check, plan)
    claimed = (p <= ALPHA) & (margin["ci95"][0] > 0) & drawn.told_apart
    if not claimed.any():
        doubts.append("No edge is found: none differs between the class and the others beyond chance.")
    effects = {way: every.mean_effect(way) for way in every.effect}
    order = np.argsort(-np.abs(effects["exact"]), kind="stable")
    listed = [
        {
            "from": names[edge.source][edge.u],
            "to": names[edge.target][edge.v],
            "strength": {way: float(values[:, i].mean()) for way, values in every.strength.items()},
            "effect": {way: float(values[i]) for way, values in effects.items()},
            "p": float(p[i]),
            "found": bool(claimed[i]),
        }
        for i, edge in ((int(i), every.edges[i]) for i in order)
    ]
    result = {
        "layers": [
            {
                "arm": layer.name,
                "read_site": layer.read,
                "write_site": layer.write,
                "latents": layer.encoder.n_latents,
                "never_fire": int((~layer.fires).sum()),
                "nodes": len(layer.nodes),
            }
            for layer in network.layers
        ],
        "margin": margin,
        "nodes": [
            {
                "node": name,
                "effect": _contrast(measured.nodes[number][:, i], positive, plan),
                "tokens": words[number][i],
            }
            for number, layer_names in enumerate(names[:-1])
            for i, name in enumerate(layer_names)
        ],
        "edges": listed,
        "found": int(claimed.sum()),
        "check": check,
        "faithfulness": drawn.values,
        "doubts": doubts,
        "texts": {
            "readout": len(split.readout.texts),
            "choosing": len(split.choosing.texts),
            "measured": len(positive),
            "tried": int(split.tried.sum()),
        },
        "plan": asdict(plan),
    }
    return dict(rounded(result))


def _contrast(values: np.ndarray, positive: np.ndarray, plan: EdgesPlan) -> dict[str, Any]:
    """Mean over the class's texts minus the others', with an interval over texts."""
    found = bootstrap_diff_of_means(values[~positive], values[positive], resamples=plan.resamples, seed=plan.seed)
    return {"value": found.estimate, "ci95": list(found.ci), "n": len(values)}


def _doubts(
    network: Network, margin: Mapping[str, Any], drawn: Curve, check: Mapping[str, Any], plan: EdgesPlan
) -> list[str]:
    """What forbids a claim, or weakens it, in sentences."""
    found = []
    if margin["ci95"][0] <= 0:
        found.append(
            f"The readout at {plan.readout} does not tell {plan.label} from the others on the test texts (margin "
            f"{margin['value']:.3f}, interval from {margin['ci95'][0]:.3f}): no edge is claimed."
        )
    if not drawn.told_apart:
        gap = drawn.values["clean - empty"]
        found.append(
            f"Without any edge the margin changes by {gap['value']:.3f}, which is not told from 0: "
            "there is nothing for edges to carry, and none is claimed."
        )
    whole = drawn.values["all"]["faithfulness"]
    if whole is not None and whole["ci95"][1] < _MOST:
        found.append(
            f"All edges between the nodes carry {whole['value']:.3f} of the margin: most of it goes by latents that "
            "are no nodes, so that the pruned graph says little; raise nodes, or let others stay."
        )
    for layer in network.layers:
        if len(layer.nodes) < plan.nodes:
            found.append(f"{layer.name}: {len(layer.nodes)} latents ever fire where {plan.nodes} nodes are wanted.")
    first = check["strength"]["attribution"]["all"]
    if first["edges"] < _ENOUGH:
        found.append(f"Attribution was held against ablation on {first['edges']} edges only; {_ENOUGH} are wanted.")
    if first["spearman"] is None:
        found.append("The edges do not vary: attribution cannot be held against ablation.")
    return found
