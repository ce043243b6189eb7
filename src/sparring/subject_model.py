"""The prepared subject model, loaded for use; and the activations at any of its sites in one forward pass."""

import functools
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import AutoModelForCausalLM
from transformers.utils import logging

from sparring.controls.iid_embeddings import draw_embeddings
from sparring.controls.planted import plant
from sparring.device import device
from sparring.errors import SparringError
from sparring.hooks import site_module, visit_site
from sparring.sites import Site, check_site

logging.disable_progress_bar()


class _Stop(Exception):
    """Raised by the last wanted hook: nothing after it needs to run."""


def load_subject(folder: Path) -> Any:
    """The model of a subject folder in float32 and evaluation mode, on the GPU if there is one.

    Never half precision: residual streams overflow float16, and bfloat16 is slower than float32 on most CPUs.
    What a control wrote into the folder is done: embeddings drawn anew, or a concept planted (sparring.controls).
    Raises SparringError if the folder's weights are not exactly those that its config.json calls for.
    """
    model, info = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, local_files_only=True, use_safetensors=True, output_loading_info=True
    )
    for problem in ("missing_keys", "mismatched_keys"):
        if info[problem]:
            raise SparringError(
                f"subject {folder}: {problem.replace('_', ' ')} in the weights: {sorted(info[problem])[:4]}"
            )
    model = model.to(device()).eval().requires_grad_(False)
    draw_embeddings(model, folder)
    plant(model, folder)
    return model


class SiteReader:
    """Reads any number of sites of a model in one forward pass that stops after the last of them.

    model: a causal language model of transformers. sites: names (sparring.sites).
    Raises SparringError for a site that the model does not have.
    """

    def __init__(self, model: Any, sites: tuple[str, ...]) -> None:
        config = model.config.to_dict()
        self._model = model
        self._sites = [check_site(name, config) for name in sites]
        self._modules = [site_module(model, site) for site in self._sites]

    @torch.no_grad()
    def read(
        self, input_ids: Int[Tensor, "batch position"], attention_mask: Int[Tensor, "batch position"] | None = None
    ) -> dict[str, Float[Tensor, "batch position d"]]:
        """{site: activations} for token ids padded on the right.

        Without a mask, padding is run like text: in a causal model no earlier position can see it.
        """
        found: dict[str, Tensor] = {}

        def keep(site: Site, value: Tensor) -> None:
            found[site.name] = value
            if len(found) == len(self._sites):
                raise _Stop

        with ExitStack() as hooks:
            for site, module in zip(self._sites, self._modules, strict=True):
                handle = visit_site(module, site, functools.partial(keep, site))
                hooks.callback(handle.remove)
            try:
                self._model.base_model(input_ids=input_ids, attention_mask=attention_mask, use_cache=False)
            except _Stop:
                return {site.name: found[site.name] for site in self._sites}
        absent = [site.name for site in self._sites if site.name not in found]
        raise SparringError(f"site {absent[0]!r}: the model's forward pass never reached it")
