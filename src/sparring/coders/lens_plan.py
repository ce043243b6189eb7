"""What sae_lens's training classes take besides the recipe. No torch is imported: a study is read at each parse."""

from dataclasses import dataclass, field
from typing import Literal

from sparring.coders.recipe import Kind, Recipe
from sparring.errors import SparringError

Architecture = Literal["topk", "jumprelu", "batchtopk", "matryoshka"]
Penalty = Literal["quadratic", "step", "tanh"]
# Which keys mean something for which architecture.
_KEYS = {
    "jumprelu": ("penalty", "l0_coefficient", "l0_warmup", "bandwidth", "init_threshold", "ste_to_input"),
    "batchtopk": ("threshold_lr", "aux_coefficient", "dead_steps"),
    "matryoshka": ("threshold_lr", "aux_coefficient", "dead_steps", "widths"),
}


@dataclass(frozen=True)
class LensPlan:
    """Keys of a coder that sae_lens trains; each means something for some architectures only."""

    penalty: Penalty = "quadratic"
    """jumprelu: of L0. quadratic (Gemma Scope 2): 2/k (L0 - k)^2, k the recipe's; step: L0; tanh: sum tanh(4 z |w|)."""
    l0_coefficient: float = 0.002
    """jumprelu: what the penalty weighs beside the squared error of a row, in units of its d dimensions."""
    l0_warmup: float = 0.1
    """jumprelu: share of the steps over which that weight rises from 0."""
    bandwidth: float = 0.05
    """jumprelu: width of the window about the threshold in which it gets a gradient."""
    init_threshold: float = 0.01
    """jumprelu: where thresholds start."""
    ste_to_input: bool = True
    """jumprelu: whether that gradient reaches the encoder, too."""
    threshold_lr: float | None = None
    """batchtopk, matryoshka: of the running mean that becomes the threshold; None: 0.01, or what so few steps need."""
    aux_coefficient: float = 1.0
    """batchtopk, matryoshka: of the loss by which dead latents learn the error; 0: off."""
    dead_steps: int = 1000
    """batchtopk, matryoshka: steps without firing after which a latent is dead."""
    widths: list[int] = field(default_factory=list)
    """matryoshka: the nested widths, rising to the recipe's; []: an eighth, a quarter, a half and all of it."""


def check_plan(arm: str, kind: Kind, architecture: Architecture, plan: LensPlan | None, recipe: Recipe) -> None:
    """Raises SparringError in one line for keys that contradict each other; `plan` is None where none is written."""
    where = f"coders.{arm}"
    if architecture == "topk":
        if plan is not None:
            raise SparringError(f"{where}.sae_lens: a topk coder is trained by sparsify; take sae_lens away")
        return
    if kind != "sae":
        raise SparringError(
            f"{where}.architecture: {architecture!r} with kind {kind!r}: sae_lens has no training class for "
            "transcoders; take topk, or kind sae"
        )
    if recipe.optimizer != "adam":
        raise SparringError(
            f"{where}.architecture: {architecture!r} is trained with Adam; set recipe.optimizer to adam"
        )
    given, default = plan or LensPlan(), LensPlan()
    for key in LensPlan.__dataclass_fields__:
        if getattr(given, key) != getattr(default, key) and key not in _KEYS[architecture]:
            raise SparringError(
                f"{where}.sae_lens.{key}: means nothing for {architecture}; known keys: "
                f"{', '.join(_KEYS[architecture])}"
            )
    if architecture == "matryoshka":
        widths = widths_of(given, recipe)
        if widths != sorted(set(widths)) or widths[0] < 1 or widths[-1] != recipe.width:
            raise SparringError(
                f"{where}.sae_lens.widths: {widths} must rise, from 1 or more to recipe.width = {recipe.width}"
            )


def widths_of(plan: LensPlan, recipe: Recipe) -> list[int]:
    """The nested widths of a Matryoshka coder."""
    return plan.widths or sorted({max(1, recipe.width // part) for part in (8, 4, 2, 1)})


def threshold_lr(plan: LensPlan, recipe: Recipe) -> float:
    """Of the running mean of the least value kept, which sae_lens starts at 0 without correcting for it.

    After n steps it lacks (1 - lr)^n of its way; by default that is at most 1e-4.
    """
    if plan.threshold_lr is not None:
        return plan.threshold_lr
    return max(0.01, 1 - 1e-4 ** (1 / recipe.steps))
