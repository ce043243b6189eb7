"""The adapter gives what sparsify's own encoder gives, bit for bit; the known faults show."""

import json
from dataclasses import replace

import pytest
import torch
from coders_data import ARMS, SAE, TRANSCODER, D, as_dense, random_coder, save_coder

from sparring.coders.encoding import Encoder
from sparring.coders.upstream import SparseCoder
from sparring.errors import SparringError


@pytest.fixture
def rows():
    return torch.randn(4096, D, generator=torch.Generator().manual_seed(3)) * 2 + 0.5


@pytest.mark.parametrize("arm", ARMS, ids=lambda arm: arm.name)
def test_the_same_latents_as_upstream(arm, rows, tmp_path):
    folder = save_coder(random_coder(arm), arm, tmp_path / "coder")
    encoder, upstream = Encoder.load(folder), SparseCoder.load_from_disk(folder).requires_grad_(False)
    values, indices, _ = upstream.encode(rows)
    assert torch.equal(as_dense(*encoder.encode(rows)), as_dense(values, indices))
    assert encoder.n_latents == upstream.num_latents


def test_few_positive_latents_leave_zeros(rows, tmp_path):
    coder = random_coder(SAE)
    coder.encoder.bias.fill_(-6.0)
    folder = save_coder(coder, SAE, tmp_path / "coder")
    values, indices = Encoder.load(folder).encode(rows)
    assert ((values > 0).sum(1) < values.shape[1]).any()
    wanted, at, _ = SparseCoder.load_from_disk(folder).requires_grad_(False).encode(rows)
    assert torch.equal(as_dense(values, indices), as_dense(wanted, at))


def test_b_dec_twice_or_not_at_all_is_another_coder(rows, tmp_path):
    sae = Encoder.load(save_coder(random_coder(SAE), SAE, tmp_path / "sae"))
    right = as_dense(*sae.encode(rows))
    assert sae.centre is not None
    for wrong in (replace(sae, centre=None), replace(sae, centre=2 * sae.centre)):
        assert not torch.allclose(as_dense(*wrong.encode(rows)), right, atol=1e-3)
    transcoder = Encoder.load(save_coder(random_coder(TRANSCODER), TRANSCODER, tmp_path / "transcoder"))
    assert transcoder.centre is None


def test_an_activation_that_is_not_known_is_refused(tmp_path):
    folder = save_coder(random_coder(SAE), SAE, tmp_path / "coder")
    config = json.loads((folder / "cfg.json").read_text()) | {"activation": "groupmax"}
    (folder / "cfg.json").write_text(json.dumps(config))
    with pytest.raises(SparringError, match="activation 'groupmax'"):
        Encoder.load(folder)
