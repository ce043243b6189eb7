"""Coders from elsewhere, made small by the libraries themselves: read as their own loaders read them, or refused."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from coders_data import PLAIN, READ, SAE, TRANSCODER, WRITE, D, random_coder, tiny_activations
from lens_data import lens_rows, lens_sae
from sae_lens import SAE as LensSAE
from sae_lens.loading import pretrained_sae_loaders as loaders
from sae_lens.saes.sae import SAEMetadata
from safetensors.torch import save_file

from sparring.activation_cache import ActivationCache
from sparring.coders.coder import Coder
from sparring.coders.declared import site_of
from sparring.coders.encoding import Encoder
from sparring.coders.foreign import bring_in
from sparring.coders.recipe import Arm
from sparring.coders.sae_lens_adapter import save_sae_lens
from sparring.errors import SparringError
from sparring.gates.fidelity import encode_fidelity
from sparring.sources import hub
from sparring.sources.source import Source

LLAMA, GEMMA2, GEMMA3 = ({"model_type": name} for name in ("llama", "gemma2", "gemma3_text"))
NORMED = "layers.1.mlp.out_normed"
SAE_NORMED = Arm("s", "sae", NORMED, NORMED)
SKIP_NORMED = Arm("t", "skip-transcoder", READ, NORMED)
SCOPE = "gemma-scope-2b-pt-mlp/layer_1/width_16k/average_l0_82"
SCOPE_2 = "gemma-scope-2-270m-pt/transcoder/layer_1_width_16k_l0_small_affine"


@pytest.fixture(scope="module")
def activations(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows of the usual two sites, and a third: what a norm after the MLP would give."""
    return tiny_activations(tmp_path_factory.mktemp("activations"), further={NORMED: 4.0})


@pytest.fixture
def bring(activations: Path, tmp_path: Path) -> Callable[..., Any]:
    def made(folder: Path | Source, origin: Any, arm: Arm, subject: dict[str, Any] = LLAMA) -> Any:
        out = tmp_path / "out"
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        source = folder if isinstance(folder, Source) else Source(f"path:{folder}")
        meta = bring_in(source, origin=origin, arm=arm, subject=subject, activations=activations, out=out)
        assert not [path for path in out.iterdir() if path.name.startswith(".fetch")]
        return meta, out

    return made


def scope(folder: Path, *, d: int = D, width: int = 48, seed: int = 0) -> Path:
    """The layout of a Gemma Scope release: params.npz with W_enc, W_dec, b_enc, b_dec, threshold."""
    rng = np.random.default_rng(seed)
    drawn = {"W_enc": (d, width), "W_dec": (width, d), "b_enc": (width,), "b_dec": (d,), "threshold": (width,)}
    arrays = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in drawn.items()}
    folder.mkdir(parents=True)
    np.savez(folder / "params.npz", **(arrays | {"threshold": np.abs(arrays["threshold"]) * 3}))
    return folder


def scope_2(folder: Path, *, hooks: tuple[str, ...], skip: bool, d: int = D, width: int = 48) -> Path:
    """The layout of a Gemma Scope 2 release: params.safetensors, config.json."""
    draw = torch.Generator().manual_seed(0)
    shapes = {"w_enc": (d, width), "w_dec": (width, d), "b_enc": (width,), "b_dec": (d,), "threshold": (width,)}
    if skip:
        shapes["affine_skip_connection"] = (d, d)
    arrays = {name: torch.randn(shape, generator=draw) for name, shape in shapes.items()}
    folder.mkdir(parents=True)
    save_file(arrays | {"threshold": arrays["threshold"].abs() * 3}, folder / "params.safetensors")
    named = dict(zip(("hf_hook_point_in", "hf_hook_point_out"), hooks, strict=False))
    config = {"architecture": "jump_relu", "model_name": "google/gemma-3-270m-pt", "width": width, **named}
    (folder / "config.json").write_text(json.dumps(config | ({"affine_connection": True} if skip else {})))
    return folder


AFFINE = ("model.layers.1.pre_feedforward_layernorm.output", "model.layers.1.post_feedforward_layernorm.output")


# As the libraries' own loaders have them


