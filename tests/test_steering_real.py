"""Steering the real packaged model: along the unembedding of words of sport it writes them, at random it does not."""

from pathlib import Path

import torch
from checkout import Checkout

from sparring.documents import read_documents
from sparring.manifest import read_manifest
from sparring.steering.generate import Prompt, generate
from sparring.steering.residual import residual_units
from sparring.store import Store
from sparring.subject_model import load_subject
from sparring.tokenizer import load_tokenizer

WORDS = (" football", " match", " coach", " league", " players", " tournament")
SITE = "layers.28.resid_post"


def linked(mini: Checkout, name: str, folder: Path) -> Path:
    manifest = read_manifest(mini.work / "results" / f"{name}.json")
    assert manifest
    return manifest.link_into(Store(mini.store), folder / name)


def test_words_of_sport_are_written_along_their_unembedding(mini: Checkout, tmp_path: Path) -> None:
    subject = linked(mini, "subject", tmp_path)
    model, tokenizer = load_subject(subject), load_tokenizer(subject)
    texts = read_documents(linked(mini, "corpus", tmp_path))[:16]
    unit = residual_units(model, tokenizer, texts, [SITE])[SITE]["unit"]
    words = torch.tensor([tokenizer(word)["input_ids"][0] for word in WORDS])
    unembedding = model.lm_head.weight
    planted = (unembedding[words].mean(dim=0) - unembedding.mean(dim=0)) * model.model.norm.weight
    rng = torch.Generator().manual_seed(0)
    along = torch.stack([planted, torch.randn(planted.shape, generator=rng), torch.zeros(planted.shape)])
    shifts = 0.6 * unit * torch.nn.functional.normalize(along, dim=1)
    prompt = Prompt.read(tokenizer, "The report says that the")
    made = generate(model, prompt, site=SITE, shifts=shifts, samples=8, tokens=10, temperature=1.0, seed=(0, 1))
    share = torch.isin(made, words).any(dim=2).float().mean(dim=1)
    assert share[0] >= 0.5
    assert share[1] <= 0.125
    assert share[2] <= 0.125
    assert not torch.isin(made, torch.tensor(prompt.specials)).any()
