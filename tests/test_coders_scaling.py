"""Folding the scaling back leaves every reader with the same latents and reconstructions in raw units."""

import copy
import math

import pytest
import torch
from coders_data import ARMS, SAE, TRANSCODER, D, random_coder
from hypothesis import given
from hypothesis import strategies as st
from sae_lens import SkipTranscoder, SkipTranscoderConfig, TopKSAE, TopKSAEConfig
from sae_lens.saes.topk_sae import TopK

from sparring.coders.scaling import Scaling, fold, nearest_power_of_two, rms
from sparring.coders.upstream import SparseCoder
from sparring.errors import SparringError

SCALINGS = {
    "sae": Scaling(input_rms=3.1, output_rms=3.1, input_scale=4.0, output_scale=4.0),
    "transcoder": Scaling(input_rms=60.0, output_rms=0.13, input_scale=64.0, output_scale=0.125),
    "skip-transcoder": Scaling(input_rms=60.0, output_rms=0.13, input_scale=64.0, output_scale=0.125),
}


@pytest.fixture
def rows():
    return torch.randn(2048, D, generator=torch.Generator().manual_seed(1)) * 3 + 1


def folded_and_scaled(arm, scaling=None):
    scaled = random_coder(arm)
    folded = copy.deepcopy(scaled)
    fold(folded, scaling or SCALINGS[arm.kind])
    return folded, scaled


@pytest.mark.parametrize("arm", ARMS, ids=lambda arm: arm.name)
def test_folded_coder_on_raw_rows_is_bit_equal_to_the_scaled_one(arm, rows, tmp_path):
    scaling = SCALINGS[arm.kind]
    folded, scaled = folded_and_scaled(arm)
    folded.save_to_disk(tmp_path)
    plain = SparseCoder.load_from_disk(tmp_path).requires_grad_(False)
    raw, wanted = plain(rows), scaled(rows / scaling.input_scale)
    assert torch.equal(raw.latent_indices, wanted.latent_indices)
    assert torch.equal(raw.latent_acts, wanted.latent_acts)
    torch.testing.assert_close(raw.sae_out, wanted.sae_out * scaling.output_scale, rtol=0, atol=1e-5)


@pytest.mark.parametrize("arm", ARMS, ids=lambda arm: arm.name)
@pytest.mark.parametrize("parameter", ["encoder.weight", "W_dec", "b_dec"])
def test_a_parameter_left_unfolded_shows(arm, parameter, rows):
    folded, scaled = folded_and_scaled(arm)
    folded.get_parameter(parameter).copy_(scaled.get_parameter(parameter))
    scaling = SCALINGS[arm.kind]
    raw, wanted = folded(rows), scaled(rows / scaling.input_scale)
    assert not torch.allclose(raw.sae_out, wanted.sae_out * scaling.output_scale, rtol=1e-3)


def test_sae_lens_reads_the_same_sae(rows):
    """b_dec is taken from the input of an SAE; the variant that does not is shown to be wrong."""
    folded, _ = folded_and_scaled(SAE)
    values, indices, _ = folded.encode(rows)
    dense = torch.zeros(len(rows), folded.num_latents).scatter_(1, indices, values)
    gaps = {}
    for subtract in (True, False):
        config = TopKSAEConfig(d_in=D, d_sae=64, k=4, apply_b_dec_to_input=subtract)
        reader = TopKSAE(config).requires_grad_(False)
        copy_weights(folded, reader)
        gaps[subtract] = (reader.encode(rows) - dense).abs().max().item()
        if subtract:
            torch.testing.assert_close(reader(rows), folded(rows).sae_out, rtol=1e-4, atol=1e-3)
    assert gaps[True] < 1e-4 < gaps[False]


def test_sae_lens_reads_the_same_skip_transcoder(rows):
    folded, _ = folded_and_scaled(TRANSCODER)
    reader = SkipTranscoder(SkipTranscoderConfig(d_in=D, d_out=D, d_sae=64, apply_b_dec_to_input=False)).requires_grad_(
        False
    )
    reader.activation_fn = TopK(4)
    copy_weights(folded, reader)
    reader.W_skip.copy_(folded.W_skip)
    values, indices, _ = folded.encode(rows)
    dense = torch.zeros(len(rows), folded.num_latents).scatter_(1, indices, values)
    torch.testing.assert_close(reader.encode(rows), dense, rtol=0, atol=1e-4)
    torch.testing.assert_close(reader(rows), folded(rows).sae_out, rtol=1e-4, atol=1e-3)


def copy_weights(source, reader):
    reader.W_enc.copy_(source.encoder.weight.T)
    reader.b_enc.copy_(source.encoder.bias)
    reader.W_dec.copy_(source.W_dec)
    reader.b_dec.copy_(source.b_dec)


def test_a_folded_coder_is_not_renormalised_by_a_reader_that_trains_on():
    folded, scaled = folded_and_scaled(SAE)
    assert scaled.cfg.normalize_decoder and not folded.cfg.normalize_decoder


def test_rms_is_over_all_blocks():
    assert rms([torch.full((2, 3), 2.0), torch.full((1, 3), -5.0)]) == pytest.approx(math.sqrt((2 * 4 + 25) / 3))


@pytest.mark.parametrize("block", [torch.zeros(3, 2), torch.full((3, 2), float("nan")), torch.zeros(0, 2)])
def test_rms_of_rows_that_cannot_be_scaled_is_refused(block):
    with pytest.raises(SparringError, match="RMS"):
        rms([block])


@given(st.floats(1e-6, 1e6))
def test_a_scaled_site_has_rms_near_one(value):
    scale = nearest_power_of_two(value)
    assert math.frexp(scale)[0] == 0.5
    assert 2**-0.5 * (1 - 1e-12) <= value / scale <= 2**0.5 * (1 + 1e-12)
