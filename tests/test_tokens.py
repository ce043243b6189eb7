"""Splits by document that budgets cannot move; masks in place; chunks of one document each."""

import hashlib
import json
import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import tiny_corpus, tiny_subject

from sparring.canonical import sha256_file
from sparring.corpus import prepare_corpus
from sparring.documents import read_documents
from sparring.errors import SparringError
from sparring.sources.source import Source
from sparring.token_file import SPLITS, read_tokens
from sparring.tokenizer import load_tokenizer
from sparring.tokens import Cutter, TokenPlan, split_of, tokenize


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    root = tmp_path_factory.mktemp("corpus")
    out = root / "out"
    out.mkdir()
    prepare_corpus(Source(f"path:{tiny_corpus(root / 'texts', 200)}"), format="jsonl", out=out)
    return out


@pytest.fixture(scope="module")
def subjects(tmp_path_factory):
    root = tmp_path_factory.mktemp("subjects")
    return {bos: tiny_subject(root / str(bos), bos=bos) for bos in (False, True)}


def _tokens(subject, corpus, out, **changes):
    out.mkdir()
    plan = {"context": 64, "train": 6_000, "tuning": 1_000, "evaluation": 2_000, "seed": 0} | changes
    meta = tokenize(subject, corpus, plan=TokenPlan(**plan), out=out)
    return read_tokens(out), meta


def _slow(subject, corpus, plan):
    """The obvious twin: one document after another, one chunk after another, in plain lists."""
    tokenizer, texts, found = load_tokenizer(subject), read_documents(corpus), []
    prefix = [1] if tokenizer("a")["input_ids"][0] == 1 else []
    for number, split in enumerate(SPLITS):
        keyed = []
        for document, text in enumerate(texts):
            u = int(hashlib.sha256(f"{plan.seed}\n{text}".encode()).hexdigest()[:16], 16) / 2**64
            home = "train"
            if u < 0.40:
                home = "evaluation" if u < 0.25 else "tuning"
            if home == split:
                keyed.append((u, document, text))
        total, chosen = 0, []
        for _, document, text in sorted(keyed):
            if total >= getattr(plan, split):
                break
            ids, room = tokenizer(text, add_special_tokens=False)["input_ids"], plan.context - len(prefix)
            for start in range(0, len(ids), room):
                chunk = prefix + ids[start : start + room]
                if len(chunk) - len(prefix) >= 32:
                    count = [int(i > 0 and token > 2) for i, token in enumerate(chunk)]
                    empty = plan.context - len(chunk)
                    chosen.append((document, start, chunk + [0] * empty, count + [0] * empty))
                    total += sum(count)
        found += [(number, document, chunk, count) for document, _, chunk, count in sorted(chosen)]
    return found


@pytest.mark.parametrize("bos", [False, True])
def test_equals_the_slow_twin(subjects, corpus, tmp_path, bos):
    plan = TokenPlan(context=64, train=6_000, tuning=1_000, evaluation=2_000, seed=3)
    data, meta = _tokens(subjects[bos], corpus, tmp_path / "t", seed=3)
    slow = _slow(subjects[bos], corpus, plan)
    assert data.split.tolist() == [row[0] for row in slow]
    assert data.document.tolist() == [row[1] for row in slow]
    assert data.tokens.tolist() == [row[2] for row in slow]
    assert data.counted.tolist() == [row[3] for row in slow]
    assert meta["bos"] is bos
    for split, counts in meta["splits"].items():
        assert counts["tokens"] == data.counted[data.of(split)].sum() >= getattr(plan, split)
        assert counts["documents"] == len(set(data.document[data.of(split)].tolist()))
    assert [getattr(data, name).dtype for name in data._fields] == [np.int32, np.uint8, np.int32, np.uint8]


def test_no_document_is_in_two_splits(subjects, corpus, tmp_path):
    data, _ = _tokens(subjects[False], corpus, tmp_path / "t")
    homes = {split: set(data.document[data.of(split)].tolist()) for split in SPLITS}
    assert not homes["train"] & homes["evaluation"] and not homes["train"] & homes["tuning"]
    assert not homes["tuning"] & homes["evaluation"]


def test_budgets_move_nothing(subjects, corpus, tmp_path):
    """More of one split leaves the others as they are, and keeps what it had."""
    small, _ = _tokens(subjects[False], corpus, tmp_path / "a")
    large, _ = _tokens(subjects[False], corpus, tmp_path / "b", train=12_000, tuning=0)
    assert np.array_equal(small.tokens[small.of("evaluation")], large.tokens[large.of("evaluation")])
    assert set(small.document[small.of("train")].tolist()) < set(large.document[large.of("train")].tolist())
    assert len(large.of("tuning")) == 0