def as_sae_lens_downloads(
    loader: Any, root: Path, monkeypatch: pytest.MonkeyPatch, repository: str, folder: str, **changes: Any
) -> Any:
    """What sae_lens's own loader of a release makes of the same files, its network calls replaced by `root`."""

    def download(repo_id: str, filename: str, subfolder: str | None = None, **_: Any) -> str:
        path = root / repo_id.split("/")[-1] / (subfolder or "") / filename
        if not path.exists():
            raise loaders.EntryNotFoundError(f"{path} is not there")
        return str(path)

    def shapes(repo_id: str, filename: str) -> dict[str, list[int]]:
        with loaders.safe_open(download(repo_id, filename), framework="pt") as file:
            return {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118

    monkeypatch.setattr(loaders, "hf_hub_download", download)
    monkeypatch.setattr(loaders, "get_safetensors_tensor_shapes", shapes)
    config, weights, _ = loader(repository, folder, device="cpu", cfg_overrides=changes or None)
    read = LensSAE.from_dict(loaders.handle_config_defaulting(config))
    read.load_state_dict(weights)
    return read.requires_grad_(False), config


def test_gemma_scope_is_what_sae_lens_makes_of_it(
    bring: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    meta, out = bring(scope(tmp_path / "hub" / SCOPE), "gemma_scope", SAE_NORMED, GEMMA2)
    repository, _, folder = SCOPE.partition("/")
    loader = loaders.gemma_2_sae_huggingface_loader
    theirs, config = as_sae_lens_downloads(
        loader, tmp_path / "hub", monkeypatch, f"google/{repository}", folder, d_in=D, d_sae=48
    )
    rows, ours = lens_rows(), Coder.load(out)
    assert torch.equal(ours.dense(rows), theirs.encode(rows)) and torch.equal(ours.forward(rows), theirs(rows))
    assert meta["declared"]["read"] == config["hook_name"] == "blocks.1.hook_mlp_out"
    assert meta["side_of_norm"] == {NORMED: "after"}
    assert (meta["format"], meta["architecture"], meta["n_latents"], meta["d_in"]) == ("sae_lens", "jumprelu", 48, D)


@pytest.mark.parametrize(
    ("place", "hooks", "skip", "arm"),
    [
        (SCOPE_2, AFFINE, True, SKIP_NORMED),
        (SCOPE_2.removesuffix("_affine"), AFFINE, False, Arm("t", "transcoder", READ, NORMED)),
        ("gemma-scope-2-270m-pt/mlp_out/layer_1_width_16k_l0_big", AFFINE[1:], False, SAE_NORMED),
    ],
)
@pytest.mark.parametrize("told", [True, False], ids=["config", "names"])
def test_gemma_scope_2_is_what_sae_lens_makes_of_it(
    place: str,
    hooks: tuple[str, ...],
    skip: bool,
    arm: Arm,
    told: bool,
    bring: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = scope_2(tmp_path / "hub" / place, hooks=hooks, skip=skip)
    if not told:
        (made / "config.json").unlink()
    meta, out = bring(made, "gemma_scope_2", arm, GEMMA3)
    repository, _, folder = place.partition("/")
    theirs, config = as_sae_lens_downloads(
        loaders.gemma_3_sae_huggingface_loader, tmp_path / "hub", monkeypatch, f"google/{repository}", folder
    )
    rows, ours = lens_rows(), Coder.load(out)
    assert torch.equal(ours.dense(rows), theirs.encode(rows)) and torch.equal(ours.forward(rows), theirs(rows))
    assert meta["architecture"] == theirs.cfg.architecture() and meta["declared"]["read"] == config["hf_hook_name"]


def test_a_skip_that_is_not_turned_round_is_another_coder(bring: Callable[..., Any], tmp_path: Path) -> None:
    _, out = bring(scope_2(tmp_path / SCOPE_2, hooks=AFFINE, skip=True), "gemma_scope_2", SKIP_NORMED, GEMMA3)
    coder, rows = Coder.load(out), lens_rows()
    right = coder.forward(rows)
    coder.sae.W_skip.data = coder.sae.W_skip.data.T
    assert not torch.allclose(coder.forward(rows), right, atol=1.0)


@pytest.mark.parametrize("arm", [SAE, TRANSCODER, PLAIN], ids=lambda arm: arm.name)
def test_sparsify_is_what_its_own_code_reads(arm: Arm, bring: Callable[..., Any], tmp_path: Path) -> None:
    coder = random_coder(arm)
    coder.bfloat16().save_to_disk(tmp_path / "layers.1.mlp")
    meta, out = bring(tmp_path / "layers.1.mlp", "sparsify", arm)
    assert meta["format"] == "sparsify" and meta["k"] == 4 and meta["n_latents"] == 64
    assert meta["declared"]["write"] == "layers.1.mlp.output"
    rows = lens_rows()
    assert torch.equal(Coder.load(out).dense(rows), Encoder.load(out).dense(rows))
    assert Coder.load(out).weights.W_dec.dtype == torch.float32


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("jumprelu", {}),
        ("standard", {"normalize_activations": "layer_norm"}),
        ("topk", {"rescale_acts_by_decoder_norm": True}),
    ],
)
def test_sae_lens_is_what_its_own_loader_reads(
    name: str, config: dict[str, Any], bring: Callable[..., Any], tmp_path: Path
) -> None:
    made = lens_sae(name, metadata=SAEMetadata(hook_name="blocks.1.hook_mlp_out"), **config)
    made.save_model(tmp_path / "coder")
    meta, out = bring(tmp_path / "coder", "sae_lens", SAE)  # no norm follows a llama's MLP: hook_mlp_out is mlp.out
    rows, ours, theirs = lens_rows(), Coder.load(out), LensSAE.load_from_disk(tmp_path / "coder")
    torch.testing.assert_close(ours.dense(rows), theirs.encode(rows), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(ours.forward(rows), theirs(rows), rtol=1e-5, atol=1e-4)
    assert meta["declared"]["read"] == "blocks.1.hook_mlp_out" and meta["folded_factor"] is None
    if name == "topk":
        torch.testing.assert_close(ours.sae.W_dec.norm(dim=1), torch.ones(48))
        assert ours.sae.cfg.rescale_acts_by_decoder_norm is False


def test_a_folder_of_an_older_version_is_read(bring: Callable[..., Any], tmp_path: Path) -> None:
    made = lens_sae("standard")
    made.save_model(tmp_path / "coder")
    old = {
        "d_in": D,
        "d_sae": 48,
        "dtype": "float32",
        "hook_name": "blocks.1.mlp.hook_out",
        "activation_fn_str": "relu",
    }
    (tmp_path / "coder" / "cfg.json").write_text(json.dumps(old))
    meta, out = bring(tmp_path / "coder", "sae_lens", SAE)
    assert meta["architecture"] == "standard" and torch.equal(
        Coder.load(out).dense(lens_rows()), made.encode(lens_rows())
    )


def test_the_average_norm_is_folded(bring: Callable[..., Any], activations: Path, tmp_path: Path) -> None:
    """expected_average_only_in: the coder takes rows times sqrt(d) / mean norm, which its folder does not hold."""
    made = lens_sae("jumprelu", normalize_activations="expected_average_only_in")
    made.save_model(tmp_path / "coder")
    meta, out = bring(tmp_path / "coder", "sae_lens", SAE)
    with ActivationCache(activations) as cache:
        train, rows = cache.read("train", WRITE), cache.read("evaluation", WRITE)
    factor = D**0.5 / float(train.norm(dim=1).double().mean())
    assert meta["folded_factor"] == pytest.approx(factor, rel=1e-6)
    torch.testing.assert_close(Coder.load(out).dense(rows), made.encode(rows * factor), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(Coder.load(out).forward(rows), made(rows * factor) / factor, rtol=1e-4, atol=1e-3)
    assert not torch.allclose(made.encode(rows), made.encode(rows * factor), atol=1e-2)


def test_the_gate_passes_what_was_brought_in(bring: Callable[..., Any], activations: Path, tmp_path: Path) -> None:
    _, out = bring(scope_2(tmp_path / SCOPE_2, hooks=AFFINE, skip=True), "gemma_scope_2", SKIP_NORMED, GEMMA3)
    save_sae_lens(out, tmp_path / "sae_lens")
    got = encode_fidelity(out, tmp_path / "sae_lens", activations, split="evaluation")
    assert {check["variant"] for check in got["must_fail"]} == {"b_dec flipped", "the threshold left out"}
    assert json.loads((tmp_path / "sae_lens" / "cfg.json").read_text())["metadata"]["hook_name_out"] == (
        "blocks.1.hook_mlp_out"
    )


def test_the_hub_is_asked_for_the_pinned_commit_and_the_one_folder(
    bring: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}

    def download(repository: str, *, local_dir: Path, **options: Any) -> str:
        asked.update(options, repository=repository)
        scope(Path(local_dir) / "layer_1" / "width_16k" / "average_l0_82")
        return str(local_dir)

    monkeypatch.setattr(hub, "snapshot_download", download)
    member, commit = "layer_1/width_16k/average_l0_82/*", "1" * 40
    source = Source("hf:google/gemma-scope-2b-pt-mlp", member=member, revision=commit)
    meta, _ = bring(source, "gemma_scope", SAE_NORMED, GEMMA2)
    assert (asked["repository"], asked["revision"]) == ("google/gemma-scope-2b-pt-mlp", commit)
    assert asked["allow_patterns"] == [member]
    assert meta["declared"]["read"] == "blocks.1.hook_mlp_out"


def test_a_folder_of_a_wheel_tells_its_layer_too(
    bring: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = scope(tmp_path / "wheel" / SCOPE)
    monkeypatch.setattr("sparring.coders.foreign.fetch", lambda source, *, kind, scratch: folder)
    meta, _ = bring(Source("pypi:coders==1", f"data/{SCOPE}/", "0" * 64, "0" * 64), "gemma_scope", SAE_NORMED, GEMMA2)
    assert meta["declared"]["read"] == "blocks.1.hook_mlp_out"


# Planted faults


def test_the_wrong_side_of_the_norm_is_refused(bring: Callable[..., Any], tmp_path: Path) -> None:
    folder = scope(tmp_path / SCOPE)
    says = (
        "arm sae: .*reads blocks.1.hook_mlp_out, which in a gemma2 model is layers.1.mlp.out_normed, not layers.1.mlp"
    )
    with pytest.raises(SparringError, match=says) as caught:
        bring(folder, "gemma_scope", SAE, GEMMA2)
    assert "\n" not in str(caught.value)
    bring(folder, "gemma_scope", SAE_NORMED, GEMMA2)


@pytest.mark.parametrize(
    ("place", "arm", "says"),
    [
        (SCOPE.replace("layer_1/", "layer_2/"), SAE_NORMED, "is layers.2.mlp.out_normed, not layers.1.mlp.out_normed"),
        (SCOPE.replace("mlp", "res"), SAE_NORMED, "reads blocks.1.hook_resid_post, .* is layers.1.resid_post"),
        (SCOPE.replace("mlp", "att"), SAE_NORMED, "coders of 'att' read a place that is no site here"),
        (SCOPE, SKIP_NORMED, "kind sae, not skip-transcoder"),
    ],
)
def test_what_contradicts_the_arm_is_one_line(
    place: str, arm: Arm, says: str, bring: Callable[..., Any], tmp_path: Path
) -> None:
    with pytest.raises(SparringError, match=says) as caught:
        bring(scope(tmp_path / place), "gemma_scope", arm, GEMMA2)
    assert "\n" not in str(caught.value)


def test_a_coder_of_another_width_is_refused(bring: Callable[..., Any], tmp_path: Path) -> None:
    with pytest.raises(SparringError, match=r"d_in is 12, rows of layers\.1\.mlp\.out_normed have 16"):
        bring(scope(tmp_path / SCOPE, d=12), "gemma_scope", SAE_NORMED, GEMMA2)


def test_a_pickle_in_an_npz_is_not_opened(bring: Callable[..., Any], tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "ran",))

    folder = scope(tmp_path / SCOPE)
    np.savez(folder / "params.npz", W_enc=np.array([Trap()], dtype=object))
    with pytest.raises(SparringError, match=r"no gemma_scope coder \(ValueError: .*allow_pickle"):
        bring(folder, "gemma_scope", SAE_NORMED, GEMMA2)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("key", ["W_dec", "threshold"])
def test_a_weight_too_few_or_of_another_shape_is_refused(key: str, bring: Callable[..., Any], tmp_path: Path) -> None:
    folder = scope(tmp_path / SCOPE)
    arrays = dict(np.load(folder / "params.npz"))
    np.savez(folder / "params.npz", **{name: array for name, array in arrays.items() if name != key})
    with pytest.raises(SparringError, match="no gemma_scope coder"):
        bring(folder, "gemma_scope", SAE_NORMED, GEMMA2)
    np.savez(folder / "params.npz", **(arrays | {key: arrays[key][:-1]}))
    with pytest.raises(SparringError, match="no gemma_scope coder"):
        bring(folder, "gemma_scope", SAE_NORMED, GEMMA2)


def test_none_and_several_are_refused_with_their_names(bring: Callable[..., Any], tmp_path: Path) -> None:
    for name in ("a", "b"):
        scope(tmp_path / "many" / name)
    with pytest.raises(SparringError, match=r"wants one params.npz, there are 2 \(a, b, \.\.\.\); name its folder"):
        bring(tmp_path / "many", "gemma_scope", SAE_NORMED, GEMMA2)
    with pytest.raises(SparringError, match=r"wants one sae_weights.safetensors, there is none"):
        bring(tmp_path / "many", "sae_lens", SAE)


@pytest.mark.parametrize("name", ["gated", "abstopk"])
def test_latents_that_are_no_sparse_positive_code_are_refused(
    name: str, bring: Callable[..., Any], tmp_path: Path
) -> None:
    lens_sae(name, **({"k": 4} if name == "abstopk" else {})).save_model(tmp_path / "coder")
    with pytest.raises(SparringError, match=f"architecture '{name}' is unknown here"):
        bring(tmp_path / "coder", "sae_lens", SAE)


def test_hooks_and_sites() -> None:
    assert site_of("blocks.3.hook_mlp_out", "gemma2") == site_of(
        "model.layers.3.post_feedforward_layernorm.output", "x"
    )
    assert site_of("blocks.3.hook_mlp_out", "llama") == site_of("blocks.3.mlp.hook_out", "gemma2")
    assert site_of("h.3.input", None) == site_of("blocks.3.hook_resid_pre", "gpt2")
    for nowhere in ("blocks.3.hook_mlp_in", "blocks.3.attn.hook_z", "blocks.3.ln2.hook_normalized", "hook_embed"):
        assert site_of(nowhere, "gemma2") is None
