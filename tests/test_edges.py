"""Edges: attribution against its slow twins, where they must agree and where not; the pruned graph; frozen coders."""

from contextlib import ExitStack
from dataclasses import replace

import pytest
import torch
from edges_data import PlainCoder, layer, lively_model, network, only, sae, texts, transcoder, without_block

from sparring.coders.encoding import Encoder
from sparring.edges.attribution import attributed, node_effects, readout_gradients
from sparring.edges.exact import ablated_edges
from sparring.edges.layers import sources, targets
from sparring.edges.network import Clean, Network
from sparring.edges.pruned import Pruned
from sparring.edges.table import Edge
from sparring.patching import Ablation, Means, ablated
from sparring.splice import spliced
from sparring.subject_model import SiteReader

RESID = [sae(0), sae(1), sae(2)]
MLP = [transcoder(0), transcoder(1), transcoder(2)]


def made(arms=RESID, *, model=None, always=False) -> tuple[Network, Clean]:
    model = lively_model() if model is None else model
    found = network(model, [layer(arm, always=always, seed=number) for number, arm in enumerate(arms)])
    (clean,) = found.clean(texts())
    return found, clean


def full_pass(net: Network, clean: Clean, put: dict[str, torch.Tensor], site: str) -> torch.Tensor:
    """The slow twin of Network.run: the whole model from its first block, rows put by hooks of `spliced`."""
    with ExitStack() as stack:
        for name, rows in put.items():
            stack.enter_context(
                spliced(net.model, lambda _, rows=rows: rows, read=name, write=name, where=clean.counted)
            )
        return SiteReader(net.model, (site,)).read(clean.ids)[site][clean.counted]


def test_a_pass_that_begins_where_something_was_put_is_the_whole_pass() -> None:
    for arms in (RESID, MLP):
        net, clean = made(arms)
        for number in (0, 1):
            write = net.layers[number].write
            rows = torch.randn(int(clean.counted.sum()), 16, dtype=torch.float64)
            put = {write: rows}
            found = net.run(clean, put=put, see=[net.readout_site])[net.readout_site]
            assert torch.allclose(found, full_pass(net, clean, put, net.readout_site), atol=1e-10)
            assert not torch.allclose(found, clean.rows(net.readout_site))


def test_where_all_between_is_linear_attribution_is_ablation() -> None:
    """Blocks 1 to 3 pass on what enters them: also the closed form z_u - zbar_u times d_u . w_v."""
    model = lively_model()
    for number in (1, 2, 3):
        without_block(model, number)
    net, clean = made(model=model, always=True)
    gradients = readout_gradients(net, clean)
    quick, exact = attributed(net, clean, gradients), ablated_edges(net, clean, gradients)
    many = attributed(net, clean, gradients, steps=3)
    assert set(quick) == set(exact) == {(0, 1), (1, 2), (2, 3)}
    for pair in exact:
        for way in (quick, many):
            assert torch.allclose(way[pair].strength, exact[pair].strength, atol=1e-6)
            assert torch.allclose(way[pair].effect, exact[pair].effect, atol=1e-6)
    low, high = net.layers[:2]
    above = clean.by_text((clean.latents[0] - low.node_means) * clean.share[:, None])
    by_hand = above[:, :, None] * (low.directions @ high.encoder.weight[high.nodes].T)
    assert torch.allclose(exact[0, 1].strength, by_hand, atol=1e-9)
    above = clean.by_text((clean.latents[2] - net.layers[2].node_means) * clean.share[:, None])
    margin = above * (net.layers[2].directions @ net.readout.direction)
    assert torch.allclose(exact[2, 3].strength[:, :, 0], margin, atol=1e-6)


@pytest.mark.parametrize("arms", [RESID, MLP], ids=["residual", "transcoders"])
def test_gradients_are_those_of_finite_differences(arms) -> None:
    """A node moved a little towards its mean and away from it, in whole passes: what it adds is the attribution."""
    net, clean = made(arms)
    gradients = readout_gradients(net, clean)
    found, small = attributed(net, clean, gradients), 1e-3  # the model's norms are worked out in float32
    effects = node_effects(net, clean, gradients)
    end = len(net.layers)

    def lost(source: int, u: int, site: str, of, *, held: list[int]) -> torch.Tensor:
        low = net.layers[source]
        above = (clean.latents[source][:, u] - low.node_means[u])[:, None] * low.directions[u]
        rows = clean.rows(low.write)
        put = {net.layers[one].write: clean.rows(net.layers[one].write) for one in held}
        ends = [of(full_pass(net, clean, {low.write: rows + sign * small * above} | put, site)) for sign in (1, -1)]
        return (ends[0] - ends[1]) / (2 * small)

    def margin(rows: torch.Tensor) -> torch.Tensor:
        return net.margins(clean, rows)

    for (source, target), edges in found.items():
        # The coders in between are held as they are: an edge is the direct one; a node's effect goes every way.
        held = list(range(source + 1, target))
        for u in range(3):
            if target == end:
                direct = lost(source, u, net.readout_site, margin, held=held)
                assert torch.allclose(direct, edges.strength[:, u, 0], atol=2e-3)
                free = lost(source, u, net.readout_site, margin, held=[])
                assert torch.allclose(free, effects[source][:, u], atol=2e-3)
                continue
            high = net.layers[target]
            more = lost(source, u, high.read, high.latents, held=held)
            assert torch.allclose(clean.by_text(more * clean.share[:, None]), edges.strength[:, u], atol=2e-3)
            weight = gradients[target] @ high.directions.T
            assert torch.allclose(clean.by_text(more * weight), edges.effect[:, u], atol=2e-3)


