"""The prepared subject model, loaded for use; and the activations at any of its sites in one forward pass."""

import functools
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import AutoModelForCausalLM
from transformers.utils import logging

from sparring.controls.iid_embeddings import draw_embeddings
from sparring.controls.planted import plant
from sparring.device import device
from sparring.errors import SparringError
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


def site_module(model: Any, site: Site) -> nn.Module:
    """The module that carries `site`. Raises SparringError, naming the modules there are, if the model has none."""
    config = model.config.to_dict()
    hookpoint = site.hookpoint(config)
    try:
        module: nn.Module = model.base_model.get_submodule(hookpoint)
    except AttributeError as error:
        names = [name for name, _ in model.base_model.named_modules() if f".{site.layer}." in f"{name}."]
        kind, there = config.get("model_type"), ", ".join(names[:12])
        raise SparringError(
            f"site {site.name!r}: a {kind} model has no module {hookpoint!r}; it has {there}"
        ) from error
    return module


def visit_site(
    module: nn.Module, site: Site, visit: Callable[[Tensor], Tensor | None]
) -> torch.utils.hooks.RemovableHandle:
    """Show `visit` the activations of `site` in each forward pass; what it returns, unless None, takes their place."""
    if site.is_input:

        def before(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            new = visit(args[0] if args else kwargs["hidden_states"])
            if new is None:
                return None
            return ((new, *args[1:]), kwargs) if args else (args, {**kwargs, "hidden_states": new})

        return module.register_forward_pre_hook(before, with_kwargs=True)

    def after(_: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
        several = isinstance(output, tuple)
        new = visit(output[0] if several else output)
        return new if new is None or not several else (new, *output[1:])

    return module.register_forward_hook(after)
