"""Small random subjects and corpora for tests: folders in Hugging Face layout, made in a second."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import (
    Exaone4Config,
    Exaone4ForCausalLM,
    Gemma2Config,
    Gemma2ForCausalLM,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    GPT2Config,
    GPT2LMHeadModel,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    Olmo2Config,
    Olmo2ForCausalLM,
    Olmo3Config,
    Olmo3ForCausalLM,
    PreTrainedTokenizerFast,
)

FAMILIES = ("llama", "gpt_neox", "gpt2", "gemma2", "gemma3")
# Further ones whose blocks have a norm after the MLP.
ALSO_POST_NORMED = ("olmo2", "olmo3", "exaone4")
WORDS = (
    "the",
    "river",
    "mayor",
    "storm",
    "market",
    "council",
    "goal",
    "bank",
    "trial",
    "rain",
    "music",
    "senate",
    "court",
)


def tiny_tokenizer(*, bos: bool = False) -> Any:
    """A byte-level tokenizer: one token a byte (ids 3 to 258), <pad> 0, <bos> 1, <eos> 2."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {"<pad>": 0, "<bos>": 1, "<eos>": 2} | {letter: number + 3 for number, letter in enumerate(alphabet)}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    if bos:
        tokenizer.post_processor = processors.TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", bos_token="<bos>", eos_token="<eos>")


def tiny_model(family: str = "llama", *, layers: int = 2, d: int = 16, seed: int = 0) -> Any:
    """A randomly initialised causal model of `family`, `layers` blocks of width `d`, 259 tokens."""
    common = {"vocab_size": 259, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    wide = {"hidden_size": d, "num_hidden_layers": layers, "num_attention_heads": 2, "intermediate_size": 2 * d}
    torch.manual_seed(seed)
    if family == "llama":
        return LlamaForCausalLM(LlamaConfig(**common, **wide, num_key_value_heads=1, head_dim=d // 2))
    if family == "gpt_neox":
        return GPTNeoXForCausalLM(GPTNeoXConfig(**common, **wide))
    if family == "gemma2":
        return Gemma2ForCausalLM(Gemma2Config(**common, **wide, num_key_value_heads=1, head_dim=d // 2))
    if family == "gemma3":
        return Gemma3ForCausalLM(Gemma3TextConfig(**common, **wide, num_key_value_heads=1, head_dim=d // 2))
    if family == "olmo2":
        return Olmo2ForCausalLM(Olmo2Config(**common, **wide, num_key_value_heads=1))
    if family == "olmo3":
        return Olmo3ForCausalLM(Olmo3Config(**common, **wide, num_key_value_heads=1))
    if family == "exaone4":
        return Exaone4ForCausalLM(Exaone4Config(**common, **wide, num_key_value_heads=1, head_dim=d // 2))
    return GPT2LMHeadModel(GPT2Config(**common, n_embd=d, n_layer=layers, n_head=2, n_positions=512))


def tiny_subject(folder: Path, family: str = "llama", *, bos: bool = False, **size: int) -> Path:
    """Save a tiny model and its tokenizer into `folder`; return it."""
    tiny_model(family, **size).eval().save_pretrained(folder)
    tiny_tokenizer(bos=bos).save_pretrained(folder)
    return folder


def tiny_texts(number: int, *, seed: int = 0) -> list[str]:
    """`number` different texts of 10 to 120 words."""
    rng = np.random.default_rng(seed)
    return [f"{n} " + " ".join(rng.choice(WORDS, size=int(rng.integers(10, 120)))) for n in range(number)]


def tiny_corpus(folder: Path, number: int = 60, *, seed: int = 0) -> Path:
    """Save `number` texts as docs.jsonl in `folder`; return the folder (a `path:` source of format jsonl)."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps({"id": f"t{n}", "text": text}) for n, text in enumerate(tiny_texts(number, seed=seed))]
    (folder / "docs.jsonl").write_text("\n".join(lines) + "\n")
    return folder