def test_coders_of_the_residual_stream_reach_the_next_alone_and_others_all_behind_them() -> None:
    net, _ = made(RESID)
    assert [sources(net.layers, target) for target in range(4)] == [[], [0], [1], [2]]
    mlp, _ = made(MLP)
    assert [sources(mlp.layers, target) for target in range(4)] == [[], [0], [0, 1], [0, 1, 2]]
    mixed, _ = made([transcoder(0), sae(1), transcoder(2)])
    assert [sources(mixed.layers, target) for target in range(4)] == [[], [0], [1], [1, 2]]
    assert targets(mixed.layers, 0) == [1]
    assert targets(mixed.layers, 1) == [2, 3]


def test_the_exact_twin_is_ablation_of_one_latent() -> None:
    """Against sparring.patching, which works latents out in the very pass."""
    net, clean = made()
    exact = ablated_edges(net, clean, readout_gradients(net, clean))
    for u, latent in enumerate(net.layers[0].nodes.tolist()):
        kept = torch.ones(12, dtype=torch.bool)
        kept[latent] = False
        means = Means(net.layers[0].mean, torch.zeros(16, dtype=torch.float64))
        one = Ablation(PlainCoder(net.layers[0], RESID[0]), kept, means, errors_stay=True)
        with ablated(net.model, [one], where=clean.counted):
            values = SiteReader(net.model, (net.layers[1].read,)).read(clean.ids)[net.layers[1].read]
        lost = clean.latents[1] - net.layers[1].latents(values[clean.counted])
        assert torch.allclose(clean.by_text(lost * clean.share[:, None]), exact[0, 1].strength[:, u], atol=1e-9)


def test_integrated_gradients_are_closer_where_it_is_not_linear() -> None:
    """With one node the way is the ablation's own: many steps give the ablation, one does not."""
    net, _ = made(model=lively_model(scale=4), always=True)
    net = only(net, 0, [2])
    (clean,) = net.clean(texts())
    gradients = readout_gradients(net, clean)
    exact = ablated_edges(net, clean, gradients)[0, 1].strength
    gaps = [
        float((attributed(net, clean, gradients, steps=steps)[0, 1].strength - exact).abs().max())
        for steps in (1, 8, 256)
    ]
    assert gaps[0] > 1e-3 * float(exact.abs().max())
    assert gaps[1] < gaps[0] / 10
    assert gaps[2] < 1e-5


def test_integrated_gradients_of_all_nodes_add_up() -> None:
    """Completeness: to what holding all nodes at their means changes."""
    net, _ = made(model=lively_model(scale=4), always=True)
    (clean,) = net.clean(texts())
    low, high = net.layers[:2]
    found = attributed(net, clean, readout_gradients(net, clean), steps=256)[0, 1].strength.sum(dim=1)
    moved = clean.rows(low.write) - (clean.latents[0] - low.node_means) @ low.directions
    values = net.run(clean, put={low.write: moved}, see=[high.read])[high.read]
    lost = clean.latents[1] - high.latents(values)
    whole = clean.by_text(lost * clean.share[:, None])
    assert torch.allclose(found, whole, atol=2e-3 * float(whole.abs().max()))


def test_topk_gradients_are_of_the_active_latents() -> None:
    one = layer(sae(0), nodes=range(12))
    topk = Encoder(one.encoder.arm, 3, one.encoder.weight.float(), one.encoder.bias.float(), None)
    made_layer = replace(one, encoder=topk)
    x = torch.randn(5, 16, requires_grad=True)
    z = made_layer.latents(x)
    assert torch.allclose(z.detach(), topk.dense(x.detach()), atol=1e-6)
    assert ((z > 0).sum(dim=1) <= 3).all()
    z.sum().backward()
    assert torch.allclose(x.grad, (z.detach() > 0).float() @ topk.weight, atol=1e-6)


