"""Randomised subjects: tensors with their own moments and nothing else of themselves; tokens without identity."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from test_hook_parity import uneven
from tiny import tiny_subject

from sparring.coders.recipe import Arm
from sparring.controls.iid_embeddings import iid_normal
from sparring.controls.plan import ControlPlan
from sparring.controls.stage import randomise
from sparring.errors import SparringError
from sparring.gates.hook_parity import hook_parity
from sparring.recon_plan import ReconPlan
from sparring.saebench.core import core
from sparring.subject_model import SiteReader, load_subject

SITES = Arm("sae", "sae", "layers.0.mlp.out", "layers.0.mlp.out")
HEAD, UNTIED = "lm_head.weight", ("llama", "gpt_neox")  # the families here whose head is not the embedding
EMBEDDING = {
    "llama": "model.embed_tokens.weight",
    "gpt_neox": "gpt_neox.embed_in.weight",
    "gemma2": "model.embed_tokens.weight",
    "gpt2": "transformer.wte.weight",
}


def randomised(subject: Path, out: Path, **plan: Any) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    out.mkdir()
    meta = randomise(subject, ControlPlan(**plan), out=out)
    return meta, dict(load_subject(out).named_parameters())


@pytest.mark.parametrize("family", EMBEDDING)
@pytest.mark.parametrize("embeddings", [True, False])
def test_every_tensor_keeps_its_moments_and_nothing_else(family: str, embeddings: bool, tmp_path: Path) -> None:
    before = dict(load_subject(uneven(family, tmp_path / "subject")).named_parameters())
    meta, after = randomised(tmp_path / "subject", tmp_path / "out", model="weights", embeddings=embeddings)
    assert before.keys() == after.keys()
    assert (tmp_path / "out" / "tokenizer.json").is_file()
    assert (HEAD in load_file(tmp_path / "out" / "model.safetensors")) == (family in UNTIED)
    moments = json.loads((tmp_path / "out" / "moments.json").read_bytes())
    kept = set() if embeddings else {EMBEDDING[family], *([HEAD] if family in UNTIED else [])}
    assert {name for name, of in moments.items() if not of["redrawn"]} == kept
    assert (meta["tensors_kept"], meta["tensors_redrawn"]) == (len(kept), len(before) - len(kept))
    for name, old in before.items():
        new, n = after[name], old.numel()
        mean, std = float(old.double().mean()), float(old.double().std(correction=0))
        assert (moments[name]["mean"], moments[name]["std"]) == pytest.approx((mean, std), rel=1e-8, abs=1e-12)
        if name in kept or std == 0:
            assert torch.equal(old, new), name
            continue
        assert abs(float(new.mean()) - mean) < 5 * std / n**0.5, name
        assert abs(float(new.std(correction=0)) - std) < 5 * std / (2 * n) ** 0.5, name
        assert abs(float(torch.corrcoef(torch.stack([old.flatten(), new.flatten()]))[0, 1])) < 5 / n**0.5, name


def test_one_seed_one_model_and_no_tensor_depends_on_another(tmp_path: Path) -> None:
    subject = tiny_subject(tmp_path / "subject")
    metas, weights = {}, {}
    for name, plan in {"a": {}, "b": {}, "other": {"seed": 1}, "without": {"embeddings": False}}.items():
        metas[name], weights[name] = randomised(subject, tmp_path / name, model="weights", **plan)
    for file in ("model.safetensors", "moments.json", "config.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    assert metas["a"] == metas["b"] and metas["a"]["moments"] != metas["other"]["moments"]
    down = "model.layers.1.mlp.down_proj.weight"
    assert not torch.equal(weights["a"][down], weights["other"][down])
    assert torch.equal(weights["a"][down], weights["without"][down])  # though its embedding was left out
    assert torch.equal(weights["without"]["lm_head.weight"], load_subject(subject).lm_head.weight)


def test_gains_that_are_all_one_stay_and_are_recorded_so(tmp_path: Path) -> None:
    _, weights = randomised(tiny_subject(tmp_path / "subject"), tmp_path / "out", model="weights")
    norm = "model.layers.0.input_layernorm.weight"
    assert bool((weights[norm] == 1).all())
    of = json.loads((tmp_path / "out" / "moments.json").read_bytes())[norm]
    assert of == {"shape": [16], "redrawn": True, "mean": 1.0, "std": 0.0, "new_mean": 1.0, "new_std": 0.0}


def test_drawn_embeddings_are_the_same_whatever_the_batch_and_the_padding(tmp_path: Path) -> None:
    for family in ("llama", "gemma3"):
        randomised(tiny_subject(tmp_path / family, family), tmp_path / f"{family}.out", model="iid_embeddings")
        model, site = load_subject(tmp_path / f"{family}.out"), "layers.0.resid_pre"
        read = SiteReader(model, (site,)).read
        ids = torch.randint(3, 259, (3, 20), generator=torch.Generator().manual_seed(0))
        together = read(ids)[site]
        padded = read(torch.cat([ids[1:2, :12], torch.zeros(1, 5, dtype=torch.long)], dim=1))[site]
        assert torch.equal(together[1, :12], padded[0, :12])
        assert torch.equal(together, read(ids)[site])
        assert not torch.allclose(together, SiteReader(load_subject(tmp_path / family), (site,)).read(ids)[site])


def test_a_token_has_no_identity_and_the_moments_are_those_of_the_embedding(tmp_path: Path) -> None:
    subject = uneven("gemma3", tmp_path / "subject")  # its embedding is scaled on the way out
    randomised(subject, tmp_path / "out", model="iid_embeddings", seed=3)
    site = "layers.0.resid_pre"
    ids = torch.full((40, 50), 7)
    ids[:, 0] = torch.arange(40) + 10  # the same token everywhere, behind another first one
    rows = SiteReader(load_subject(tmp_path / "out"), (site,)).read(ids)[site][:, 1:].reshape(-1, 16)
    whole = SiteReader(load_subject(subject), (site,)).read(torch.arange(259)[None])[site]
    assert float(rows.mean()) == pytest.approx(float(whole.mean()), abs=5 * float(whole.std()) / rows.numel() ** 0.5)
    assert float(rows.std()) == pytest.approx(float(whole.std()), rel=0.02)
    assert len(rows.unique(dim=0)) == len(rows)
    assert float(torch.corrcoef(rows)[0, 1:].abs().mean()) < 0.3  # 16 dimensions: 0.2 by chance
    of_rows = rows.var(dim=0, correction=0).mean() / rows.var(correction=0)
    assert float(of_rows) > 0.99  # all variance is between occurrences of the one token, none is the token's own


def test_the_draw_is_that_of_a_plain_loop() -> None:
    ids = torch.tensor([[5, 9, 9], [5, 9, 2]])
    drawn = iid_normal(ids, d=4, seed=1)
    for row, sequence in zip(drawn, ids.tolist(), strict=True):
        for at in range(3):
            said = b"1" + b"".join(token.to_bytes(8, "little") for token in sequence[: at + 1])
            key = int.from_bytes(hashlib.blake2b(said, digest_size=16).digest(), "little")
            wanted = np.random.Generator(np.random.Philox(key=key)).standard_normal(4, dtype=np.float32)
            assert torch.equal(row[at], torch.from_numpy(wanted))
    assert torch.equal(drawn[0, :2], drawn[1, :2]) and not torch.equal(drawn[0, 2], drawn[1, 2])
    assert not torch.equal(drawn, iid_normal(ids, d=4, seed=2))


def test_without_the_file_nothing_changes_and_with_it_no_cache_is_used(tmp_path: Path) -> None:
    subject = tiny_subject(tmp_path / "subject")
    randomised(subject, tmp_path / "out", model="iid_embeddings")
    ids = torch.tensor([[5, 6, 7]])
    (tmp_path / "out" / "iid_embeddings.json").unlink()
    plain = load_subject(subject)(ids).logits
    assert torch.equal(load_subject(tmp_path / "out")(ids).logits, plain)
    randomise(subject, ControlPlan(model="iid_embeddings"), out=tmp_path / "out")
    model = load_subject(tmp_path / "out")
    assert not torch.equal(model(ids).logits, plain)
    with pytest.raises(SparringError, match=r"key-value cache.*drawn anew at each position.*model: weights"):
        model.generate(ids, max_new_tokens=3, do_sample=False)
    with pytest.raises(SparringError, match="hook parity with TransformerLens: this model's token embeddings"):
        hook_parity(tmp_path / "out", tmp_path, tmp_path, tmp_path, split="evaluation")
    with pytest.raises(SparringError, match="saebench core of sae: this model's token embeddings"):
        core(SITES, tmp_path, tmp_path / "out", tmp_path, split="evaluation", plan=ReconPlan())
