"""The subject's tokenizer and config.json, without its weights."""

import json
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer


def load_tokenizer(subject: Path) -> Any:
    """The fast tokenizer of a subject folder."""
    return AutoTokenizer.from_pretrained(subject, local_files_only=True)


def subject_config(subject: Path) -> dict[str, Any]:
    """config.json of a subject folder."""
    config: dict[str, Any] = json.loads((subject / "config.json").read_text())
    return config