EVERY = {
    "residual": (RESID, [(0, 1), (1, 2), (2, 3)]),
    "transcoders": (MLP, [(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)]),
}


def edges_between(net: Network, pairs) -> list[Edge]:
    sizes = [len(one.nodes) for one in net.layers] + [1]
    return [Edge(a, u, b, v) for a, b in pairs for u in range(sizes[a]) for v in range(sizes[b])]


@pytest.mark.parametrize("name", EVERY)
def test_a_graph_of_all_latents_and_edges_is_the_model(name: str) -> None:
    arms, pairs = EVERY[name]
    net = network(lively_model(), [layer(arm, nodes=range(12), seed=n) for n, arm in enumerate(arms)])
    (clean,) = net.clean(texts())
    pruned = Pruned(net, clean, others_stay=False, errors_stay=True)
    assert torch.allclose(pruned.margins(edges_between(net, pairs)), clean.margins, atol=1e-9)
    assert pruned.passes == 3  # one a layer behind the first, and the readout
    assert not torch.allclose(pruned.margins([]), clean.margins, atol=1e-3)


@pytest.mark.parametrize("name", EVERY)
def test_all_edges_between_some_latents_are_the_model_where_the_others_stay(name: str) -> None:
    arms, pairs = EVERY[name]
    net, clean = made(arms)
    pruned = Pruned(net, clean, others_stay=True, errors_stay=True)
    assert torch.allclose(pruned.margins(edges_between(net, pairs)), clean.margins, atol=1e-9)
    assert not torch.allclose(pruned.margins([]), clean.margins, atol=1e-3)


def test_without_edges_all_latents_of_the_last_coder_are_at_their_means() -> None:
    net, clean = made()
    last = net.layers[2]
    values = clean.rows(last.write)
    coder = PlainCoder(last, RESID[2])
    error = (values - coder.forward(values)).mean(dim=0)
    level = last.mean @ last.decoder + 0.5 + error  # the mean row, had the means been those of these texts
    for errors_stay in (True, False):
        none = torch.zeros(12, dtype=torch.bool)
        one = Ablation(coder, none, Means(last.mean, error), errors_stay=errors_stay)
        with ablated(net.model, [one], where=clean.counted):
            rows = SiteReader(net.model, (net.readout_site,)).read(clean.ids)[net.readout_site]
        wanted = net.margins(clean, rows[clean.counted])
        held = replace(net, layers=[*net.layers[:2], replace(last, mean_row=level)])
        assert torch.allclose(
            Pruned(held, clean, others_stay=False, errors_stay=errors_stay).margins([]), wanted, atol=1e-9
        )


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize(("others_stay", "errors_stay"), [(True, True), (False, True), (True, False), (False, False)])
def test_a_pruned_graph_is_worked_out_node_by_node(name: str, others_stay: bool, errors_stay: bool) -> None:
    """The slow twin: every node by a whole pass of its own, by recursion, nothing kept."""
    arms, pairs = EVERY[name]
    net, clean = made(arms)
    every = edges_between(net, pairs)
    kept = [every[i] for i in torch.randperm(len(every), generator=torch.Generator().manual_seed(1))[:14]]
    kept = list(dict.fromkeys([*kept, *(edge for edge in every if edge.target == 3)]))

    def value(number: int, node: int) -> torch.Tensor:
        into = sources(net.layers, number)
        if not into:
            return clean.latents[number][:, node]
        put = {}
        for source in into:
            one = net.layers[source]
            y = clean.rows(one.write)
            z = one.encoder.dense(clean.rows(one.read))
            rest = y - z @ one.decoder if errors_stay else one.mean_row - one.mean @ one.decoder
            held = z.clone() if others_stay else one.mean.expand_as(z).clone()
            held[:, one.nodes] = one.node_means
            new = rest + held @ one.decoder
            for edge in kept:
                if edge[0] == source and edge[2:] == (number, node):
                    new = new + (value(source, edge.u) - one.node_means[edge.u])[:, None] * one.directions[edge.u]
            put[one.write] = new
        if number == 3:
            return net.margins(clean, full_pass(net, clean, put, net.readout_site))
        high = net.layers[number]
        return high.latents(full_pass(net, clean, put, high.read))[:, node]

    pruned = Pruned(net, clean, others_stay=others_stay, errors_stay=errors_stay)
    assert torch.allclose(pruned.margins(kept), value(3, 0), atol=1e-6)
    before = pruned.passes
    pruned.margins(list(reversed(kept)))
    assert pruned.passes == before  # what was run once is not run again
