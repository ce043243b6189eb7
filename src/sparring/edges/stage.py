"""The edges stage: nodes from training texts, edges on test texts, the pruned graph on half of them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from sparring.edges.curve import curve, try_sizes
from sparring.edges.layers import load_layer
from sparring.edges.measure import fit, measure, with_nodes
from sparring.edges.network import Network
from sparring.edges.plan import EdgesPlan
from sparring.edges.result import report
from sparring.edges.table import table
from sparring.edges.texts import Drawn, draw_texts
from sparring.probing.contrasts import contrasts_of
from sparring.probing.labelled import read_task
from sparring.probing.plan import ProbingPlan
from sparring.probing.task_tokens import task_tokens
from sparring.subject_model import load_subject
from sparring.tokenizer import load_tokenizer


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
    (contrast,) = contrasts_of(texts, [plan.label], seed=probing.seed, key="edges.label")
    split = draw_texts(contrast, plan)
    layers = [load_layer(coders[arm], task_rows, torch.from_numpy(texts.is_train)) for arm in plan.arms]
    model = load_subject(subject)
    tokens = task_tokens(subject, texts.texts, context=context)
    readout = fit(model, tokens, split.readout, site=plan.readout)
    network = with_nodes(Network(model, layers, plan.readout, readout), tokens, split.choosing, plan.nodes)
    measured = measure(network, tokens, split.measured, steps=plan.ig_steps)
    every = table(measured, split.measured.positive, len(layers))
    rest = Drawn(split.measured.texts[split.tried])
    ranked = every.ranked(~split.tried)
    tried = try_sizes(network, tokens.some(rest.texts), ranked, every.edges, plan)
    tokenizer = load_tokenizer(subject)
    words = [[[tokenizer.decode([one]) for one in each] for each in layer] for layer in measured.tokens]
    return report(network, measured, every, curve(tried, rest.positive, plan), words, split, plan)
