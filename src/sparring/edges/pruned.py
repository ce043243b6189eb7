"""The graph of some edges alone, run for real: how much of the readout's margin it carries.

Every node is worked out by its own forward pass, in which of its parents' layers only the kept parents have values and
the other nodes are at their means; the parents' values come from such passes in turn. Nodes with the same parents share
a pass, and what was run once, for whichever set of edges, is not run again: the ancestry of a node decides its value.
Latents that are no nodes, and what latents do not write (errors, biases, skips), each stay as in the clean model or are
at their means. Where all of it stays, all edges together are the model as it is.
"""

from collections.abc import Collection
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from sparring.edges.layers import sources
from sparring.edges.network import Clean, Network
from sparring.edges.table import Edge


class _Lived(NamedTuple):
    """A node with all that decides its value."""

    layer: int
    node: int
    parents: "frozenset[_Lived]"


class Pruned:
    """Some texts' margins under any set of edges. `passes`: how many forward passes were made."""

    def __init__(self, network: Network, clean: Clean, *, others_stay: bool, errors_stay: bool) -> None:
        self._network, self._clean = network, clean
        self._known: dict[tuple[int, frozenset[_Lived]], Tensor] = {}
        self._level = [self._all_at_means(layer, others_stay, errors_stay) for layer in range(len(network.layers))]
        self.passes = 0

    @torch.no_grad()
    def margins(self, edges: Collection[Edge]) -> Float[Tensor, " text"]:
        """Of each text, with these edges alone."""
        end = len(self._network.layers)
        parents: dict[tuple[int, int], list[tuple[int, int]]] = {}
        for edge in edges:
            parents.setdefault((edge.target, edge.v), []).append((edge.source, edge.u))

        def lived(layer: int, node: int) -> frozenset[_Lived]:
            return frozenset(_Lived(*one, lived(*one)) for one in parents.get((layer, node), []))

        return self._values(end, lived(end, 0))

    def _values(self, target: int, parents: frozenset[_Lived]) -> Tensor:
        """The nodes of a layer [row, node], or the margins, where these parents have their values."""
        network, layers = self._network, self._network.layers
        into = sources(layers, target)
        if not into:
            return self._clean.latents[target]
        if (target, parents) not in self._known:
            put = {}
            for source in into:
                rows = self._level[source]
                for one in (one for one in parents if one.layer == source):
                    value = self._values(source, one.parents)[:, one.node]
                    above = value - layers[source].node_means[one.node]
                    rows = rows + above[:, None] * layers[source].directions[one.node]
                put[layers[source].write] = rows
            site = network.readout_site if target == len(layers) else layers[target].read
            found = network.run(self._clean, put=put, see=[site])[site]
            self.passes += 1
            self._known[target, parents] = (
                network.margins(self._clean, found) if target == len(layers) else layers[target].latents(found)
            )
        return self._known[target, parents]

    @torch.no_grad()
    def _all_at_means(self, number: int, others_stay: bool, errors_stay: bool) -> Float[Tensor, "row d"]:
        """What stands at a layer's write site where all its nodes are at their means."""
        layer, clean = self._network.layers[number], self._clean
        rows = clean.rows(layer.write)
        above = layer.dense(clean.rows(layer.read)) - layer.mean
        others = above.index_fill(1, layer.nodes, 0) @ layer.decoder
        nodes = above[:, layer.nodes] @ layer.directions
        # y - ybar is nodes + others + what latents do not write.
        level = rows - nodes if errors_stay else layer.mean_row + others
        return level if others_stay else level - others
