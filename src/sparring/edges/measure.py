"""From a model and coders to what each edge does in each text, in numbers alone."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from sparring.edges.attribution import Edges, Pair, all_effects, attributed, node_effects, readout_gradients
from sparring.edges.exact import ablated_edges
from sparring.edges.layers import Layer
from sparring.edges.network import Network, batches
from sparring.edges.texts import Drawn
from sparring.probing.pooling import pooled
from sparring.probing.readout import Readout, fit_readout
from sparring.probing.task_tokens import TaskTokens
from sparring.progress import progress
from sparring.subject_model import SiteReader

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
        for ids, counted in batches(texts.some(drawn.texts)):
            found.append(pooled(reader.read(ids)[site], counted).cpu())
            bar.update(len(ids))
    return fit_readout(torch.cat(found), drawn.positive)


def with_nodes(network: Network, texts: TaskTokens, drawn: Drawn, number: int) -> Network:
    """The network with, of each layer, the latents whose attributed effect differs most between class and others."""
    found: list[list[Tensor]] = [[] for _ in network.layers]
    with progress(len(drawn.texts), desc="effects of latents", unit="text") as bar:
        for clean in network.clean(texts.some(drawn.texts)):
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
    ids: list[Tensor] = []
    latents: list[list[Tensor]] = [[] for _ in network.layers]
    with progress(len(drawn.texts), desc="edges", unit="text") as bar:
        for clean in network.clean(texts.some(drawn.texts)):
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
            ids.append(clean.ids[clean.counted])
            for each, z in zip(latents, clean.latents, strict=True):
                each.append(z)
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
        [strongest_tokens(torch.cat(ids).cpu().numpy(), _numbers(each)) for each in latents],
    )


def strongest_tokens(
    ids: Int[np.ndarray, " row"], latents: Float[np.ndarray, "row node"], *, often: int = 3, number: int = 4
) -> list[list[int]]:
    """For each node the token ids, seen at least `often` times, with the highest mean activation above 0."""
    known, place, times = np.unique(ids, return_inverse=True, return_counts=True)
    total = np.zeros((len(known), latents.shape[1]))
    np.add.at(total, place, latents)
    mean = np.where(times[:, None] >= often, total / times[:, None], 0)
    order = np.argsort(-mean, axis=0, kind="stable")[:number]
    return [[int(known[i]) for i in order[:, node] if mean[i, node] > 0] for node in range(mean.shape[1])]


def _numbers(parts: Sequence[Tensor]) -> np.ndarray:
    return torch.cat(list(parts)).detach().double().cpu().numpy()
