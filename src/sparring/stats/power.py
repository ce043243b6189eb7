"""How small a difference a head-to-head of this size can find."""

import math

from scipy.special import ndtri


def minimum_detectable_effect(
    sd_a: float, n_a: int, sd_b: float, n_b: int, *, power: float = 0.8, alpha: float = 0.05
) -> float:
    """The difference of means that a two-sided test at `alpha` finds with probability `power`.

    (z_{1 - alpha/2} + z_{power}) * sqrt(sd_a^2 / n_a + sd_b^2 / n_b), the normal approximation; in the units of the
    SDs.
    """
    if n_a < 2 or n_b < 2:
        raise ValueError(f"the detectable effect needs two latents an arm, got {n_a} and {n_b}")
    return float(ndtri(1 - alpha / 2) + ndtri(power)) * math.sqrt(sd_a**2 / n_a + sd_b**2 / n_b)
