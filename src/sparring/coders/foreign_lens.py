"""A coder in sae_lens's own files, of any version, through its own loader."""

import json
import warnings
from pathlib import Path
from typing import Any

from sae_lens import SAE
from sae_lens.registry import SAE_CLASS_REGISTRY

from sparring.coders import lens_classes  # noqa: F401 (registers the class that sae_lens has not)
from sparring.coders.declared import Declared
from sparring.coders.lens_canonical import fold_decoder_norms
from sparring.coders.lens_files import kind_of
from sparring.errors import SparringError


def read_sae_lens(folder: Path, place: str) -> tuple[Any, Declared]:
    """The coder of `folder` in float32, decoder norms folded, and what its metadata say."""
    named = json.loads((folder / "cfg.json").read_bytes()).get("architecture", "standard")
    if named not in SAE_CLASS_REGISTRY:
        raise SparringError(f"{place}: sae_lens knows no architecture {named!r}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sae = SAE.load_from_disk(folder, device="cpu", dtype="float32").requires_grad_(False)
    kind = kind_of(sae.cfg.architecture())
    fold_decoder_norms(sae)
    said = sae.cfg.metadata
    # Hugging Face's names, where there are any, are the plainer ones (see declared.site_of on hook_mlp_in).
    read = said.hf_hook_name or said.hook_name
    write = read if kind == "sae" else said.hf_hook_name_out or said.hook_name_out
    return sae, Declared(kind, read, write)
