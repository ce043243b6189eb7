"""Sites: the places in a model whose activations are kept, named alike for every family.

    layers.N.resid_pre    what enters block N          layers.N.mlp.in           what enters its MLP module
    layers.N.resid_post   what leaves block N          layers.N.mlp.out          what leaves its MLP module
                                                       layers.N.mlp.out_normed   what leaves the norm after that

`mlp.in` and `mlp.out` are the input and output of the Hugging Face MLP module itself: after the norm before it, and
before the norm that follows it in a few families (Gemma 2 and 3, OLMo 2 and 3, EXAONE 4). In those alone there is
`mlp.out_normed`, which TransformerLens calls `hook_mlp_out`, and which Gemma Scope's MLP coders write.
No torch is imported here, so that a study can be checked against a config.json alone.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sparring.errors import SparringError

PLACES = ("resid_pre", "mlp.in", "mlp.out", "mlp.out_normed", "resid_post")
_SITE = re.compile(rf"layers\.(0|[1-9][0-9]*)\.({'|'.join(map(re.escape, PLACES))})")
# What TransformerLens calls a place of its block; `hook_mlp_out` is its name for what a norm after the MLP gives.
_LENS = {
    "resid_pre": "hook_resid_pre",
    "mlp.in": "mlp.hook_in",
    "mlp.out": "mlp.hook_out",
    "mlp.out_normed": "hook_mlp_out",
    "resid_post": "hook_resid_post",
}
_MODULES = {"mlp.in": ".mlp", "mlp.out": ".mlp", "mlp.out_normed": ".post_feedforward_layernorm"}
# Families whose blocks add norm(mlp(x)) to the residual: config.json names no norms (tests/test_sites.py looks).
POST_NORMED = ("exaone4", "gemma2", "gemma3", "gemma3_text", "olmo2", "olmo3")
# Where a family keeps its blocks below `base_model`; families not named here use `layers`.
_BLOCKS = {"gpt2": "h", "gpt_neo": "h", "gptj": "h", "bloom": "h", "falcon": "h"}


@dataclass(frozen=True)
class Site:
    """One site: the block's number and the place in it (one of PLACES)."""

    layer: int
    place: str

    @property
    def name(self) -> str:
        """As it is written in a study: layers.9.mlp.out."""
        return f"layers.{self.layer}.{self.place}"

    def hookpoint(self, config: dict[str, Any]) -> str:
        """The module below `model.base_model` that carries the site, which sparsify calls its hookpoint: layers.9.mlp.

        For a residual site it is the whole block.
        """
        return f"{self.block(config)}{_MODULES.get(self.place, '')}"

    def block(self, config: dict[str, Any]) -> str:
        """The module below `model.base_model` that is the site's block: layers.9."""
        return f"{_BLOCKS.get(config.get('model_type', ''), 'layers')}.{self.layer}"

    def side_of_norm(self, config: dict[str, Any]) -> str | None:
        """Of an MLP's output where a norm follows it: "before" or "after" that norm; else None."""
        sides = {"mlp.out": "before", "mlp.out_normed": "after"}
        return sides.get(self.place) if config.get("model_type") in POST_NORMED else None

    @property
    def lens_hook(self) -> str:
        """The hook of TransformerLens's TransformerBridge at this site: blocks.9.mlp.hook_out."""
        return f"blocks.{self.layer}.{_LENS[self.place]}"

    @property
    def is_input(self) -> bool:
        """Whether the site is what enters its module, not what leaves it."""
        return self.place in ("resid_pre", "mlp.in")


def parse_site(name: str) -> Site:
    """The site called `name`. Raises SparringError if the name has another form."""
    match = _SITE.fullmatch(name)
    if not match:
        raise SparringError(f"site {name!r} is malformed; write layers.N.PLACE with PLACE one of {', '.join(PLACES)}")
    return Site(int(match[1]), match[2])


def depth(name: str) -> tuple[int, int]:
    """Where a site comes in a forward pass: by block, then by place."""
    site = parse_site(name)
    return site.layer, PLACES.index(site.place)


def n_layers(config: dict[str, Any]) -> int:
    """The number of blocks that a config.json tells. Raises SparringError if it does not tell."""
    for key in ("num_hidden_layers", "n_layer", "num_layers"):
        if isinstance(config.get(key), int):
            return int(config[key])
    if isinstance(config.get("text_config"), dict):
        return n_layers(config["text_config"])
    raise SparringError(f"config.json of a {config.get('model_type')!r} model does not tell its number of layers")


def check_site(name: str, config: dict[str, Any]) -> Site:
    """The site called `name` if the model of `config` has it, else SparringError with the sites that there are."""
    site = parse_site(name)
    last = n_layers(config) - 1
    if site.layer > last:
        raise SparringError(f"site {name!r}: the model has layers.0 to layers.{last}, each with {', '.join(PLACES)}")
    family = config.get("model_type")  # not known before a model from the hub is there
    if site.place == "mlp.out_normed" and family is not None and family not in POST_NORMED:
        raise SparringError(
            f"site {name!r}: no norm follows the MLP in a {family} model (it does in {', '.join(POST_NORMED)}); "
            f"write layers.{site.layer}.mlp.out"
        )
    return site


def sides_of_norm(names: Iterable[str], config: dict[str, Any]) -> dict[str, str]:
    """{site: "before" or "after" the norm that follows the MLP}, for the sites that lie beside one."""
    found = {name: parse_site(name).side_of_norm(config) for name in names}
    return {name: side for name, side in found.items() if side is not None}
