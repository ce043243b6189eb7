"""Cached rows are the model's own, each once, where the index says; shuffled and in order; damage is one clear line."""

import errno
import os
import shutil

import h5py
import numpy as np
import pytest
import torch
from tiny import FAMILIES, tiny_corpus, tiny_subject

from sparring import activation_file, activations
from sparring.activation_cache import ActivationCache
from sparring.activations import capture
from sparring.canonical import sha256_file
from sparring.corpus import prepare_corpus
from sparring.errors import SparringError
from sparring.sources.source import Source
from sparring.subject_model import SiteReader, load_subject
from sparring.token_file import read_tokens
from sparring.tokens import TokenPlan, tokenize

SITES = ("layers.1.mlp.out", "layers.0.resid_post", "layers.1.mlp.in")
SPLITS = ("train", "tuning", "evaluation")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """{family: (subject, tokens)} under one corpus."""
    root = tmp_path_factory.mktemp("made")
    (root / "corpus").mkdir()
    prepare_corpus(Source(f"path:{tiny_corpus(root / 'texts', 100)}"), format="jsonl", out=root / "corpus")
    found = {}
    for family in FAMILIES:
        subject = tiny_subject(root / family, family, bos=True)
        (root / f"{family}-tokens").mkdir()
        tokenize(subject, root / "corpus", plan=TokenPlan(48, 3_000, 500, 1_000, 0), out=root / f"{family}-tokens")
        found[family] = (subject, root / f"{family}-tokens")
    return found


def _capture(made, out, family="llama", **changes):
    out.mkdir()
    subject, tokens = made[family]
    options = {"sites": SITES, "dtype": "float32", "batch": 7, "seed": 5, "splits": SPLITS} | changes
    return capture(subject, tokens, out=out, **options)


def _slow(subject, tokens, *, sites, batch, seed, split):
    """The obvious twin: keep every batch, put the rows into natural order, then shuffle those of the training split."""
    data = read_tokens(tokens)
    reader = SiteReader(load_subject(subject), sites)
    sequences = data.of(split)
    lengths = [int(np.flatnonzero(data.counted[s]).max()) + 1 for s in sequences]
    queue = sorted(range(len(sequences)), key=lambda i: -lengths[i])
    rows = {}
    for start in range(0, len(queue), batch):
        some = queue[start : start + batch]
        longest = max(lengths[i] for i in some)
        found = reader.read(torch.from_numpy(data.tokens[sequences[some], :longest]).long())
        for row, i in enumerate(some):
            for position in np.flatnonzero(data.counted[sequences[i]]):
                rows[sequences[i], position] = [found[site][row, position] for site in sites]
    keys = sorted(rows)
    values = {site: torch.stack([rows[key][i] for key in keys]) for i, site in enumerate(sites)}
    order = np.random.default_rng(seed).permutation(len(keys)) if split == "train" else np.arange(len(keys))
    return {site: value[order] for site, value in values.items()}, [keys[i] for i in order]


@pytest.mark.parametrize("family", FAMILIES)
def test_rows_equal_the_slow_twin(made, tmp_path, family):
    meta = _capture(made, tmp_path / "a", family)
    subject, tokens = made[family]
    data = read_tokens(tokens)
    with ActivationCache(tmp_path / "a") as cache:
        assert cache.splits == SPLITS and cache.sites == tuple(sorted(SITES))
        for split in SPLITS:
            values, keys = _slow(subject, tokens, sites=SITES, batch=7, seed=5, split=split)
            index = cache.index(split)
            assert list(zip(index["sequence"].tolist(), index["position"].tolist(), strict=True)) == keys
            assert np.array_equal(index["token"], data.tokens[index["sequence"], index["position"]])
            assert np.array_equal(index["document"], data.document[index["sequence"]])
            assert meta["rows"][split] == cache.rows(split) == len(keys)
            for site in SITES:
                assert torch.equal(cache.read(split, site), values[site])
                assert meta["sites"][site] == {"d": cache.d(site), "dtype": "float32"} == {"d": 16, "dtype": "float32"}


