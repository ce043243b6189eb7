"""Hooks at the sites of a loaded model: which module carries a site, and what is shown there in each forward pass."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from sparring.errors import SparringError
from sparring.sites import Site


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
