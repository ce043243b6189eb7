"""Gemma Scope (npz) and Gemma Scope 2 (safetensors): JumpReLU coders, their names turned into sae_lens's.

sae_lens's own loaders of both download what they read, unpinned, and take widths from tables; here files that are
already there are read, and tests/test_coders_foreign.py holds the result against those loaders. In both releases b_dec
is not taken off the input, and rows are raw: what was scaled in training was folded before the release.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sae_lens import JumpReLUSAE, JumpReLUSAEConfig, JumpReLUTranscoder, JumpReLUTranscoderConfig
from sae_lens.saes.transcoder import JumpReLUSkipTranscoder, JumpReLUSkipTranscoderConfig
from safetensors.torch import load_file
from torch import Tensor

from sparring.coders.declared import Declared
from sparring.coders.recipe import Kind
from sparring.errors import SparringError

_LAYER = re.compile(r"layer_(\d+)")
_PARTS = {"res": "hook_resid_post", "mlp": "hook_mlp_out"}
_PART = re.compile(r"gemma-scope-[^/]*-(res|mlp|att|transcoders)\b")


def read_gemma_scope(folder: Path, place: str) -> tuple[Any, Declared]:
    """A Gemma Scope SAE: params.npz; layer and site are told by the names of its folders and its repository."""
    with np.load(folder / "params.npz", allow_pickle=False) as packed:
        arrays = {re.sub("^w_", "W_", name): torch.from_numpy(packed[name]) for name in packed.files}
    part, layer = _PART.search(place), _LAYER.search(place)
    if part is not None and part[1] not in _PARTS:
        raise SparringError(f"{place}: Gemma Scope's coders of {part[1]!r} read a place that is no site here")
    hook = f"blocks.{layer[1]}.{_PARTS[part[1]]}" if part is not None and layer is not None else None
    return _jump_relu(arrays), Declared("sae", hook, hook)


def read_gemma_scope_2(folder: Path, place: str) -> tuple[Any, Declared]:
    """A Gemma Scope 2 SAE, transcoder or skip transcoder: params.safetensors, and config.json where there is one."""
    path = folder / "config.json"
    config = json.loads(path.read_bytes()) if path.exists() else _inferred(place)
    if config.get("architecture") != "jump_relu":
        raise SparringError(f"{place}: Gemma Scope 2 has architecture 'jump_relu', not {config.get('architecture')!r}")
    raw = load_file(folder / "params.safetensors")
    names = {"w_enc": "W_enc", "w_dec": "W_dec", "affine_skip_connection": "W_skip"}
    arrays = {names.get(name, name): tensor for name, tensor in raw.items()}
    if arrays["W_dec"].ndim != 2:
        raise SparringError(f"{place}: a cross-layer transcoder writes several sites; take a coder of one")
    if "W_skip" in arrays:
        arrays["W_skip"] = arrays["W_skip"].T  # stored as [d_in, d_out]
    read, write = config.get("hf_hook_point_in"), config.get("hf_hook_point_out")
    if "hf_hook_point_out" not in config or write == read:
        return _jump_relu(arrays), Declared("sae", read, read)
    kind: Kind = "skip-transcoder" if "W_skip" in arrays else "transcoder"
    return _jump_relu(arrays, kind), Declared(kind, read, write)


def _inferred(place: str) -> dict[str, Any]:
    """What config.json would say, from the folders' names, for a release without one; as sae_lens infers it."""
    if "clt" in place or "attn_out" in place:
        raise SparringError(f"{place}: Gemma Scope 2's coders of attention and of several layers have no site here")
    layer = _LAYER.search(place)

    def at(part: str) -> str | None:
        return f"model.layers.{layer[1]}.{part}" if layer else None

    normed = at("post_feedforward_layernorm.output")
    config: dict[str, Any] = {"architecture": "jump_relu"}
    if "transcoder" in place:
        return config | {"hf_hook_point_in": at("pre_feedforward_layernorm.output"), "hf_hook_point_out": normed}
    if "mlp_out" in place:
        return config | {"hf_hook_point_in": normed}
    return config | ({"hf_hook_point_in": at("output")} if "resid_post" in place else {})


@torch.no_grad()
def _jump_relu(arrays: Mapping[str, Tensor], kind: Kind = "sae") -> Any:
    """sae_lens's class with the weights; a weight too many, too few or of another shape is a RuntimeError."""
    d_in, width = arrays["W_enc"].shape
    common: dict[str, Any] = {"d_in": d_in, "d_sae": width, "apply_b_dec_to_input": False}
    if kind == "sae":
        made = JumpReLUSAE(JumpReLUSAEConfig(**common))
    else:
        common["d_out"] = arrays["W_dec"].shape[1]
        made = (
            JumpReLUTranscoder(JumpReLUTranscoderConfig(**common))
            if kind == "transcoder"
            else JumpReLUSkipTranscoder(JumpReLUSkipTranscoderConfig(**common))
        )
    made.load_state_dict({name: array.float().contiguous() for name, array in arrays.items()})
    return made.requires_grad_(False)
