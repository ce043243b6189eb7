"""The windows stage on a small random BERT: the right windows, their own words, and vectors as if read one by one."""

from pathlib import Path

import numpy as np
import pytest
import torch
from autointerp_data import planted
from safetensors.numpy import save_file
from tiny import tiny_subject, tiny_tokenizer
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from sparring.autointerp.asked import Asked
from sparring.autointerp.embedded import EmbeddedWindows, embed_windows, read_embedded
from sparring.autointerp.examples import Protocol, draw_examples
from sparring.autointerp.judge import Judge
from sparring.autointerp.plan import DrawPlan, ScorePlan, WindowsPlan
from sparring.autointerp.scorers.embedder import Embedder
from sparring.autointerp.windows import split_pools
from sparring.errors import SparringError

PLAN = WindowsPlan(window=8, explainer_share=0.5, seed=3, layer=1, batch=4)
TEXT = "the storm over caf\u00e9 land, and the rain on the market: the council of the river. " * 2


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random BERT of two layers that reads letters."""
    folder = tmp_path_factory.mktemp("scorer")
    letters = "abcdefghijklmnopqrstuvwxyz.,:\u00e9"
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *letters, *(f"##{letter}" for letter in letters)]
    tokenizer = Tokenizer(models.WordPiece(vocab={piece: i for i, piece in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    wrapped = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]")
    wrapped.save_pretrained(folder)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = BertConfig(
            vocab_size=len(pieces), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32
        )
        BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A subject of one token a byte, and the tokens of 12 documents in two splits, each with a padded tail."""
    root = tmp_path_factory.mktemp("windows")
    tokenizer = tiny_tokenizer()
    tokens, counted = np.zeros((12, 36), dtype=np.int32), np.ones((12, 36), dtype=np.uint8)
    for row in range(12):
        tokens[row, :28] = tokenizer(TEXT[row : row + 40])["input_ids"][:28]
    counted[:, 0] = 0
    counted[:, 28:] = 0
    save_file(
        {
            "tokens": tokens,
            "counted": counted,
            "document": np.arange(12, dtype=np.int32) // 2 * 2,
            "split": np.repeat(np.array([0, 2], dtype=np.uint8), [2, 10]),
        },
        root / "tokens.safetensors",
    )
    return tiny_subject(root / "subject"), root


@pytest.fixture(scope="module")
def embedded(folders: tuple[Path, Path], scorer: Path, tmp_path_factory: pytest.TempPathFactory) -> EmbeddedWindows:
    out = tmp_path_factory.mktemp("out")
    meta = embed_windows(*folders, scorer, split="evaluation", plan=PLAN, out=out)
    found = read_embedded(out)
    assert meta["windows"] == len(found.sequence)
    return found


def test_the_windows_are_those_of_the_scorer_pool(embedded: EmbeddedWindows) -> None:
    documents = np.arange(12) // 2 * 2
    pool = split_pools(documents[2:], share=PLAN.explainer_share, seed=PLAN.seed).scorer
    sequences = [i for i in range(2, 12) if documents[i] in pool]
    # 28 of 36 positions hold text: three windows of 8; the fourth is mostly padding.
    places = [(sequence, start) for sequence in sequences for start in (0, 8, 16)]
    assert list(zip(embedded.sequence.tolist(), embedded.start.tolist(), strict=True)) == places
    assert 0 < len(sequences) < 10


def test_words_and_vectors_are_those_of_each_window_read_alone(embedded: EmbeddedWindows, scorer: Path) -> None:
    alone = Embedder(scorer, layer=PLAN.layer, batch=1)
    for words, vectors in zip(embedded.words, embedded.vectors, strict=True):
        text = "".join(words)
        assert text.strip("\ufffd") in TEXT  # a window may begin or end within a character
        read = alone.embed([text], [np.cumsum([0, *map(len, words)])])[0]
        np.testing.assert_allclose(vectors, read, atol=1e-5)
    length = np.linalg.norm(embedded.vectors, axis=2)
    assert np.isclose(length, 1, atol=1e-5).mean() > 0.5  # a space has no word piece, and the zero vector
    assert (np.isclose(length, 1, atol=1e-5) | (length == 0)).all()


def test_a_window_that_was_not_embedded_is_named(embedded: EmbeddedWindows, scorer: Path) -> None:
    cache, _ = planted()
    protocol = Protocol.of(cache, DrawPlan(latents=4, strata=1, positives=12, negatives=12))
    said = {"tokens": [["Monday", 1.0]], "contexts": []}
    judge = Judge(protocol, embedded, Embedder(scorer, layer=1, batch=4), ScorePlan())
    with pytest.raises(SparringError, match=r"at position \d+ of sequence \d+ was not embedded"):
        judge.score([Asked.of("detection", draw_examples(protocol, 0), said)], desc="")


def test_a_layer_the_scorer_does_not_have_is_named(scorer: Path) -> None:
    with pytest.raises(SparringError, match=r"score.layer is 7, but the scorer has 2 layers"):
        Embedder(scorer, layer=7, batch=4)