def test_only_counted_tokens_have_a_row_and_the_training_rows_are_shuffled(made, tmp_path):
    _capture(made, tmp_path / "a")
    data = read_tokens(made["llama"][1])
    with ActivationCache(tmp_path / "a") as cache:
        for split in SPLITS:
            index = cache.index(split)
            at = list(zip(index["sequence"].tolist(), index["position"].tolist(), strict=True))
            expected = [(s, p) for s in data.of(split) for p in np.flatnonzero(data.counted[s])]
            assert sorted(at) == expected
            assert (at == expected) is (split != "train")
            assert not (index["position"] == 0).any()
        # A shuffled row says nothing about its neighbour's document: well mixed, not merely out of order.
        document = cache.index("train")["document"]
        same = (document[1:] == document[:-1]).mean()
        share = np.bincount(document) / len(document)
        assert abs(same - (share**2).sum()) < 5 * np.sqrt(same / len(document))


def test_one_pass_for_any_number_of_sites(made, tmp_path, monkeypatch):
    """Two sites cost the passes of one, and the last layer is not run for a site before it."""
    passes = []
    read = SiteReader.read
    monkeypatch.setattr(SiteReader, "read", lambda self, ids: passes.append(ids.shape) or read(self, ids))
    one = _capture(made, tmp_path / "a", sites=SITES[:1])
    count = len(passes)
    both = _capture(made, tmp_path / "b")
    assert passes[count:] == passes[:count]
    assert both["tokens_forward"] == one["tokens_forward"]
    with ActivationCache(tmp_path / "a") as alone, ActivationCache(tmp_path / "b") as cache:
        assert torch.equal(alone.read("train", SITES[0]), cache.read("train", SITES[0]))


def test_a_site_may_be_evaluated_only(made, tmp_path):
    _capture(made, tmp_path / "a")
    _capture(made, tmp_path / "b", train_sites=SITES[:1])
    with ActivationCache(tmp_path / "a") as both, ActivationCache(tmp_path / "b") as cache:
        assert cache.sites == both.sites
        assert torch.equal(cache.read("train", SITES[0]), both.read("train", SITES[0]))
        assert torch.equal(cache.read("evaluation", SITES[1]), both.read("evaluation", SITES[1]))
        with pytest.raises(SparringError, match=f"no rows of {SITES[1]} in split train"):
            cache.read("train", SITES[1])


def test_little_padding_is_run(made, tmp_path):
    meta = _capture(made, tmp_path / "a", batch=4)
    data = read_tokens(made["llama"][1])
    assert meta["tokens_forward"] < 1.05 * (data.counted.sum() + len(data.counted))


def test_bfloat16_is_the_rounded_float32(made, tmp_path):
    _capture(made, tmp_path / "a")
    meta = _capture(made, tmp_path / "b", dtype="bfloat16")
    assert meta["sites"][SITES[0]]["dtype"] == "bfloat16"
    with h5py.File(tmp_path / "b" / "train.h5") as file:
        assert file["train"][SITES[0]].dtype == np.uint16
        assert file["train"][SITES[0]].attrs["dtype"] == "bfloat16"
    with ActivationCache(tmp_path / "a") as plain, ActivationCache(tmp_path / "b") as half:
        for split in SPLITS:
            for site in SITES:
                rounded = plain.read(split, site).bfloat16().float()
                assert torch.equal(half.read(split, site), rounded)
                assert half.read(split, site).dtype == torch.float32


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_blocks_cover_the_split_in_order(made, tmp_path, dtype):
    _capture(made, tmp_path / "a", dtype=dtype)
    with ActivationCache(tmp_path / "a") as cache:
        for size in (1, 64, 10**6):
            blocks = [(b.rows, {s: t.clone() for s, t in b.items()}) for b in cache.blocks("train", SITES[:2], size)]
            assert [r.start for r, _ in blocks] == [r.start for r, _ in blocks][:1] + [r.stop for r, _ in blocks][:-1]
            assert blocks[-1][0].stop == cache.rows("train")
            for site in SITES[:2]:
                joined = torch.cat([values[site] for _, values in blocks])
                assert torch.equal(joined, cache.read("train", site))
        first = next(cache.blocks("train", SITES[:1], 8))[SITES[0]]
        pointers = {block[SITES[0]].data_ptr() for block in cache.blocks("train", SITES[:1], 8)}
        assert len(pointers) == 1 and first.shape == (8, 16)


