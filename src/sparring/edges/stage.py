"""The edges stage: nodes from training texts, edges on test texts, the pruned graph on half of them."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sparring.canonical import rounded
from sparring.edges.curve import Curve, curve, try_sizes
from sparring.edges.layers import load_layer
from sparring.edges.measure import Measured, fit, measure, some, with_nodes
from sparring.edges.network import Network
from sparring.edges.plan import EdgesPlan
from sparring.edges.table import ALPHA, Table, table
from sparring.edges.texts import Drawn, Split, draw_texts
from sparring.errors import SparringError
from sparring.probing.contrasts import draw_contrasts
from sparring.probing.labelled import read_task
from sparring.probing.plan import ProbingPlan
from sparring.probing.task_tokens import task_tokens
from sparring.stats.bootstrap import bootstrap_diff_of_means
from sparring.subject_model import load_subject
from sparring.tokenizer import load_tokenizer

READOUT = "readout"
_MOST = 0.5  # of the margin
_ENOUGH = 200  # edges between latents, for a rank correlation that says something


def edges(
    subject: Path,
    coders: Mapping[str, Path],
    task: Path,
    task_rows: Path,
    *,
    plan: EdgesPlan,
    probing: ProbingPlan,
    context: int,
) -> dict[str, Any]:
    """The result of one plan; `coders` are the folders of its arms. context: of the task.

    Raises SparringError for a class that the task does not have, and a coder whose latents write no fixed direction.
    """
    texts = read_task(task)
    if plan.label not in texts.classes:
        raise SparringError(f"edges.label: no class {plan.label!r}; the task has {', '.join(texts.classes)}")
    split = draw_texts(draw_contrasts(texts, seed=probing.seed)[texts.classes.index(plan.label)], plan)
    layers = [load_layer(coders[arm], task_rows, torch.from_numpy(texts.is_train)) for arm in plan.arms]
    model = load_subject(subject)
    tokens = task_tokens(subject, texts.texts, context=context)
    readout = fit(model, tokens, split.readout, site=plan.readout)
    network = with_nodes(Network(model, layers, plan.readout, readout), tokens, split.choosing, plan.nodes)
    measured = measure(network, tokens, split.measured, steps=plan.ig_steps)
    every = table(measured, split.measured.positive, len(layers))
    rest = Drawn(split.measured.texts[split.tried])
    ranked = every.ranked(~split.tried)
    tried = try_sizes(network, some(tokens, rest), ranked, every.edges, plan)
    tokenizer = load_tokenizer(subject)
    words = [[[tokenizer.decode([one]) for one in each] for each in layer] for layer in measured.tokens]
    return report(network, measured, every, curve(tried, rest.positive, plan), words, split, plan)


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
