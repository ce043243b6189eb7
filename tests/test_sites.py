"""A site means the same place in every family, read in one pass that stops after the last; others are refused."""

import json

import pytest
import torch
from tiny import ALSO_POST_NORMED, FAMILIES, tiny_model

from sparring.errors import SparringError
from sparring.sites import POST_NORMED, Site, check_site, n_layers, parse_site, sides_of_norm
from sparring.subject_model import SiteReader

ALL = tuple(f"layers.{n}.{place}" for n in range(3) for place in ("resid_pre", "mlp.in", "mlp.out", "resid_post"))
BLOCKS = {"llama": "layers", "gemma2": "layers", "gemma3_text": "layers", "gpt_neox": "layers", "gpt2": "h"}


@pytest.fixture(params=FAMILIES)
def model(request):
    return tiny_model(request.param, layers=3).eval()


@pytest.fixture
def ids():
    return torch.randint(3, 259, (4, 20), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("family", ["gemma2", "gemma3", *ALSO_POST_NORMED])
def test_the_norm_after_the_mlp_has_a_site_of_its_own(family, ids):
    """It is what the block adds to the residual; the MLP's own output is not. The list of families is looked at."""
    model = tiny_model(family, layers=3).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("norm.weight"):
                parameter += 0.5  # norms of fresh models do nothing but divide
    config = model.config.to_dict()
    assert config["model_type"] in POST_NORMED
    sites = tuple(f"layers.1.{place}" for place in ("resid_pre", "mlp.out", "mlp.out_normed", "resid_post"))
    entered = []
    block = model.base_model.layers[1]
    block.post_attention_layernorm.register_forward_hook(lambda _, __, out: entered.append(out))
    found = SiteReader(model, sites).read(ids)
    added = found["layers.1.resid_post"] - (found["layers.1.resid_pre"] + entered[0])
    torch.testing.assert_close(found["layers.1.mlp.out_normed"], added, rtol=1e-4, atol=1e-4)
    assert torch.equal(block.post_feedforward_layernorm(found["layers.1.mlp.out"]), found["layers.1.mlp.out_normed"])
    assert not torch.allclose(found["layers.1.mlp.out"], found["layers.1.mlp.out_normed"], atol=1e-2)
    assert sides_of_norm(sites, config) == {"layers.1.mlp.out": "before", "layers.1.mlp.out_normed": "after"}


@pytest.mark.parametrize("family", ["llama", "gpt_neox", "gpt2"])
def test_without_such_a_norm_there_is_no_such_site(family):
    model = tiny_model(family)
    config = json.loads(model.config.to_json_string())
    with pytest.raises(
        SparringError, match=rf"no norm follows the MLP in a {family} model .*; write layers\.1\.mlp\.out$"
    ):
        check_site("layers.1.mlp.out_normed", config)
    with pytest.raises(SparringError, match="no norm follows"):
        SiteReader(model, ("layers.1.mlp.out_normed",))
    assert check_site("layers.1.mlp.out_normed", {"num_hidden_layers": 2}).place == "mlp.out_normed"  # not known yet
    assert sides_of_norm(("layers.1.mlp.out", "layers.1.resid_post"), config) == {}


def test_names():
    assert parse_site("layers.12.mlp.out") == Site(12, "mlp.out")
    assert all(parse_site(name).name == name for name in ALL)
    assert Site(9, "mlp.in").hookpoint({"model_type": "llama"}) == "layers.9.mlp"
    assert Site(9, "resid_post").hookpoint({"model_type": "gpt2"}) == "h.9"
    for wrong in (
        "layers.1",
        "layers.01.mlp.in",
        "layers.-1.mlp.in",
        "layer.1.mlp.in",
        "layers.1.mlp",
        "layers.1.mlp.in ",
    ):
        with pytest.raises(SparringError, match="malformed"):
            parse_site(wrong)


def test_a_site_the_model_lacks_is_known_from_its_config(model):
    config = json.loads(model.config.to_json_string())
    assert n_layers(config) == 3
    assert check_site("layers.2.mlp.in", config) == Site(2, "mlp.in")
    with pytest.raises(SparringError, match=r"'layers.3.mlp.in': the model has layers.0 to layers.2"):
        check_site("layers.3.mlp.in", config)
    with pytest.raises(SparringError, match=r"the model has layers.0 to layers.2"):
        SiteReader(model, ("layers.3.mlp.in",))


def test_rows_are_those_of_hooks_and_hidden_states(model, ids):
    """Bit for bit what plain hooks on the modules and transformers' own hidden_states give."""
    expected = {}
    blocks = getattr(model.base_model, BLOCKS[model.config.model_type])
    for n, block in enumerate(blocks):

        def keep(_, args, output, n=n):
            expected[f"layers.{n}.mlp.in"] = args[0]
            expected[f"layers.{n}.mlp.out"] = output

        block.mlp.register_forward_hook(keep)
    with torch.no_grad():
        hidden = model(ids, output_hidden_states=True).hidden_states
    for n in range(3):
        expected[f"layers.{n}.resid_pre"] = hidden[n]
        if n < 2:  # the last hidden state has been through the final norm
            expected[f"layers.{n}.resid_post"] = hidden[n + 1]
    found = SiteReader(model, ALL).read(ids)
    assert tuple(found) == ALL
    for site, values in expected.items():
        assert torch.equal(found[site], values), site
    with torch.no_grad():
        norm = getattr(
            model.base_model, {"gpt2": "ln_f", "gpt_neox": "final_layer_norm"}.get(model.config.model_type, "norm")
        )
        assert torch.equal(norm(found["layers.2.resid_post"]), hidden[3])


@pytest.mark.parametrize(
    ("sites", "blocks_run", "mlps_run"),
    [
        (("layers.0.mlp.in",), 1, 0),
        (("layers.0.mlp.out", "layers.0.mlp.in"), 1, 1),
        (("layers.1.resid_pre",), 1, 1),
        (("layers.0.resid_post", "layers.1.mlp.in"), 2, 1),
        (("layers.2.resid_post",), 3, 3),
    ],
)
def test_nothing_after_the_last_site_runs(model, ids, sites, blocks_run, mlps_run):
    blocks = getattr(model.base_model, BLOCKS[model.config.model_type])
    ran = {"block": 0, "mlp": 0, "head": 0}
    whole = SiteReader(model, ALL).read(ids)

    def counting(kind, inner):
        def forward(*args, **kwargs):
            ran[kind] += 1
            return inner(*args, **kwargs)

        return forward

    for block in blocks:
        block.forward = counting("block", block.forward)
        block.mlp.forward = counting("mlp", block.mlp.forward)
    model.get_output_embeddings().forward = counting("head", model.get_output_embeddings().forward)
    found = SiteReader(model, sites).read(ids)
    assert ran == {"block": blocks_run, "mlp": mlps_run, "head": 0}
    assert tuple(found) == sites
    for site in sites:
        assert torch.equal(found[site], whole[site])


def test_hooks_are_taken_away_even_when_the_pass_fails(model, ids):
    reader = SiteReader(model, ("layers.0.mlp.in",))
    with pytest.raises(IndexError):
        reader.read(ids + 10_000)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.base_model.modules() if m is not model)


