"""Cached rows are Hugging Face's and TransformerLens's; each way of reading the wrong ones is refused."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from coders_data import random_coder, save_coder
from tiny import ALSO_POST_NORMED, FAMILIES, tiny_corpus, tiny_model, tiny_tokenizer

from sparring import subject_model
from sparring.activations import capture
from sparring.coders.recipe import Arm
from sparring.corpus import prepare_corpus
from sparring.errors import SparringError
from sparring.gates import hook_parity as gate
from sparring.gates.hook_parity import hook_parity, jaccard
from sparring.sites import PLACES, POST_NORMED
from sparring.sources.folder import read_config
from sparring.sources.source import Source
from sparring.tokens import TokenPlan, tokenize


def uneven(family: str, folder: Path) -> Path:
    """A tiny model whose norms have weights that are not 1, as trained ones do, and its tokenizer."""
    model = tiny_model(family)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim > 1:
                parameter *= 10  # the rows of freshly drawn weights hardly differ
            elif name.endswith("weight"):
                parameter += 0.5 * torch.randn(parameter.shape, generator=generator)
    model.eval().save_pretrained(folder)
    tiny_tokenizer(bos=True).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", params=[*FAMILIES, *ALSO_POST_NORMED])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    root = tmp_path_factory.mktemp(request.param)
    for name in ("corpus", "tokens", "activations"):
        (root / name).mkdir()
    prepare_corpus(Source(f"path:{tiny_corpus(root / 'texts', 40)}"), format="jsonl", out=root / "corpus")
    subject = uneven(request.param, root / "subject")
    tokenize(subject, root / "corpus", plan=TokenPlan(48, 1_000, 0, 600, 0), out=root / "tokens")
    normed = read_config(subject)["model_type"] in POST_NORMED
    places = [place for place in PLACES if normed or place != "mlp.out_normed"]
    sites = tuple(f"layers.{layer}.{place}" for layer in (0, 1) for place in places)
    given = {"sites": sites, "dtype": "float32", "batch": 8, "seed": 0, "splits": ("train", "evaluation")}
    capture(subject, root / "tokens", out=root / "activations", **given)
    return SimpleNamespace(
        family=request.param,
        normed=normed,
        subject=subject,
        tokens=root / "tokens",
        activations=root / "activations",
    )


def judged(made: SimpleNamespace, folder: Path, read: str, write: str) -> dict[str, Any]:
    arm = Arm("a", "sae" if read == write else "transcoder", read, write)
    folder.mkdir(exist_ok=True)
    save_coder(random_coder(arm), arm, folder)
    return hook_parity(made.subject, made.tokens, made.activations, folder, split="evaluation")


@pytest.mark.parametrize("layer", [0, 1])
def test_every_site_of_every_family_is_what_the_others_call_so(
    made: SimpleNamespace, tmp_path: Path, layer: int
) -> None:
    pairs = [(f"layers.{layer}.{read}", f"layers.{layer}.{write}") for read, write in
             (("mlp.in", "mlp.out"), ("resid_pre", "resid_post"), ("mlp.in", "mlp.out_normed"))]  # fmt: skip
    if not made.normed:
        pairs.pop()
    for n, (read, write) in enumerate(pairs):
        got = judged(made, tmp_path / str(n), read, write)
        assert {(c["site"], c["reference"]) for c in got["checks"]} == {
            (site, other) for site in (read, write) for other in ("Hugging Face", "TransformerLens")
        }
        assert all(check["relative"] <= 1e-5 for check in got["checks"])
        assert all(check.get("jaccard", 1.0) > 0.999 for check in got["checks"])
        assert {c["reference"] for c in got["must_fail"]} >= {"the next position", "the other side of a norm"}
        assert all(check["relative"] > 1e-3 for check in got["must_fail"])
        assert len(got["must_fail"]) == 6
        sides = {"mlp.out": "before", "mlp.out_normed": "after"} if made.normed else {}
        assert got["side_of_norm"] == {site: sides[place] for site in (read, write)
                                       if (place := site.split(".", 2)[2]) in sides}  # fmt: skip


def test_jaccard_by_hand() -> None:
    a = torch.tensor([[1, 1, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0]]).bool()
    b = torch.tensor([[1, 0, 1, 0], [0, 0, 0, 0], [0, 1, 0, 0]]).bool()
    assert jaccard(a, b).tolist() == pytest.approx([1 / 3, 1.0, 0.0])


# Planted faults


def replanted(
    made: SimpleNamespace, folder: Path, monkeypatch: pytest.MonkeyPatch, place: str, named: str = "layers.1.mlp.out"
) -> SimpleNamespace:
    """Activations captured while the site `named` means another place."""
    own = subject_model.check_site

    def wrong(name: str, config: dict[str, Any]) -> Any:
        site = own(name, config)
        return own(f"layers.{site.layer}.{place}", config) if name == named else site

    class Named(subject_model.SiteReader):
        def read(self, *args: Any) -> Any:
            found = super().read(*args)
            return {name: found[site.name] for name, site in zip((named,), self._sites, strict=True)}

    (folder / "activations").mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(subject_model, "check_site", wrong)
        patch.setattr("sparring.activations.SiteReader", Named)
        given = {"dtype": "float32", "batch": 8, "seed": 0, "splits": ("evaluation",)}
        capture(made.subject, made.tokens, sites=(named,), out=folder / "activations", **given)
    return SimpleNamespace(**{**vars(made), "activations": folder / "activations"})


@pytest.mark.parametrize("place", ["mlp.in", "resid_post"])
def test_rows_of_another_place_are_refused(
    made: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    planted = replanted(made, tmp_path, monkeypatch, place)
    with pytest.raises(SparringError, match=r"hook parity of layers\.1\.mlp\.out against Hugging Face: relative diff"):
        judged(planted, tmp_path / "coder", "layers.1.mlp.out", "layers.1.mlp.out")


@pytest.mark.parametrize(("named", "place"), [("mlp.out", "mlp.out_normed"), ("mlp.out_normed", "mlp.out")])
def test_the_wrong_side_of_the_norm_is_refused(
    made: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str, place: str
) -> None:
    if not made.normed:
        pytest.skip("no norm follows the MLP")
    site = f"layers.1.{named}"
    planted = replanted(made, tmp_path, monkeypatch, place, site)
    with pytest.raises(SparringError, match=rf"hook parity of layers\.1\.{named} against Hugging Face: relative diff"):
        judged(planted, tmp_path / "coder", site, site)


def test_a_check_that_would_pass_a_wrong_variant_is_refused(
    made: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "TOLERANCE", {"float32": 10.0})
    with pytest.raises(SparringError, match="hook parity cannot tell"):
        judged(made, tmp_path / "coder", "layers.1.mlp.in", "layers.1.mlp.out")


def test_rows_cached_in_bfloat16_are_held_to_what_that_keeps(made: SimpleNamespace, tmp_path: Path) -> None:
    (tmp_path / "half").mkdir()
    given = {"dtype": "bfloat16", "batch": 8, "seed": 0, "splits": ("train", "evaluation")}
    sites = ("layers.1.mlp.in", "layers.1.mlp.out")
    capture(made.subject, made.tokens, sites=sites, out=tmp_path / "half", **given)
    half = SimpleNamespace(**{**vars(made), "activations": tmp_path / "half"})
    found = [check["relative"] for check in judged(half, tmp_path / "coder", *sites)["checks"]]
    assert np.min(found) > 1e-5 and np.max(found) < 5e-3
