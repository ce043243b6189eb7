"""A model's activations as others name them: Hugging Face's own outputs, and TransformerLens's hooks.

Read without `SiteReader`, over the whole model and one sequence at a time, so that an error of the cache's reader (a
wrong module, a wrong side of a norm, an offset, padding) cannot hide in both.
"""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sparring.sites import POST_NORMED, Site, n_layers

Rows = Float[Tensor, "position d"]


def from_hugging_face(model: Any, site: Site, ids: Int[Tensor, " position"]) -> Rows:
    """A residual site from `hidden_states`, an MLP's by a hook on the module that the family calls so.

    `hidden_states[N + 1]` is what leaves block N, but for the last block, whose entry has been through the final norm:
    that one is read from the block.
    """
    config = model.config.to_dict()
    block = model.base_model.get_submodule(site.block(config))
    seen: dict[str, Tensor] = {}

    def keep(name: str, value: Any) -> None:
        seen[name] = value[0] if isinstance(value, tuple) else value

    hooks = [
        block.register_forward_hook(lambda _, __, out: keep("block", out)),
        block.mlp.register_forward_pre_hook(lambda _, args: keep("mlp.in", args)),
        block.mlp.register_forward_hook(lambda _, __, out: keep("mlp.out", out)),
    ]
    if site.place == "mlp.out_normed":
        norm = block.post_feedforward_layernorm
        hooks.append(norm.register_forward_hook(lambda _, __, out: keep("mlp.out_normed", out)))
    try:
        with torch.no_grad():
            hidden = model(input_ids=ids[None], use_cache=False, output_hidden_states=True).hidden_states
    finally:
        for hook in hooks:
            hook.remove()
    if site.place.startswith("mlp"):
        return seen[site.place][0]
    if site.place == "resid_pre":
        return hidden[site.layer][0]
    return seen["block"][0] if site.layer == n_layers(config) - 1 else hidden[site.layer + 1][0]


def boot_bridge(folder: str, model: Any) -> Any:
    """`model` under TransformerLens; `folder` holds its config and tokenizer."""
    from transformer_lens.model_bridge import TransformerBridge

    return TransformerBridge.boot_transformers(folder, hf_model=model, device=str(model.device))


class Lens:
    """The same weights under TransformerLens (its TransformerBridge, which takes any family)."""

    def __init__(self, folder: str, model: Any) -> None:
        self._bridge = boot_bridge(folder, model)
        self._post_normed = model.config.model_type in POST_NORMED

    def read(self, site: Site, ids: Int[Tensor, " position"]) -> Rows:
        """The rows of `site`."""
        return self._hook(site.lens_hook, ids)

    def beside_a_norm(self, site: Site, ids: Int[Tensor, " position"]) -> Rows:
        """The rows on the wrong side of the norm next to `site`: the error that such names invite."""
        block = f"blocks.{site.layer}"
        if site.place == "mlp.in":
            return self._hook(f"{block}.ln2.hook_in", ids)
        if site.place == "resid_pre":
            return self._hook(f"{block}.ln1.hook_out", ids)
        if site.place == "mlp.out" and self._post_normed:
            return self._hook(f"{block}.hook_mlp_out", ids)
        if site.place == "mlp.out_normed":
            return self._hook(f"{block}.mlp.hook_out", ids)
        with torch.no_grad():
            return self._bridge.ln_final(self.read(site, ids)[None])[0]

    def _hook(self, name: str, ids: Int[Tensor, " position"]) -> Rows:
        with torch.no_grad():
            _, cache = self._bridge.run_with_cache(ids[None], names_filter=lambda found: found == name)
        return cache[name][0]