def test_same_inputs_same_bytes(made, tmp_path):
    for name in ("a", "b"):
        _capture(made, tmp_path / name)
    assert sha256_file(tmp_path / "a" / "train.h5") == sha256_file(tmp_path / "b" / "train.h5")
    _capture(made, tmp_path / "c", seed=6)
    assert sha256_file(tmp_path / "a" / "train.h5") != sha256_file(tmp_path / "c" / "train.h5")


def test_data_sets_are_contiguous_and_fully_written(made, tmp_path):
    _capture(made, tmp_path / "a")
    for split in SPLITS:
        with h5py.File(tmp_path / "a" / f"{split}.h5") as file:
            for site in SITES:
                assert file[split][site].chunks is None and file[split][site].id.get_offset() is not None
                assert (np.abs(file[split][site][:]).sum(axis=1) > 0).all()


def test_a_value_that_is_not_finite_is_named(made, tmp_path):
    subject, tokens = made["llama"]
    shutil.copytree(subject, tmp_path / "bad")
    model = load_subject(subject)
    data = read_tokens(tokens)
    token = int(data.tokens[data.counted.astype(bool)][0])
    with torch.no_grad():
        model.model.embed_tokens.weight[token] = float("inf")
    model.save_pretrained(tmp_path / "bad")
    (tmp_path / "o").mkdir()
    with pytest.raises(SparringError, match=r"layers.0.resid_post: not finite at sequence \d+, position \d+") as error:
        options = {"sites": ("layers.0.resid_post",), "dtype": "float32", "batch": 4, "seed": 0, "splits": ("train",)}
        capture(tmp_path / "bad", tokens, out=tmp_path / "o", **options)
    words = str(error.value).replace(",", " ").replace(";", " ").split()
    sequence, position = int(words[words.index("sequence") + 1]), int(words[words.index("position") + 1])
    assert (data.tokens[sequence, : position + 1] == token).any()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"sites": ("layers.9.mlp.in",)}, "the model has layers.0 to layers.1"),
        ({"sites": ()}, "empty or repeated"),
        ({"sites": SITES[:1] * 2}, "empty or repeated"),
        ({"dtype": "float16"}, "choose float32 or bfloat16"),
        ({"splits": ("test",)}, "no tokens of split 'test'"),
    ],
)
def test_wishes_that_cannot_be_met(made, tmp_path, changes, says):
    with pytest.raises(SparringError, match=says):
        _capture(made, tmp_path / "a", **changes)


def test_a_full_disk_is_one_line_before_any_pass(made, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(activation_file.os, "posix_fallocate", full)
    monkeypatch.setattr(activations, "_batches", lambda *_: pytest.fail("a forward pass was begun"))
    with pytest.raises(SparringError, match=r"bytes cannot be written to .*No space left on device"):
        _capture(made, tmp_path / "a")


def test_a_disk_that_fills_up_meanwhile_is_one_line(made, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(activation_file.os, "pwrite", full)
    with pytest.raises(SparringError, match=r"train layers.1.mlp.out not written .*No space left on device"):
        _capture(made, tmp_path / "a")


def test_writes_cut_short_by_the_system_are_finished(made, tmp_path, monkeypatch):
    _capture(made, tmp_path / "a")
    pwrite = os.pwrite
    monkeypatch.setattr(activation_file.os, "pwrite", lambda file, data, at: pwrite(file, data[:13], at))
    _capture(made, tmp_path / "b")
    assert sha256_file(tmp_path / "a" / "train.h5") == sha256_file(tmp_path / "b" / "train.h5")


def test_damaged_and_absent_files(made, tmp_path):
    _capture(made, tmp_path / "a")
    whole = (tmp_path / "a" / "train.h5").read_bytes()
    for name, data in (("half", whole[: len(whole) // 2]), ("other", b"not hdf5"), ("empty", b"")):
        (tmp_path / f"{name}.h5").write_bytes(data)
        with pytest.raises(SparringError, match="cut short or damaged"):
            ActivationCache(tmp_path / f"{name}.h5")
    with pytest.raises(SparringError, match="no such file"):
        ActivationCache(tmp_path / "none.h5")
    with ActivationCache(tmp_path / "a") as cache:
        with pytest.raises(SparringError, match=r"no site 'layers.0.mlp.in'; it has layers.0.resid_post"):
            cache.d("layers.0.mlp.in")
        with pytest.raises(SparringError, match="no split 'test'"):
            cache.rows("test")
