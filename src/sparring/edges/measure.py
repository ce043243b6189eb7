"""From a model and coders to what each edge does in each text, in numbers alone."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from sparring.edges.attribution import Edges, Pair, all_effects, attributed, node_effects, readout_gradients
from sparring.edges.exact import ablated_edges
from sparring.edges.layers import Layer
from sparring.edges.network import Clean, Network, batches
from sparring.edges.texts import Drawn
from sparring.probing.pooling import pooled
from sparring.probing.readout import Readout, fit_readout
from sparring.probing.task_tokens import TaskTokens
from sparring.progress import progress
from sparring.subject_model import SiteReader

_OFTEN, _SHOWN = 3, 4
WAYS = ("attribution", "integrated", "exact")


class PerText(NamedTuple):
    """An edge's figures, text by text: [text, source, target] each."""

    strength: np.ndarray
    effect: np.ndarray


class Measured(NamedTuple):
    """Of the measured texts: margins [text], what each node adds to them [text, node] for each layer, every edge."""

    margins: np.ndarray
    nodes: list[np.ndarray]
    edges: dict[str, dict[Pair, PerText]]
    """By way (WAYS), then by pair of layers."""
    tokens: list[list[list[int]]]
    """Of each layer and node: the token ids on which it fires most, the first first."""


def fit(model: Any, texts: TaskTokens, drawn: Drawn, *, site: str) -> Readout:
    """The readout of the class at `site`, from the clean model's mean rows of training texts."""
    reader, found = SiteReader(model, (site,)), []
    with progress(len(drawn.texts), desc="readout", unit="text") as bar:
        for ids, counted in batches(some(texts, drawn)):
            found.append(pooled(reader.read(ids)[site], counted).cpu())
            bar.update(len(ids))
    return fit_readout(torch.cat(found), drawn.positive)


def some(texts: TaskTokens, drawn: Drawn) -> TaskTokens:
    """The tokens of the texts drawn."""
    return TaskTokens(texts.ids[drawn.texts], texts.counted[drawn.texts])


def with_nodes(network: Network, texts: TaskTokens, drawn: Drawn, number: int) -> Network:
    """The network with, of each layer, the latents whose attributed effect differs most between class and others."""
    found: list[list[Tensor]] = [[] for _ in network.layers]
    with progress(len(drawn.texts), desc="effects of latents", unit="text") as bar:
        for clean in network.clean(some(texts, drawn)):
            for each, effect in zip(found, all_effects(network, clean), strict=True):
                each.append(effect.cpu())
            bar.update(len(clean.ids))
    return replace(
        network,
        layers=[
            _chosen(layer, torch.cat(each), drawn, number) for layer, each in zip(network.layers, found, strict=True)
        ],
    )


def _chosen(layer: Layer, effect: Float[Tensor, "text latent"], drawn: Drawn, number: int) -> Layer:
    positive = torch.from_numpy(drawn.positive)
    gap = (effect[positive].mean(dim=0) - effect[~positive].mean(dim=0)).abs()
    gap[~layer.fires.cpu()] = -1  # a latent that never fires does nothing
    order = torch.sort(gap, descending=True, stable=True).indices
    return replace(layer, nodes=order[: min(number, int(layer.fires.sum()))].to(layer.nodes.device))


def measure(network: Network, texts: TaskTokens, drawn: Drawn, *, steps: int) -> Measured:
    """Every edge by attribution, by integrated gradients if `steps` > 1, and by ablation."""
    margins: list[Tensor] = []
    nodes: list[list[Tensor]] = [[] for _ in network.layers]
    edges: dict[str, dict[Pair, list[Edges]]] = {way: {} for way in WAYS if way != "integrated" or steps > 1}
    seen: Counter[int] = Counter()
    fired: list[list[Counter[int]]] = [[Counter() for _ in layer.nodes] for layer in network.layers]
    with progress(len(drawn.texts), desc="edges", unit="text") as bar:
        for clean in network.clean(some(texts, drawn)):
            gradients = readout_gradients(network, clean)
            found = {"attribution": attributed(network, clean, gradients)}
            if steps > 1:
                found["integrated"] = attributed(network, clean, gradients, steps=steps)
            found["exact"] = ablated_edges(network, clean, gradients)
            for way, pairs in found.items():
                for pair, one in pairs.items():
                    edges[way].setdefault(pair, []).append(one)
            margins.append(clean.margins)
            for each, added in zip(nodes, node_effects(network, clean, gradients), strict=True):
                each.append(added)
            seen.update(clean.ids[clean.counted].tolist())
            _count(fired, clean)
            bar.update(len(clean.ids))
    return Measured(
        _numbers(margins),
        [_numbers(each) for each in nodes],
        {
            way: {
                pair: PerText(_numbers([one.strength for one in each]), _numbers([one.effect for one in each]))
                for pair, each in pairs.items()
            }
            for way, pairs in edges.items()
        },
        [[_strongest(one, seen) for one in each] for each in fired],
    )


def _count(fired: Sequence[Sequence[Counter[int]]], clean: Clean) -> None:
    ids = clean.ids[clean.counted]
    for counters, latents in zip(fired, clean.latents, strict=True):
        for counter, z in zip(counters, latents.T, strict=True):
            on = z > 0
            for token, value in zip(ids[on].tolist(), z[on].tolist(), strict=True):
                counter[token] += value


def _strongest(activation: Counter[int], seen: Counter[int]) -> list[int]:
    """The tokens seen at least _OFTEN times on which the mean activation is highest; if none was, by its sum."""
    often = {token: value / seen[token] for token, value in activation.items() if seen[token] >= _OFTEN}
    return sorted(often or activation, key=lambda token: (-(often or activation)[token], token))[:_SHOWN]


def _numbers(parts: Sequence[Tensor]) -> np.ndarray:
    return torch.cat(list(parts)).detach().double().cpu().numpy()
