"""Where a coder from elsewhere says that it reads and writes, in the names of its library, against the study's sites.

A contradiction is an error before anything is measured: an SAE on the wrong side of a norm, or at the next layer, still
gives figures.
"""

import re
from dataclasses import dataclass

from sparring.coders.recipe import Arm, Kind
from sparring.errors import SparringError
from sparring.sites import POST_NORMED, Site

_LENS = {
    "hook_resid_pre": "resid_pre",
    "hook_resid_post": "resid_post",
    "mlp.hook_in": "mlp.in",
    "mlp.hook_out": "mlp.out",
    "ln2_post.hook_out": "mlp.out_normed",
}
_HUGGING_FACE = {
    "input": "resid_pre",
    "output": "resid_post",
    "mlp.input": "mlp.in",
    "mlp.output": "mlp.out",
    "pre_feedforward_layernorm.output": "mlp.in",
    "post_feedforward_layernorm.output": "mlp.out_normed",
}
_NUMBERED = re.compile(r"(?:.*\.)?(?:blocks|layers|h)\.(\d+)\.(.+)")


@dataclass(frozen=True)
class Declared:
    """What a coder's own files say of it; None where they say nothing. Hooks are names of TransformerLens or of
    Hugging Face's modules with .input or .output."""

    kind: Kind
    read: str | None
    write: str | None

    def check(self, arm: Arm, family: str | None) -> None:
        """Raises SparringError in one line where it contradicts `arm`, in a model of `family` (its model_type)."""
        if self.kind != arm.kind:
            raise SparringError(
                f"arm {arm.name}: its files hold a coder of kind {self.kind}, not {arm.kind}; write that"
            )
        for verb, hook, site in (("reads", self.read, arm.read_site), ("writes", self.write, arm.write_site)):
            if hook is None:
                continue
            found = site_of(hook, family)
            if found is None:
                raise SparringError(f"arm {arm.name}: its files say that it {verb} {hook}, which is no site here")
            if found.name != site:
                raise SparringError(
                    f"arm {arm.name}: its files say that it {verb} {hook}, which in a {family or 'such a'} model is "
                    f"{found.name}, not {site}; write layer: {found.layer} and the place {found.place}"
                )


def site_of(hook: str, family: str | None) -> Site | None:
    """The site that a hook's name means in a model of `family`, or None for a place that is no site here.

    `hook_mlp_in` is none: TransformerLens has it before the norm, while sae_lens writes it for what enters the MLP.
    """
    match = _NUMBERED.fullmatch(hook)
    if not match:
        return None
    place = match[2]
    if place == "hook_mlp_out":
        found: str | None = "mlp.out_normed" if family in POST_NORMED else "mlp.out"
    else:
        found = _LENS.get(place) if hook.startswith("blocks.") else _HUGGING_FACE.get(place)
    return None if found is None else Site(int(match[1]), found)
