"""Another subject by configuration alone: randomly initialised models of two families in a folder, the whole graph."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from checkout import ROOT, Checkout
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from sparring.documents import read_documents
from sparring.manifest import read_manifest
from sparring.store import Store

pytestmark = pytest.mark.e2e

SIZES: dict[str, Any] = {
    "vocab_size": 2048,
    "hidden_size": 64,
    "intermediate_size": 160,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 256,
}
MODELS = {"llama": (LlamaConfig, LlamaForCausalLM), "gpt_neox": (GPTNeoXConfig, GPTNeoXForCausalLM)}


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory, mini: Checkout) -> list[str]:
    """The packaged news."""
    manifest = read_manifest(mini.work / "results" / "corpus.json")
    assert manifest
    return read_documents(manifest.link_into(Store(mini.store), tmp_path_factory.mktemp("texts") / "corpus"))


def save_model(family: str, texts: list[str], folder: Path) -> None:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    special = ["<|end|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=2048, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(texts[:200], trainer)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|end|>").save_pretrained(folder)
    config, model = MODELS[family]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model(config(**SIZES)).save_pretrained(folder)


@pytest.mark.parametrize("family", MODELS)
def test_a_random_model_in_a_folder_goes_through_the_whole_graph(
    family: str, texts: list[str], tmp_path: Path, mini: Checkout
) -> None:
    save_model(family, texts, tmp_path / "model")
    study = yaml.safe_load((ROOT / "config" / "studies" / "mini.yaml").read_text())
    study["subject"] = {"source": {"uri": f"path:{tmp_path / 'model'}"}}
    study["layer"] = 1
    study["recipe"] |= {"width": 128, "k": 8}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    checkout = mini.copy(tmp_path, tmp_path / "store")
    shutil.rmtree(checkout.work / "results")
    headline = ("results/headtohead_autointerp.json", "--configfile", str(tmp_path / "study.yaml"))
    ran = checkout.run(*headline)
    assert ran.status == 0, ran.output
    result = json.loads(checkout.result("headtohead_autointerp.json"))
    assert result["arms"]["transcoder"]["read_site"] == "layers.1.mlp.in"
    assert result["verdict"]
    ran = checkout.run("results/activations.json", "--configfile", str(tmp_path / "study.yaml"), "--config", "layer=2")
    assert ran.status != 0
    assert "layers.2" in ran.output
    (tmp_path / "model" / "model.safetensors").touch()
    ran = checkout.run(*headline)
    assert ran.status == 0
    assert not ran.computed
