"""Latents held at their means inside the model: identities, a slow dense twin, and passes that begin at a block."""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
import torch
from coders_data import random_coder
from probing_data import lively_model
from tiny import ALSO_POST_NORMED, FAMILIES

from sparring.coders.coder import Coder
from sparring.coders.recipe import Arm
from sparring.coders.sparsify_coder import SparsifyCoder
from sparring.errors import SparringError
from sparring.patching import Ablation, Means, ablated
from sparring.resume import resumed
from sparring.subject_model import SiteReader

SAE = Arm("sae", "sae", "layers.1.resid_post", "layers.1.resid_post")
TRANSCODER = Arm("transcoder", "transcoder", "layers.1.mlp.in", "layers.1.mlp.out")
SKIP = Arm("skip", "skip-transcoder", "layers.1.mlp.in", "layers.1.mlp.out")
LATER = Arm("later", "sae", "layers.2.mlp.out", "layers.2.mlp.out")
READOUT = "layers.3.resid_post"
LATENTS = 64


@dataclass(frozen=True)
class Text:
    """Two sequences, of which the second is shorter."""

    ids: torch.Tensor
    where: torch.Tensor


@pytest.fixture(scope="module")
def model():
    return lively_model(layers=4)


@pytest.fixture(scope="module")
def text() -> Text:
    ids = torch.randint(3, 259, (2, 9), generator=torch.Generator().manual_seed(0))
    where = torch.ones(2, 9, dtype=torch.bool)
    where[:, 0] = False
    where[1, 6:] = False
    return Text(ids, where)


def coder(arm: Arm, seed: int = 0) -> Coder:
    return SparsifyCoder(random_coder(arm, seed=seed), arm)


def ablation(one: Coder, kept: Sequence[int], *, errors_stay: bool, seed: int = 1, multiple: float = 0.0) -> Ablation:
    rng = torch.Generator().manual_seed(seed)
    mask = torch.zeros(LATENTS, dtype=torch.bool)
    mask[list(kept)] = True
    means = Means(torch.rand(LATENTS, generator=rng), torch.randn(16, generator=rng))
    return Ablation(one, mask, means, errors_stay, multiple)


def read(model, text: Text, site: str) -> torch.Tensor:
    return SiteReader(model, (site,)).read(text.ids)[site]


def under(model, text: Text, ablations: Sequence[Ablation], site: str = READOUT) -> torch.Tensor:
    with ablated(model, ablations, where=text.where):
        return read(model, text, site)


@pytest.mark.parametrize("arm", [SAE, TRANSCODER, SKIP], ids=lambda arm: arm.name)
def test_all_kept_and_errors_staying_is_the_model(model, text, arm) -> None:
    every = ablation(coder(arm), range(LATENTS), errors_stay=True)
    torch.testing.assert_close(under(model, text, [every]), read(model, text, READOUT), rtol=0, atol=1e-5)


@pytest.mark.parametrize("arm", [SAE, TRANSCODER, SKIP], ids=lambda arm: arm.name)
@pytest.mark.parametrize("errors_stay", [True, False])
@pytest.mark.parametrize("kept", [(), (3, 5, 8, 13, 21, 34, 55)], ids=["none", "some"])
@pytest.mark.parametrize("multiple", [0.0, -2.0])
def test_what_stands_at_the_write_site_is_that_of_the_dense_twin(model, text, arm, errors_stay, kept, multiple) -> None:
    """y' = sum of kept z d + sum of others' (zbar + c z) d + what else the output has + error or its mean."""
    one = ablation(coder(arm), kept, errors_stay=errors_stay, multiple=multiple)
    found = under(model, text, [one], arm.write_site)
    clean = SiteReader(model, tuple(dict.fromkeys(arm.sites))).read(text.ids)
    for row, position in text.where.nonzero():
        x, y = clean[arm.read_site][row, position][None], clean[arm.write_site][row, position]
        z, y_hat = one.coder.dense(x)[0], one.coder.forward(x)[0]
        beside = y_hat - z @ one.coder.decoder  # bias, and the skip
        error = y - y_hat
        wanted = torch.where(one.kept, z, one.means.latents + multiple * z) @ one.coder.decoder + beside
        wanted = wanted + (error if errors_stay else one.means.error)
        torch.testing.assert_close(found[row, position], wanted, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("errors_stay", [True, False])
def test_nothing_kept_holds_every_latent_at_its_mean(model, text, errors_stay) -> None:
    """An SAE of nothing but its latents then writes the same row everywhere, up to the error."""
    weights = random_coder(SAE)
    weights.b_dec.zero_()
    one = ablation(SparsifyCoder(weights, SAE), (), errors_stay=errors_stay)
    found, clean = under(model, text, [one], SAE.write_site)[text.where], read(model, text, SAE.read_site)[text.where]
    error = clean - one.coder.forward(clean) if errors_stay else one.means.error
    wanted = (one.means.latents @ one.coder.decoder + error).expand_as(found)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-3)


