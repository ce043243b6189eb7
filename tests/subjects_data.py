"""Randomly initialised models of 64 dimensions with a tokenizer of the packaged news, in folders."""

from pathlib import Path
from typing import Any

import torch
from checkout import Checkout
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from sparring.documents import read_documents
from sparring.manifest import read_manifest
from sparring.store import Store

D = 64
SIZES: dict[str, Any] = {
    "vocab_size": 2048,
    "hidden_size": D,
    "intermediate_size": 160,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 256,
}
GEMMA = {"num_key_value_heads": 1, "head_dim": 16, "query_pre_attn_scalar": 16}
MODELS: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "llama": (LlamaConfig, LlamaForCausalLM, {}),
    "gpt_neox": (GPTNeoXConfig, GPTNeoXForCausalLM, {}),
    "gemma2": (Gemma2Config, Gemma2ForCausalLM, GEMMA),
    "gemma3": (Gemma3TextConfig, Gemma3ForCausalLM, GEMMA),
}


def packaged_texts(mini: Checkout, folder: Path) -> list[str]:
    """The packaged news, by way of `folder`, which is not there yet."""
    manifest = read_manifest(mini.work / "results" / "corpus.json")
    assert manifest
    return read_documents(manifest.link_into(Store(mini.store), folder))


def save_model(family: str, texts: list[str], folder: Path) -> None:
    """A model of `family` (MODELS) and a tokenizer of 2,048 tokens trained on `texts`."""
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
    config, model, further = MODELS[family]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = model(config(**SIZES, **further))
        if "gemma" in family:  # a fresh model's norms only divide; the others' weights are 1, these 1 + 0
            for name, parameter in made.named_parameters():
                if name.endswith("norm.weight"):
                    parameter.data.add_(0.3 * torch.randn(parameter.shape))
        made.save_pretrained(folder)
