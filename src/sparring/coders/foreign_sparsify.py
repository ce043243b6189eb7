"""A coder in sparsify's files: the folder's name is its hookpoint."""

import json
import re
from pathlib import Path

import torch

from sparring.coders.declared import Declared
from sparring.coders.recipe import Kind
from sparring.coders.upstream import SparseCoder
from sparring.errors import SparringError

_HOOKPOINT = re.compile(r"(?:.*\.)?(?:layers|h)\.\d+(?:\.[a-z_.]+)?")


@torch.no_grad()
def save_sparsify(folder: Path, place: str, out: Path) -> Declared:
    """Write the coder of `folder` to `out` in float32 by sparsify's own code; what its configuration and name say."""
    config = json.loads((folder / "cfg.json").read_bytes())
    if config.get("activation", "topk") != "topk":
        raise SparringError(f"{place}: activation {config['activation']!r} is unknown here; take a coder of topk")
    coder = SparseCoder.load_from_disk(folder, device="cpu").float()
    coder.save_to_disk(out)
    kind: Kind = "sae"
    if coder.cfg.transcode:
        kind = "skip-transcoder" if coder.cfg.skip_connection else "transcoder"
    name = place.rsplit("/", 1)[-1]
    if not _HOOKPOINT.fullmatch(name):
        return Declared(kind, None, None)
    return Declared(kind, f"{name}.output" if kind == "sae" else f"{name}.input", f"{name}.output")
