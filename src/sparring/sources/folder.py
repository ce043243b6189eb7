"""A model's folder in Hugging Face layout: what may be in it, what must be, what is refused."""

import json
import shutil
from pathlib import Path
from typing import Any

from sparring.errors import SparringError

MODEL_SUFFIXES = (".safetensors", ".json", ".txt", ".model", ".jinja")
_PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt")
_TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "chat_template.json",
)


def read_config(folder: Path) -> dict[str, Any]:
    """config.json of a model folder. Raises SparringError if there is none or it asks to run code of its own."""
    path = folder / "config.json"
    if not path.is_file():
        raise SparringError(
            f"{folder}: no config.json; a model folder has config.json, *.safetensors and tokenizer.json"
        )
    config: dict[str, Any] = json.loads(path.read_text())
    if "auto_map" in config:
        raise SparringError(f"{folder}: config.json asks to run code of its own (auto_map); such models are refused")
    return config


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a model folder, sorted. Raises SparringError if there are only pickles, or none."""
    found = sorted(folder.glob("*.safetensors"))
    if not found:
        pickles = sorted(path.name for path in folder.iterdir() if path.suffix in _PICKLES)
        reason = f"only pickled weights ({pickles[0]})" if pickles else "no weights"
        raise SparringError(f"{folder}: {reason}; only *.safetensors are read, since a pickle can run code")
    return found


def check_tokenizer(folder: Path) -> None:
    """Raises SparringError without a tokenizer.json, or if the tokenizer would run code of its own."""
    if not (folder / "tokenizer.json").is_file():
        raise SparringError(f"{folder}: no tokenizer.json; save it with the fast tokenizer of transformers")
    settings = folder / "tokenizer_config.json"
    if settings.is_file() and "auto_map" in json.loads(settings.read_text()):
        raise SparringError(f"{folder}: tokenizer_config.json asks to run code of its own (auto_map); refused")


def copy_tokenizer(folder: Path, *, out: Path) -> None:
    """Copy the tokenizer's files, once they are checked."""
    check_tokenizer(folder)
    for name in _TOKENIZER_FILES:
        if (folder / name).is_file():
            shutil.copyfile(folder / name, out / name)


def copy_model_files(folder: Path, *, out: Path) -> None:
    """Copy a model folder as it is, subfolders too, without what is neither weights, JSON nor tokenizer."""
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if (
            path.is_file()
            and path.suffix in MODEL_SUFFIXES
            and not any(part.startswith(".") for part in relative.parts)
        ):
            (out / relative).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, out / relative)