@settings(deadline=None)  # a loaded machine is no failure
@given(text=st.text(), seed=st.integers(0, 5))
def test_a_split_depends_on_text_and_seed_alone(text, seed):
    split, u = split_of(text, seed=seed)
    assert (split, u) == split_of(text, seed=seed)
    assert 0 <= u < 1
    assert split == ("evaluation" if u < 0.25 else "tuning" if u < 0.40 else "train")


def test_shares_of_the_splits():
    """60, 15 and 25 per cent within four standard errors over 20,000 texts."""
    found = [split_of(str(n), seed=0)[0] for n in range(20_000)]
    for split, share in (("train", 0.60), ("tuning", 0.15), ("evaluation", 0.25)):
        assert abs(found.count(split) / 20_000 - share) < 4 * np.sqrt(share * (1 - share) / 20_000)


def test_special_tokens_in_a_text_are_masked_and_kept(subjects, tmp_path):
    (tmp_path / "a.txt").write_text("x" * 40 + "<eos>" + "y" * 40)
    (tmp_path / "c").mkdir()
    prepare_corpus(Source(f"path:{tmp_path / 'a.txt'}"), format="txt", out=tmp_path / "c")
    home = split_of("x" * 40 + "<eos>" + "y" * 40, seed=0)[0]
    plan = {"train": 0, "tuning": 0, "evaluation": 0} | {home: 10}
    data, _ = _tokens(subjects[True], tmp_path / "c", tmp_path / "t", context=128, **plan)
    row, counted = data.tokens[0], data.counted[0]
    assert row[0] == 1 and row[41] == 2 and (row[82:] == 0).all()
    assert np.flatnonzero(counted).tolist() == [*range(1, 41), *range(42, 82)]


@pytest.mark.parametrize(("length", "chunks"), [(31, 0), (32, 1), (63, 1), (64, 1), (95, 1), (96, 2), (128, 2)])
def test_a_last_chunk_is_kept_from_32_tokens_on(subjects, length, chunks):
    tokens, counted = Cutter(load_tokenizer(subjects[False]), 64).rows([7] * length)
    assert tokens.shape == counted.shape == (chunks, 64)
    assert counted.sum() == (tokens == 7).sum() - chunks  # all but position 0 of each


def test_too_few_tokens_says_how_many_there_are(subjects, corpus, tmp_path):
    (tmp_path / "t").mkdir()
    with pytest.raises(SparringError, match=r"tuning wants 10000000 tokens and the corpus has [1-9]\d+ for it"):
        tokenize(subjects[False], corpus, plan=TokenPlan(64, 100, 10_000_000, 0, 0), out=tmp_path / "t")
    with pytest.raises(SparringError, match="every split's budget is 0"):
        tokenize(subjects[False], corpus, plan=TokenPlan(64, 0, 0, 0, 0), out=tmp_path / "t")


def test_what_does_not_fit_the_model(subjects, corpus, tmp_path):
    (tmp_path / "t").mkdir()
    with pytest.raises(SparringError, match="context 4096 is longer than the model's 2048 positions"):
        tokenize(subjects[False], corpus, plan=TokenPlan(4096, 10, 0, 10, 0), out=tmp_path / "t")
    shutil.copytree(subjects[False], tmp_path / "small")
    config = json.loads((tmp_path / "small" / "config.json").read_text()) | {"vocab_size": 50}
    (tmp_path / "small" / "config.json").write_text(json.dumps(config))
    with pytest.raises(SparringError, match=r"id \d+ in a model of 50 tokens: not its tokenizer"):
        tokenize(tmp_path / "small", corpus, plan=TokenPlan(64, 10, 0, 10, 0), out=tmp_path / "t")


@pytest.mark.parametrize(("field", "value"), [("context", 4), ("context", 10**6), ("train", -1)])
def test_plans_that_make_no_sense(field, value):
    fields = {"context": 64, "train": 1, "tuning": 1, "evaluation": 1, "seed": 0} | {field: value}
    with pytest.raises(SparringError, match=f"{field} {value}"):
        TokenPlan(**fields)


def test_same_inputs_same_bytes(subjects, corpus, tmp_path):
    _tokens(subjects[True], corpus, tmp_path / "a")
    _tokens(subjects[True], corpus, tmp_path / "b")
    assert sha256_file(tmp_path / "a" / "tokens.safetensors") == sha256_file(tmp_path / "b" / "tokens.safetensors")
