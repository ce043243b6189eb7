"""The slow twin of attribution: every node held at its mean by itself, and what changes.

    strength   mean over the text's counted tokens of z_v(clean) - z_v(u at its mean)
    effect     sum over tokens of (dm / dz_v(t)) times that difference

and for the readout the change of the margin itself. One forward pass for each u gives every v.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from sparring.edges.attribution import Edges, Gradients, Pair, node_weights
from sparring.edges.layers import targets
from sparring.edges.network import Clean, Network


@torch.no_grad()
def ablated_edges(network: Network, clean: Clean, gradients: Gradients) -> dict[Pair, Edges]:
    """Every edge by ablation. gradients: those of `readout_gradients`, which weigh the tokens of an effect."""
    layers, weights = network.layers, node_weights(network, gradients)
    found: dict[Pair, Edges] = {}
    for source, layer in enumerate(layers):
        after = targets(layers, source)
        sites = [layers[target].read if target < len(layers) else network.readout_site for target in after]
        held = {one.write: clean.rows(one.write) for one in layers[source + 1 : after[-1]]}
        each: dict[int, list[Edges]] = {target: [] for target in after}
        rows, above = clean.rows(layer.write), clean.latents[source] - layer.node_means
        for u in range(len(layer.nodes)):
            new = rows - above[:, u, None] * layer.directions[u]
            seen = network.run(clean, put={layer.write: new, **held}, see=sites)
            for target, site in zip(after, sites, strict=True):
                if target == len(layers):
                    change = (clean.margins - network.margins(clean, seen[site]))[:, None]
                    each[target].append(Edges(change[:, None], change[:, None]))
                    continue
                lost = clean.latents[target] - layers[target].latents(seen[site])
                strength = clean.by_text(lost * clean.share[:, None])
                each[target].append(Edges(strength[:, None], clean.by_text(lost * weights[target])[:, None]))
        for target in after:
            width = 1 if target == len(layers) else len(layers[target].nodes)
            found[source, target] = _joined(each[target], clean.margins.new_zeros(len(clean.ids), 0, width))
    return found


def _joined(each: Sequence[Edges], empty: Float[Tensor, "text 0 target"]) -> Edges:
    return Edges(*(torch.cat([empty, *(getattr(one, name) for one in each)], dim=1) for name in ("strength", "effect")))
