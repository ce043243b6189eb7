"""A GGUF file turned once into a Hugging Face model and tokenizer, by transformers' own loader.

transformers parses the file's metadata (150,000 strings) anew for the config, the weights and the tokenizer, and builds
the same name map for each of the model's 400 modules. Here both are built once and remembered while it loads; what is
computed stays transformers' own, among it the un-permuting of the Llama family's query and key rows.
"""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gguf
import torch
import transformers.modeling_gguf_pytorch_utils as converter
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

from sparring.errors import SparringError

logging.disable_progress_bar()


def load_gguf(path: Path) -> tuple[Any, Any]:
    """(model in float32, tokenizer) of a GGUF file. Raises SparringError if transformers does not know its kind."""
    where = {"pretrained_model_name_or_path": str(path.parent), "gguf_file": path.name, "local_files_only": True}
    try:
        with _parsed_once():
            model = AutoModelForCausalLM.from_pretrained(**where, dtype=torch.float32)
            tokenizer = AutoTokenizer.from_pretrained(**where)
    except (ValueError, KeyError, OSError, NotImplementedError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise SparringError(f"{path.name}: transformers cannot read this GGUF ({reason})") from error
    return model, tokenizer


@contextmanager
def _parsed_once() -> Iterator[None]:
    """Until the block ends, remember what gguf's reader and name map return (transformers asks for both by name).

    The bar that its converter draws without asking is put out too.
    """
    reader, names, bar = gguf.GGUFReader, gguf.get_tensor_name_map, converter.tqdm
    gguf.GGUFReader = functools.cache(reader)
    gguf.get_tensor_name_map = functools.cache(names)
    converter.tqdm = lambda tensors, **_: tensors
    try:
        yield
    finally:
        gguf.GGUFReader, gguf.get_tensor_name_map, converter.tqdm = reader, names, bar
