"""The sae_lens adapter is its coder, bit for bit, from disk; the gate stops each planted error, with figures."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from coders_data import ARMS, READ, SAE, TRANSCODER, WRITE, D, random_coder, save_coder, tiny_activations
from sae_lens import SAE as LensSAE
from sae_lens.loading.pretrained_sae_loaders import sparsify_disk_loader

from sparring.activation_cache import ActivationCache
from sparring.coders import sae_lens_adapter as adapter
from sparring.coders.coder import Coder
from sparring.coders.recipe import Arm
from sparring.coders.sae_lens_adapter import load_sae_lens, save_sae_lens, to_sae_lens
from sparring.errors import SparringError
from sparring.gates import fidelity
from sparring.gates.fidelity import compare, encode_fidelity, latents_of


@pytest.fixture(scope="module")
def activations(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_activations(tmp_path_factory.mktemp("activations"))


def saved(arm: Arm, folder: Path, **changes: float) -> Path:
    """A random coder with decoder rows of norm 1 in `folder`."""
    weights = random_coder(arm)
    weights.W_dec.div_(weights.W_dec.norm(dim=1, keepdim=True))
    weights.b_dec.mul_(changes.get("b_dec", 1.0))
    weights.W_dec[0].mul_(changes.get("first_row", 1.0))
    folder.mkdir(parents=True, exist_ok=True)
    return save_coder(weights, arm, folder)


def gate(arm: Arm, folder: Path, activations: Path, **changes: float) -> dict[str, Any]:
    coder = saved(arm, folder / "coder", **changes)
    save_sae_lens(coder, folder / "sae_lens")
    return encode_fidelity(coder, folder / "sae_lens", activations, split="evaluation")


@pytest.mark.parametrize("arm", ARMS, ids=lambda arm: arm.name)
def test_it_is_its_coder_bit_for_bit_after_the_way_over_the_disk(arm: Arm, activations: Path, tmp_path: Path) -> None:
    coder = Coder.load(saved(arm, tmp_path / "coder"))
    meta = save_sae_lens(tmp_path / "coder", tmp_path / "sae_lens")
    made, straight = load_sae_lens(tmp_path / "sae_lens"), to_sae_lens(coder)
    assert made.state_dict().keys() == straight.state_dict().keys()
    assert all(torch.equal(made.state_dict()[name], value) for name, value in straight.state_dict().items())
    assert meta["architecture"] == made.cfg.architecture() == ("topk" if arm.kind == "sae" else "topk_skip_transcoder")
    with ActivationCache(activations) as cache:
        rows = cache.read("evaluation", arm.read_site)
    assert torch.equal(made.encode(rows), latents_of(coder, rows))
    torch.testing.assert_close(made(rows), coder.forward(rows), rtol=1e-5, atol=1e-5)
    assert made.cfg.metadata.hook_name == {READ: "blocks.1.mlp.hook_in", WRITE: "blocks.1.mlp.hook_out"}[arm.read_site]


@pytest.mark.parametrize("arm", ARMS, ids=lambda arm: arm.name)
def test_the_gate_passes_the_adapter_and_fails_the_flipped_one_beside_it(
    arm: Arm, activations: Path, tmp_path: Path
) -> None:
    got = gate(arm, tmp_path, activations)
    assert [check["rows"] for check in got["checks"]] == ["random", "real"]
    for check in got["checks"]:
        assert check["jaccard"] == check["jaccard_least"] == 1.0
        assert check["max_abs_diff"] == 0 and check["cosine"] == pytest.approx(1)
    for check in got["must_fail"]:
        assert check["jaccard"] < 0.9 and check["cosine"] < 0.99


# Planted faults


@pytest.mark.parametrize("arm", [SAE, TRANSCODER], ids=lambda arm: arm.name)
def test_a_flipped_b_dec_is_stopped_with_jaccard_and_cosine(
    arm: Arm, activations: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    coder = saved(arm, tmp_path / "coder")
    save_sae_lens(coder, tmp_path / "sae_lens")
    if arm.kind == "sae":
        config = tmp_path / "sae_lens" / "cfg.json"
        config.write_text(json.dumps(json.loads(config.read_text()) | {"apply_b_dec_to_input": False}))
    else:
        own = adapter.TopKSkipTranscoder.process_sae_in
        monkeypatch.setattr(adapter.TopKSkipTranscoder, "process_sae_in", lambda self, x: own(self, x) - self.b_dec)
    with pytest.raises(SparringError, match=r"not its coder \(random rows: Jaccard 0\.\d+, cosine 0\.\d+"):
        encode_fidelity(coder, tmp_path / "sae_lens", activations, split="evaluation")


@pytest.mark.parametrize("name", ["W_enc", "b_enc", "W_dec", "W_skip"])
def test_an_adapter_with_other_weights_is_stopped(
    activations: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def wrong(coder: Coder) -> Any:
        made = to_sae_lens(coder)
        getattr(made, name).mul_(1.01)
        return made

    monkeypatch.setattr(adapter, "to_sae_lens", wrong)
    with pytest.raises(SparringError, match="the adapter is not its coder"):
        gate(TRANSCODER, tmp_path, activations)


def test_a_check_that_passes_the_flipped_one_is_refused(
    activations: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fidelity, "right", lambda check: True)
    with pytest.raises(SparringError, match="cannot tell a flipped b_dec"):
        gate(SAE, tmp_path, activations)


def test_a_coder_without_a_bias_has_nothing_to_flip_and_another_variant_that_fails(
    activations: Path, tmp_path: Path
) -> None:
    got = gate(SAE, tmp_path, activations, b_dec=0.0)
    assert {check["variant"] for check in got["must_fail"]} == {"TopK left out"}
    assert all(check["jaccard"] < 0.9 for check in got["must_fail"])


def test_a_drifted_decoder_row_is_a_warning(activations: Path, tmp_path: Path) -> None:
    assert gate(SAE, tmp_path / "a", activations)["warnings"] == []
    got = gate(SAE, tmp_path / "b", activations, first_row=1.07)
    assert got["decoder_norms"]["max_drift"] == pytest.approx(0.07, abs=1e-5)
    assert len(got["warnings"]) == 1 and "norm further than 0.05" in got["warnings"][0]


def test_the_figures_by_hand() -> None:
    same = compare(torch.tensor([[1.0, 0.0, 2.0]]), torch.tensor([[1.0, 0.0, 2.0]]))
    assert same == pytest.approx({"jaccard": 1, "jaccard_least": 1, "cosine": 1, "max_abs_diff": 0, "largest": 2})
    other = compare(torch.tensor([[3.0, 0.0, 4.0]]), torch.tensor([[3.0, 4.0, 0.0]]))
    assert other["jaccard"] == pytest.approx(1 / 3) and other["cosine"] == pytest.approx(9 / 25)
    assert other["max_abs_diff"] == 4


# What sae_lens does with sparsify's folders by itself


@pytest.mark.parametrize("arm", [SAE, TRANSCODER], ids=lambda arm: arm.name)
def test_its_own_loader_of_sparsify_folders_is_not_the_coder(arm: Arm, activations: Path, tmp_path: Path) -> None:
    coder = Coder.load(saved(arm, tmp_path))
    logging.disable(logging.WARNING)
    try:
        config, weights = sparsify_disk_loader(tmp_path, device="cpu")
        read = LensSAE.from_dict({**config, "metadata": {}})
        read.load_state_dict(weights, strict=False)
        rows = torch.randn(64, D, generator=torch.Generator().manual_seed(0))
        same = torch.equal(read.encode(rows), latents_of(coder, rows))
    except (RuntimeError, KeyError, TypeError, ValueError, AttributeError):
        same = False
    finally:
        logging.disable(logging.NOTSET)
    assert not same
