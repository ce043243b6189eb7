"""Which library's files a coder's folder holds: sparsify's, as all did at first, or sae_lens's."""

import json
from pathlib import Path
from typing import Any, Literal, cast, get_args

from sparring.canonical import pretty_json
from sparring.errors import SparringError

Format = Literal["sparsify", "sae_lens"]
# How a coder that was trained elsewhere lies in its source.
Origin = Literal["sparsify", "sae_lens", "gemma_scope", "gemma_scope_2"]
_FILE = "format.json"


def format_of(folder: Path) -> Format:
    """What format.json of a coder's folder says; a folder without one is sparsify's. SparringError for another word."""
    path = folder / _FILE
    found: Any = json.loads(path.read_bytes())["format"] if path.exists() else "sparsify"
    if found not in get_args(Format):
        raise SparringError(f"a coder of format {found!r} is unknown here; it is one of {', '.join(get_args(Format))}")
    return cast(Format, found)


def write_format(folder: Path, name: Format) -> None:
    """Say that `folder` holds a coder of format `name`; sparsify's folders stay as that library writes them."""
    if name != "sparsify":
        (folder / _FILE).write_bytes(pretty_json({"format": name}))
