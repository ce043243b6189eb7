"""The scaling of an arm's rows, measured on the train rows of the cache."""

from pathlib import Path

from sparring.coders.recipe import Arm, Recipe
from sparring.coders.replay import SiteRows
from sparring.coders.scaling import Scaling, nearest_power_of_two, rms

_BLOCK = 16_384


def measured_scaling(activations: Path, arm: Arm, recipe: Recipe) -> Scaling:
    """RMS of both sites and the powers of two that rows are divided by; 1 where the recipe scales nothing."""

    def measure(site: str) -> float:
        rows = SiteRows(activations, "train", site)
        return rms(rows[start : start + _BLOCK] for start in range(0, len(rows), _BLOCK))

    output = measure(arm.write_site)
    inputs = output if arm.kind == "sae" else measure(arm.read_site)
    if not recipe.scale:
        return Scaling(inputs, output, 1.0, 1.0)
    return Scaling(inputs, output, nearest_power_of_two(inputs), nearest_power_of_two(output))
