"""The subject model as one folder: config.json, model.safetensors in float32, the tokenizer's files; nothing else."""

import json
import math
import tempfile
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from sparring.canonical import pretty_json
from sparring.errors import SparringError
from sparring.sources.fetch import fetch
from sparring.sources.folder import copy_model_files, copy_tokenizer, read_config, weight_files
from sparring.sources.source import Source

_HEADS = ("lm_head.weight", "embed_out.weight")
# Where a config or a tokenizer came from, or how it was packed, is provenance and not part of the model.
_DROPPED = ("_name_or_path", "_model_name_or_path", "quantization_config", "transformers_version", "torch_dtype")


def prepare_subject(source: Source, *, out: Path) -> dict[str, Any]:
    """Write the subject model of `source` into the empty folder `out`; return its meta.

    A GGUF file is dequantised, sharded weights are joined, bf16 and fp16 become float32, a head tied to the embedding
    is stored once. Raises SparringError for pickles, models with code of their own, and quantised safetensors.
    """
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=out) as scratch:
        found = fetch(source, kind="model", scratch=Path(scratch))
        if found.is_file() and found.suffix == ".gguf":
            convert_gguf(found, out=out)
        elif found.is_dir():
            _convert_folder(found, out=out)
        else:
            raise SparringError(f"{source.uri}: {found.name} is neither a .gguf file nor a model folder")
    return model_meta(out)


def prepare_scorer(source: Source, *, out: Path) -> dict[str, Any]:
    """Copy a scorer's model folder (sentence-transformers or transformers layout) into `out` as it is; return its meta.

    Raises SparringError for pickles and for models with code of their own.
    """
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=out) as scratch:
        found = fetch(source, kind="model", scratch=Path(scratch))
        if not found.is_dir():
            raise SparringError(f"{source.uri}: {found.name} is not a model folder; name a member that ends in '/'")
        read_config(found)
        weight_files(found)
        copy_model_files(found, out=out)
    return model_meta(out)


def convert_gguf(path: Path, *, out: Path) -> None:
    """Write a GGUF file's model, dequantised to float32, and its tokenizer into `out`."""
    from sparring.sources.gguf_model import load_gguf  # gguf and transformers are slow to import and needed here alone

    model, tokenizer = load_gguf(path)
    config = model.config.to_dict() | {"architectures": [type(model).__name__]}
    save_model(model.state_dict(), config=config, out=out)
    tokenizer.save_pretrained(out)
    settings = json.loads((out / "tokenizer_config.json").read_text())
    for key in ("is_local", "local_files_only", "name_or_path"):
        settings.pop(key, None)
    (out / "tokenizer_config.json").write_bytes(pretty_json(settings))


def _convert_folder(folder: Path, *, out: Path) -> None:
    config = read_config(folder)
    if "quantization_config" in config:
        method = config["quantization_config"].get("quant_method", "unknown")
        raise SparringError(f"{folder}: weights quantised by {method!r}; give the unquantised safetensors, or a GGUF")
    tensors: dict[str, torch.Tensor] = {}
    for path in weight_files(folder):
        with safe_open(path, framework="pt") as file:
            tensors.update({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118 (no iterator there)
    save_model(tensors, config=config, out=out)
    copy_tokenizer(folder, out=out)


def save_model(tensors: dict[str, torch.Tensor], *, config: dict[str, Any], out: Path) -> None:
    """Write model.safetensors, in float32, a tied head once, and config.json into `out`."""
    if config.get("tie_word_embeddings", False):
        tensors = {name: tensor for name, tensor in tensors.items() if name not in _HEADS}
    plain = {name: (t.float() if t.is_floating_point() else t).contiguous() for name, t in sorted(tensors.items())}
    save_file(plain, out / "model.safetensors", metadata={"format": "pt"})
    kept = {key: value for key, value in config.items() if key not in _DROPPED} | {"dtype": "float32"}
    (out / "config.json").write_bytes(pretty_json(kept))


def model_meta(folder: Path) -> dict[str, Any]:
    """The meta of a model folder: parameters, family, blocks, width, vocabulary."""
    config = read_config(folder)
    parameters = 0
    for path in weight_files(folder):
        with safe_open(path, framework="pt") as file:
            parameters += sum(math.prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118
    keys = ("model_type", "num_hidden_layers", "hidden_size", "vocab_size")
    return {"parameters": parameters} | {key: config[key] for key in keys if key in config}
