"""The subject with a concept planted in it, which is known to be there: a positive control for everything downstream.

In half of all sequences a fixed vector is added at one site, at every position but the first. Which half is decided by
the first few token ids, by a hash: nothing that the text says tells, so that whoever tells the halves apart has found
the vector. A folder without planted.json is run as it is.
"""

import json
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from sparring.canonical import pretty_json
from sparring.hooks import site_module, visit_site
from sparring.sites import parse_site
from sparring.sources.folder import copy_model_files

PLANTED = "planted.json"
_VECTOR = "planted.safetensors"
_DECIDING = slice(1, 9)  # the token ids that are hashed
_MULTIPLIER, _MODULUS = 1_000_003, (1 << 31) - 1


def write_planted(subject: Path, *, site: str, vector: Float[Tensor, " d"], out: Path) -> None:
    """Copy the subject folder into the empty folder `out` and plant `vector` (raw units) at `site` there."""
    copy_model_files(subject, out=out)
    save_file({"vector": vector.float().contiguous()}, out / _VECTOR)
    (out / PLANTED).write_bytes(pretty_json({"control": "planted", "site": site}))


def is_planted(ids: Int[Tensor, "batch position"]) -> Bool[Tensor, " batch"]:
    """Which sequences have the vector: about half; of those too short to be told, as in generation, none."""
    if ids.shape[1] < _DECIDING.stop:
        return torch.zeros(len(ids), dtype=torch.bool, device=ids.device)
    found = torch.zeros(len(ids), dtype=torch.long, device=ids.device)
    for column in ids[:, _DECIDING].long().T:
        found = (found * _MULTIPLIER + column + 1) % _MODULUS
    return (found >> 7) % 2 == 1


def plant(model: Any, subject: Path) -> None:
    """Let forward passes of `model` have what planted.json of its folder says; where there is none, nothing changes."""
    if not (subject / PLANTED).is_file():
        return
    site = parse_site(json.loads((subject / PLANTED).read_bytes())["site"])
    vector = load_file(subject / _VECTOR, device=str(model.device))["vector"]
    now: dict[str, Tensor] = {}

    def look(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        now["planted"] = is_planted(kwargs["input_ids"] if "input_ids" in kwargs else args[0])

    def add(value: Tensor) -> Tensor | None:
        if not bool(now["planted"].any()):
            return None
        more = now["planted"][:, None, None] * vector.to(value)
        return torch.cat([value[:, :1], value[:, 1:] + more], dim=1)

    model.base_model.register_forward_pre_hook(look, with_kwargs=True)
    visit_site(site_module(model, site), site, add)
