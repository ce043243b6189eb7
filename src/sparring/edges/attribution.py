"""Effects of latents on the readout and on each other, by gradients (attribution patching).

What latent u adds to a figure f, by the first order of a Taylor series at the clean model (Nanda 2023; Syed et al.
2023; Marks et al. 2024, whose sign is the other: they ask what holding u at its mean would change):

    sum over counted tokens t of (z_u(t) - zbar_u) d_u . df / dy(t),     y what stands at u's write site

f is a text's margin at the readout (the effect of a node), or one of two figures of a latent v of a later layer:

    strength   its mean over the text's counted tokens, z_v
    effect     sum over tokens of (dm / dz_v(t)) z_v(t), what the margin m has of it, at the clean model's gradient

One backward pass for each v gives every u at once. Between u and v, coders in between are held as they are: an edge is
the direct one. z_v is taken as linear where it is active and 0 elsewhere, though u may make it fire or fall silent:
the exact twin (sparring.edges.exact) has that in it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd import grad

from sparring.edges.layers import sources
from sparring.edges.network import Clean, Network

Gradients = Sequence[Float[Tensor, "row _"]]
Pair = tuple[int, int]
"""(layer, later layer), of which the last is the readout."""


@dataclass(frozen=True)
class Edges:
    """What each node of one layer adds to each of another, text by text; the readout is one node."""

    strength: Float[Tensor, "text source target"]
    effect: Float[Tensor, "text source target"]


def readout_gradients(network: Network, clean: Clean) -> Gradients:
    """dm / dy at the counted tokens of each layer's write site, through all that comes after."""
    writes = [layer.write for layer in network.layers]
    first = clean.rows(writes[0]).requires_grad_()
    found = network.run(clean, put={writes[0]: first}, see=[*writes[1:], network.readout_site])
    margins = network.margins(clean, found[network.readout_site])
    return list(grad(margins.sum(), [first, *(found[site] for site in writes[1:])]))


def node_effects(network: Network, clean: Clean, gradients: Gradients) -> list[Float[Tensor, "text _"]]:
    """What every node adds to the margin, by attribution; gradients: those of `readout_gradients`."""
    weights = node_weights(network, gradients)
    return [
        clean.by_text((z - layer.node_means) * weight)
        for layer, z, weight in zip(network.layers, clean.latents, weights, strict=True)
    ]


def all_effects(network: Network, clean: Clean) -> list[Float[Tensor, "text _"]]:
    """What every latent of every layer adds to the margin, by attribution."""
    return [
        clean.by_text((layer.dense(clean.rows(layer.read)) - layer.mean) * (one @ layer.decoder.T))
        for layer, one in zip(network.layers, readout_gradients(network, clean), strict=True)
    ]


def attributed(network: Network, clean: Clean, gradients: Gradients, *, steps: int = 1) -> dict[Pair, Edges]:
    """Every edge by attribution.

    With more than one step the gradients are averaged on the straight way from the clean model to all nodes at their
    means (integrated gradients, Marks et al. 2024), at the midpoints of the steps.

    gradients: those of `readout_gradients`.
    """
    places = [0.0] if steps == 1 else [(step + 0.5) / steps for step in range(steps)]
    found: dict[Pair, list[Edges]] = {}
    for place in places:
        for pair, edges in _at(network, clean, gradients, place).items():
            found.setdefault(pair, []).append(edges)
    return {
        pair: Edges(*(torch.stack([getattr(one, name) for one in each]).mean(0) for name in ("strength", "effect")))
        for pair, each in found.items()
    }


def node_weights(network: Network, gradients: Gradients) -> list[Float[Tensor, "row _"]]:
    """dm / dz of each layer's nodes."""
    return [one @ layer.directions.T for layer, one in zip(network.layers, gradients, strict=True)]


def _at(network: Network, clean: Clean, gradients: Gradients, place: float) -> dict[Pair, Edges]:
    layers, weights = network.layers, node_weights(network, gradients)
    above = [z - layer.node_means for layer, z in zip(layers, clean.latents, strict=True)]
    leaves = [
        (clean.rows(layer.write) - place * more @ layer.directions).requires_grad_()
        for layer, more in zip(layers, above, strict=True)
    ]
    put = {layer.write: leaf for layer, leaf in zip(layers, leaves, strict=True)}
    found = network.run(clean, put=put, see=[*(layer.read for layer in layers[1:]), network.readout_site])

    def added(figure: Float[Tensor, ""], target: int) -> dict[int, Float[Tensor, "text source"]]:
        into = sources(layers, target)
        each = grad(figure, [leaves[source] for source in into], retain_graph=True, materialize_grads=True)
        return {
            source: clean.by_text(above[source] * (one @ layers[source].directions.T))
            for source, one in zip(into, each, strict=True)
        }

    edges: dict[Pair, Edges] = {}
    for target, layer in enumerate(layers[1:], start=1):
        z = layer.latents(found[layer.read])
        columns = [
            (added((z[:, v] * clean.share).sum(), target), added((z[:, v] * weights[target][:, v]).sum(), target))
            for v in range(z.shape[1])
        ]
        for source in sources(layers, target):
            empty = clean.margins.new_zeros(len(clean.ids), len(layers[source].nodes), 0)
            edges[source, target] = Edges(
                *(torch.stack([both[i][source] for both in columns], dim=2) if columns else empty for i in (0, 1))
            )
    for source, one in added(network.margins(clean, found[network.readout_site]).sum(), len(layers)).items():
        edges[source, len(layers)] = Edges(one[:, :, None], one[:, :, None])
    return edges