def test_padding_on_the_right_changes_nothing_before_it(model, ids):
    """Why capture passes no mask: a causal model's rows are those of the masked run and of the text alone."""
    sites = ("layers.2.mlp.in", "layers.2.resid_post")
    padded = torch.cat([ids, torch.zeros(4, 9, dtype=torch.long)], dim=1)
    mask = (torch.arange(29) < 20).long().expand(4, 29)
    reader = SiteReader(model, sites)
    alone, plain, masked = reader.read(ids), reader.read(padded), reader.read(padded, mask)
    for site in sites:
        torch.testing.assert_close(plain[site][:, :20], alone[site], rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(masked[site][:, :20], alone[site], rtol=1e-5, atol=1e-6)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_transformer_lens_agrees(ids):
    """Where TransformerLens has the same site, the same rows to 1e-5 relative (its sums run in another order)."""
    lens = pytest.importorskip("transformer_lens")
    from transformer_lens.pretrained.weight_conversions import convert_llama_weights

    model = tiny_model("llama", layers=3).eval()
    theirs = {"d_model": 16, "d_head": 8, "n_heads": 2, "n_key_value_heads": 1, "d_mlp": 32, "n_layers": 3}
    rotary = {"positional_embedding_type": "rotary", "rotary_dim": 8, "rotary_adjacent_pairs": False}
    rotary["rotary_base"] = int(model.config.rope_parameters["rope_theta"])
    norm = {"normalization_type": "RMS", "final_rms": True, "eps": model.config.rms_norm_eps}
    config = {"n_ctx": 64, "d_vocab": 259, "act_fn": "silu", "gated_mlp": True, "device": "cpu"}
    config["original_architecture"] = "LlamaForCausalLM"
    other = lens.HookedTransformer(lens.HookedTransformerConfig(**theirs, **rotary, **norm, **config))
    other.load_state_dict(convert_llama_weights(model, other.cfg), strict=False)
    _, cache = other.run_with_cache(ids)
    pairs = {
        "layers.1.resid_pre": "blocks.1.hook_resid_pre",
        "layers.1.mlp.out": "blocks.1.hook_mlp_out",
        "layers.2.resid_post": "blocks.2.hook_resid_post",
    }
    found = SiteReader(model, tuple(pairs)).read(ids)
    for site, hook in pairs.items():
        assert (found[site] - cache[hook]).norm() < 1e-5 * found[site].norm(), site
    # The trap: before the norm's weight, `ln2.hook_normalized` is not what enters the MLP once that weight is not 1.
    with torch.no_grad():
        model.model.layers[1].post_attention_layernorm.weight.mul_(2.0)
    entered = SiteReader(model, ("layers.1.mlp.in",)).read(ids)["layers.1.mlp.in"]
    assert (entered - 2 * cache["blocks.1.ln2.hook_normalized"]).norm() < 1e-5 * entered.norm()
