"""Coders in sae_lens's files go through the one interface; each way of losing one of their conventions shows."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from coders_data import as_dense, random_coder, save_coder, tiny_activations
from lens_data import ARCHITECTURES, ARM_OF, WIDTH, lens_rows, lens_sae, save_lens

from sparring.coders.coder import Coder
from sparring.coders.encoding import Encoder, sparse
from sparring.coders.format import format_of
from sparring.coders.lens_files import lens_config
from sparring.coders.sae_lens_adapter import save_sae_lens
from sparring.errors import SparringError
from sparring.gates import plain
from sparring.gates.fidelity import encode_fidelity
from sparring.gates.plain import truth_of
from sparring.latents import encode_latents
from sparring.recon import reconstruction

NORMS = ("layer_norm", "constant_norm_rescale")
CASES = [(name, {}) for name in ARCHITECTURES] + [
    (name, {"normalize_activations": norm, "apply_b_dec_to_input": centred})
    for name, norm, centred in (
        ("standard", "none", False),
        ("jumprelu", "none", False),
        ("jumprelu", "layer_norm", True),
        ("jumprelu", "constant_norm_rescale", False),
        ("topk", "layer_norm", False),
        ("standard", "constant_norm_rescale", True),
    )
]
IDS = ["-".join([name, *map(str, config.values())]) for name, config in CASES]


@pytest.fixture(scope="module")
def activations(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_activations(tmp_path_factory.mktemp("activations"))


def saved(folder: Path, architecture: str, **config: Any) -> tuple[Any, Path]:
    made = lens_sae(architecture, **config)
    return made, save_lens(made, ARM_OF[ARCHITECTURES[architecture]], folder)


@pytest.mark.parametrize(("name", "config"), CASES, ids=IDS)
def test_every_reader_gives_what_sae_lens_gives(name: str, config: dict[str, Any], tmp_path: Path) -> None:
    made, folder = saved(tmp_path / "coder", name, **config)
    rows = lens_rows()
    expected, output = made.encode(rows), made(rows)
    coder, encoder, truth = Coder.load(folder), Encoder.load(folder), truth_of(folder)
    assert (expected > 0).any() and (expected == 0).any()
    assert torch.equal(coder.dense(rows), expected)
    assert torch.equal(truth.latents(rows), expected)  # strict: the gate asks for the same active set in every row
    torch.testing.assert_close(encoder.dense(rows), expected, rtol=1e-5, atol=1e-5)
    for found in (coder.forward(rows), truth.output(rows)):
        torch.testing.assert_close(found, output, rtol=1e-5, atol=1e-4)
    assert coder.n_latents == encoder.n_latents == WIDTH and coder.arm == encoder.arm == truth.arm
    assert (coder.kind, coder.read_site, coder.write_site) == (
        ARCHITECTURES[name],
        coder.arm.read_site,
        coder.arm.write_site,
    )


def test_a_folder_says_its_format(tmp_path: Path) -> None:
    arm = ARM_OF["sae"]
    assert format_of(save_coder(random_coder(arm), arm, tmp_path / "ours")) == "sparsify"
    _, folder = saved(tmp_path / "theirs", "jumprelu")
    assert format_of(folder) == "sae_lens"
    (folder / "format.json").write_text('{"format": "dictionary_learning"}')
    with pytest.raises(SparringError, match="format 'dictionary_learning' is unknown"):
        Coder.load(folder)


def test_rows_in_parts_are_rows_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, folder = saved(tmp_path / "coder", "jumprelu")
    rows = lens_rows(100)
    whole = Encoder.load(folder).dense(rows)
    monkeypatch.setattr("sparring.coders.encoding._DENSE_BYTES", 7 * 4 * WIDTH)
    for found in (Encoder.load(folder).dense(rows), Coder.load(folder).dense(rows)):
        torch.testing.assert_close(found, whole, rtol=1e-5, atol=1e-5)


def test_padding_names_no_latent_twice() -> None:
    rng = torch.Generator().manual_seed(0)
    dense = torch.randn(64, 9, generator=rng).relu()
    dense[:5] = 0
    values, indices = sparse(dense.split(3))
    assert all(len(set(row)) == len(row) for row in indices.tolist())
    assert torch.equal(as_dense(values, indices, n_latents=9), dense)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"architecture": "gated"}, "architecture 'gated' is unknown here"),
        ({"architecture": "abstopk", "k": 4}, "architecture 'abstopk'"),
        ({"reshape_activations": "hook_z"}, "attention heads"),
        ({"normalize_activations": "covariance_whitening"}, "'covariance_whitening' takes statistics"),
        ({"normalize_activations": "expected_average_only_in"}, "takes statistics"),
        ({"architecture": "transcoder", "normalize_activations": "layer_norm"}, "does not undo it on the output"),
        ({"architecture": "topk", "k": 4, "rescale_acts_by_decoder_norm": True}, "bring the coder in anew"),
    ],
)
def test_what_cannot_be_taken_is_one_line(change: dict[str, Any], says: str) -> None:
    with pytest.raises(SparringError, match=says) as caught:
        lens_config({"architecture": "jumprelu", "d_in": 4, "d_sae": 8} | change)
    assert "\n" not in str(caught.value)


def test_a_transcoders_norm_is_really_left_on_by_sae_lens() -> None:
    """Why it is refused: the same rows twice as long give an output that is not twice as long."""
    made = lens_sae("transcoder", normalize_activations="constant_norm_rescale", b_dec=0.0)
    rows = lens_rows(8)
    torch.testing.assert_close(made(2 * rows), made(rows))


@pytest.mark.parametrize(("name", "config"), CASES, ids=IDS)
def test_the_gate_passes_it_and_fails_every_variant(
    name: str, config: dict[str, Any], activations: Path, tmp_path: Path
) -> None:
    _, folder = saved(tmp_path / "coder", name, **config)
    save_sae_lens(folder, tmp_path / "sae_lens")
    got = encode_fidelity(folder, tmp_path / "sae_lens", activations, split="evaluation")
    assert all(check["jaccard_least"] == 1 and check["max_abs_diff"] == 0 for check in got["checks"])
    variants = {check["variant"] for check in got["must_fail"]}
    lost = "the threshold" if "jumprelu" in name else "TopK" if "topk" in name else "ReLU"
    normed = {"the norm left out"} if config.get("normalize_activations", "none") != "none" else set()
    assert variants == {"b_dec flipped", f"{lost} left out"} | normed
    assert all(check["jaccard"] < 0.95 or check["cosine"] < 0.99 for check in got["must_fail"])


# Planted faults


def test_a_coder_without_b_dec_still_has_a_variant_that_must_fail(activations: Path, tmp_path: Path) -> None:
    _, folder = saved(tmp_path / "coder", "jumprelu", b_dec=0.0)
    save_sae_lens(folder, tmp_path / "sae_lens")
    got = encode_fidelity(folder, tmp_path / "sae_lens", activations, split="evaluation")
    assert {check["variant"] for check in got["must_fail"]} == {"the threshold left out"}


def test_a_jump_relu_without_thresholds_has_a_variant_that_must_fail(activations: Path, tmp_path: Path) -> None:
    made = lens_sae("jumprelu", b_dec=0.0)
    made.threshold.zero_()
    folder = save_lens(made, ARM_OF["sae"], tmp_path / "coder")
    save_sae_lens(folder, tmp_path / "sae_lens")
    got = encode_fidelity(folder, tmp_path / "sae_lens", activations, split="evaluation")
    assert {check["variant"] for check in got["must_fail"]} == {"a threshold put in"}


@pytest.mark.parametrize("key", ["threshold", "b_dec", "W_dec", "W_enc"])
def test_an_adapter_that_lost_a_parameter_is_stopped(key: str, activations: Path, tmp_path: Path) -> None:
    made, folder = saved(tmp_path / "coder", "jumprelu")
    getattr(made, key).mul_(0 if key in ("threshold", "b_dec") else 1.01)
    made.save_model(tmp_path / "sae_lens")
    with pytest.raises(SparringError, match="the adapter is not its coder"):
        encode_fidelity(folder, tmp_path / "sae_lens", activations, split="evaluation")


def test_a_norm_lost_from_the_adapter_is_stopped(activations: Path, tmp_path: Path) -> None:
    _, folder = saved(tmp_path / "coder", "standard", normalize_activations="layer_norm")
    save_sae_lens(folder, tmp_path / "sae_lens")
    config = tmp_path / "sae_lens" / "cfg.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"normalize_activations": "none"}))
    with pytest.raises(SparringError, match="the adapter is not its coder"):
        encode_fidelity(folder, tmp_path / "sae_lens", activations, split="evaluation")


def test_a_gate_that_passes_a_lost_threshold_is_refused(
    activations: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The truth itself ignores the threshold, and so does the adapter: the variant then passes, and gives it away."""
    _, folder = saved(tmp_path / "coder", "jumprelu", b_dec=0.0)
    save_sae_lens(folder, tmp_path / "sae_lens")
    monkeypatch.setattr("sparring.gates.fidelity.mutants", lambda made: {"the threshold left out": made.encode})
    with pytest.raises(SparringError, match="cannot tell the threshold left out"):
        encode_fidelity(folder, tmp_path / "sae_lens", activations, split="evaluation")
    assert plain.truth_of(folder).arm.name == "sae"


# What lies downstream


@pytest.mark.parametrize("name", ["jumprelu", "skip_transcoder"])
def test_reconstruction_and_latents_take_it(name: str, activations: Path, tmp_path: Path) -> None:
    _, folder = saved(tmp_path / "coder", name)
    found = reconstruction(activations, folder, split="evaluation", seed=0)
    assert found["n_latents"] == WIDTH and found["kind"] == ARCHITECTURES[name]
    (tmp_path / "latents").mkdir()
    meta = encode_latents(activations, activations / "tokens", folder, split="evaluation", out=tmp_path / "latents")
    assert meta["l0"] == pytest.approx(found["l0"], abs=1e-3)
    assert meta["value_space"] == "the coder's own"