def test_masked_positions_are_as_they_were(model, text) -> None:
    found = under(model, text, [ablation(coder(SAE), (), errors_stay=False)], SAE.write_site)
    clean = read(model, text, SAE.write_site)
    assert torch.equal(found[~text.where], clean[~text.where])
    assert not torch.isclose(found[text.where], clean[text.where]).all(dim=-1).any()


def test_a_later_coder_reads_what_an_earlier_one_left(model, text) -> None:
    first, second = ablation(coder(SAE), (1, 2), errors_stay=True), ablation(coder(LATER, 3), (4,), errors_stay=False)
    both = under(model, text, [first, second], LATER.write_site)
    changed = under(model, text, [first], LATER.write_site)[text.where]
    torch.testing.assert_close(both[text.where], second.edit()(changed, changed), rtol=1e-4, atol=1e-3)


def test_no_gradient_passes_and_none_is_asked_for(model, text) -> None:
    one = ablation(coder(SKIP), (1,), errors_stay=False)
    with torch.enable_grad():
        x = torch.randn(3, 16, requires_grad=True)
        assert not one.edit()(x, x).requires_grad


def test_the_model_is_left_as_it_was(model, text) -> None:
    clean = read(model, text, READOUT)
    with (
        pytest.raises(RuntimeError, match="stop"),
        ablated(model, [ablation(coder(SAE), (), errors_stay=True)], where=text.where),
    ):
        raise RuntimeError("stop")
    assert torch.equal(read(model, text, READOUT), clean)


def test_what_cannot_be_ablated_is_refused(model, text) -> None:
    one = ablation(coder(SAE), (), errors_stay=True)
    with pytest.raises(SparringError, match=r"write one site \(layers.1.resid_post, layers.1.resid_post\)"):
        under(model, text, [one, one])
    backwards = ablation(coder(Arm("x", "transcoder", "layers.2.mlp.in", "layers.1.mlp.out")), (), errors_stay=True)
    with pytest.raises(SparringError, match="cannot write"):
        under(model, text, [backwards])


@pytest.mark.parametrize("family", [*FAMILIES, *ALSO_POST_NORMED])
@pytest.mark.parametrize("block", [0, 2])
def test_a_pass_that_begins_at_a_block_gives_what_a_whole_one_gives(text, family, block) -> None:
    model = lively_model(family, layers=4)
    entry = f"layers.{block}.resid_pre"
    clean = SiteReader(model, (entry, READOUT)).read(text.ids)
    one = ablation(coder(LATER), (1, 2, 3), errors_stay=False)
    whole = under(model, text, [one])
    with resumed(model, block, clean[entry]):
        assert torch.equal(read(model, text, READOUT), clean[READOUT])
        assert torch.equal(under(model, text, [one]), whole)
    assert torch.equal(read(model, text, READOUT), clean[READOUT])
    with resumed(model, block, clean[entry] * 0.5):  # it is what is handed in that counts
        assert not torch.allclose(read(model, text, READOUT), clean[READOUT])
