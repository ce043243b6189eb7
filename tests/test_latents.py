"""Latents on disk: what the coder says, in delphi's format, at counted positions only."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from coders_data import ARMS, CONTEXT, SAE, TRANSCODER, random_coder, save_coder, tiny_activations
from delphi.config import ConstructorConfig, SamplerConfig
from delphi.latents.loader import LatentDataset
from safetensors.numpy import load_file, save_file
from tiny import tiny_tokenizer

from sparring import latents as writer
from sparring.activation_cache import ActivationCache
from sparring.coders.encoding import Encoder
from sparring.errors import SparringError
from sparring.latent_cache import LatentCache
from sparring.latents import Firings, encode_latents, firing_table
from sparring.token_file import read_tokens


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tiny_activations(tmp_path_factory.mktemp("activations"))


def encoded(cache, folder, arm=SAE, *, seed=0):
    coder = save_coder(random_coder(arm, seed=seed), arm, folder / "coder")
    (folder / "latents").mkdir()
    meta = encode_latents(cache, cache / "tokens", coder, split="evaluation", out=folder / "latents")
    return folder / "latents", meta, Encoder.load(coder)


def dense(cache, coder):
    """The obvious twin: float16 [sequence, position, latent] of the evaluation split, 0 where nothing fires."""
    held = read_tokens(cache / "tokens")
    own = held.of("evaluation")
    table = np.zeros((len(own), CONTEXT, coder.n_latents), np.float16)
    activations = ActivationCache(cache)
    index = activations.index("evaluation")
    values, indices = coder.encode(activations.read("evaluation", coder.arm.read_site))
    for row, (sequence, position) in enumerate(zip(index["sequence"], index["position"], strict=True)):
        place = int(np.flatnonzero(own == sequence)[0])
        for value, latent in zip(values[row], indices[row], strict=True):
            if held.counted[sequence, position]:
                table[place, position, latent] = value
    return table


@pytest.mark.parametrize("per_file", [4096, 24])
@pytest.mark.parametrize("arm", ARMS, ids=lambda arm: arm.name)
def test_the_reader_gives_what_the_coder_says(arm, per_file, cache, tmp_path, monkeypatch):
    monkeypatch.setattr(writer, "_LATENTS_PER_FILE", per_file)
    folder, meta, coder = encoded(cache, tmp_path, arm)
    table = dense(cache, coder)
    reader = LatentCache(folder)
    assert reader.n_latents == meta["n_latents"] == 64
    for latent in range(64):
        sequence, position = np.nonzero(table[:, :, latent])
        firing = reader.of(latent)
        assert np.array_equal(firing.sequence, sequence) and np.array_equal(firing.position, position)
        assert np.array_equal(firing.value, table[sequence, position, latent].astype(np.float32))
    assert meta["firings"] == np.count_nonzero(table)
    assert meta["never_fire"] == 64 - np.count_nonzero(table.any(axis=(0, 1)))


def test_the_reader_knows_the_sequences(cache, tmp_path):
    folder, meta, _ = encoded(cache, tmp_path)
    reader, held = LatentCache(folder), read_tokens(cache / "tokens")
    own = held.of("evaluation")
    assert np.array_equal(reader.sequence, own)
    assert np.array_equal(reader.tokens, held.tokens[own])
    assert np.array_equal(reader.document, held.document[own])
    assert np.array_equal(reader.counted, held.counted[own].astype(bool))
    assert (meta["sequences"], meta["context"], meta["rows"]) == (12, CONTEXT, int(held.counted[own].sum()))


def test_firing_statistics_against_counting_by_hand(cache, tmp_path):
    folder, meta, coder = encoded(cache, tmp_path)
    table = dense(cache, coder).astype(np.float64)
    firing = LatentCache(folder).firing
    count = (table > 0).sum(axis=(0, 1))
    assert np.array_equal(firing["latent"], np.arange(64)) and np.array_equal(firing["count"], count)
    assert np.allclose(firing["rate"], count / meta["rows"])
    assert np.allclose(firing["max"], table.max(axis=(0, 1)))
    assert np.allclose(firing["mean"], table.sum(axis=(0, 1)) / np.maximum(count, 1))
    windows = sum((table[:, start : start + 32] > 0).any(axis=1).sum(axis=0) for start in range(0, CONTEXT, 32))
    assert np.array_equal(firing["windows"], windows)
    kinds = {field.name: str(field.type) for field in pq.read_schema(folder / "firing.parquet")}
    assert kinds == {
        "latent": "int32", "count": "int64", "rate": "double", "windows": "int64", "max": "float", "mean": "float"
    }  # fmt: skip


def test_two_firings_in_a_window_count_once_and_windows_do_not_run_on():
    firings = Firings(
        sequence=np.array([0, 0, 0, 1]),
        position=np.array([30, 31, 32, 33]),
        latent=np.array([2, 2, 2, 2]),
        value=np.array([1, 2, 3, 6], np.float16),
    )
    table = firing_table(firings, n_latents=4, rows=8).to_pydict()
    assert table["windows"] == [0, 0, 3, 0] and table["count"] == [0, 0, 4, 0]
    assert table["rate"][2] == 0.5 and table["max"][2] == 6 and table["mean"][2] == 3
    assert table["max"][0] == table["mean"][0] == 0


def test_masked_positions_are_not_recorded(cache, tmp_path):
    """Rows at positions that the tokens no longer count are left out, though the activations hold them."""
    arrays = load_file(cache / "tokens" / "tokens.safetensors")
    arrays["counted"][:, 7] = 0
    (tmp_path / "tokens").mkdir()
    save_file(arrays, tmp_path / "tokens" / "tokens.safetensors")
    coder = save_coder(random_coder(SAE), SAE, tmp_path / "coder")
    (tmp_path / "out").mkdir()
    encode_latents(cache, tmp_path / "tokens", coder, split="evaluation", out=tmp_path / "out")
    reader = LatentCache(tmp_path / "out")
    positions = np.concatenate([reader.of(latent).position for latent in range(64)])
    assert 7 not in positions and 0 not in positions and 8 in positions


@pytest.mark.parametrize("per_file", [4096, 24])
def test_delphi_reads_the_same_latents(per_file, cache, tmp_path, monkeypatch):
    monkeypatch.setattr(writer, "_LATENTS_PER_FILE", per_file)
    folder, meta, _ = encoded(cache, tmp_path, TRANSCODER)
    dataset = LatentDataset(folder / "latents", SamplerConfig(), ConstructorConfig(), tokenizer=tiny_tokenizer())
    assert dataset.modules == [meta["hookpoint"]] == ["layers.1.mlp"]
    assert dataset.cache_config["cache_ctx_len"] == CONTEXT
    reader = LatentCache(folder)
    assert torch.equal(dataset.tokens, torch.from_numpy(reader.tokens))
    seen = 0
    for buffer in dataset.buffers:
        for data in buffer:
            firing = reader.of(data.latent.latent_index)
            locations = data.activation_data.locations
            assert np.array_equal(locations[:, 0], firing.sequence)
            assert np.array_equal(locations[:, 1], firing.position)
            assert np.array_equal(data.activation_data.activations.float(), firing.value)
            seen += len(locations)
    assert seen == meta["firings"]


def test_delphi_reads_a_file_in_which_nothing_fires(cache, tmp_path, monkeypatch):
    monkeypatch.setattr(writer, "_LATENTS_PER_FILE", 24)
    coder = random_coder(SAE)
    coder.encoder.bias[24:48] = -1e4
    save_coder(coder, SAE, tmp_path / "coder")
    (tmp_path / "out").mkdir()
    encode_latents(cache, cache / "tokens", tmp_path / "coder", split="evaluation", out=tmp_path / "out")
    raw = tmp_path / "out" / "latents"
    dataset = LatentDataset(raw, SamplerConfig(), ConstructorConfig(), tokenizer=tiny_tokenizer())
    numbers = {data.latent.latent_index for buffer in dataset.buffers for data in buffer}
    assert numbers and not numbers & set(range(24, 48))


def test_delphi_reads_chosen_latents(cache, tmp_path, monkeypatch):
    monkeypatch.setattr(writer, "_LATENTS_PER_FILE", 24)
    folder, meta, _ = encoded(cache, tmp_path)
    alive = np.flatnonzero(LatentCache(folder).firing["count"])[[0, -1]]
    dataset = LatentDataset(
        folder / "latents",
        SamplerConfig(),
        ConstructorConfig(),
        tokenizer=tiny_tokenizer(),
        latents={meta["hookpoint"]: torch.from_numpy(alive)},
    )
    assert [data.latent.latent_index for buffer in dataset.buffers for data in buffer] == alive.tolist()


def test_twice_the_same_bytes(cache, tmp_path):
    folders = []
    for name in "ab":
        (tmp_path / name).mkdir()
        folders.append(encoded(cache, tmp_path / name)[0])
    files = sorted(path.relative_to(folders[0]) for path in folders[0].rglob("*") if path.is_file())
    assert [str(file) for file in files] == [
        "firing.parquet",
        "latents/layers.1.mlp/0_63.safetensors",
        "latents/layers.1.mlp/config.json",
        "sequences.safetensors",
    ]
    for file in files:
        assert (folders[0] / file).read_bytes() == (folders[1] / file).read_bytes()
    assert str(tmp_path) not in json.dumps(json.loads((folders[0] / files[2]).read_text()))


def test_a_value_beyond_float16_is_refused(cache, tmp_path):
    coder = random_coder(SAE)
    coder.encoder.bias[3] = 1e6
    save_coder(coder, SAE, tmp_path / "coder")
    (tmp_path / "out").mkdir()
    with pytest.raises(SparringError, match="beyond float16's 65504"):
        encode_latents(cache, cache / "tokens", tmp_path / "coder", split="evaluation", out=tmp_path / "out")


def test_a_latent_that_does_not_exist_and_a_folder_without_latents_are_named(cache, tmp_path):
    folder, _, _ = encoded(cache, tmp_path)
    with pytest.raises(SparringError, match="latent 64 does not exist; this coder has 0 to 63"):
        LatentCache(folder).of(64)
    with pytest.raises(SparringError, match="holds 0 sets of latents"):
        LatentCache(tmp_path)
