"""How small a difference a head-to-head of this size can find."""

import math

from scipy.special import ndtri
from scipy.stats import nct, t


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


def latents_needed(effect: float, sd_a: float, sd_b: float, *, power: float = 0.8, alpha: float = 0.05) -> int:
    """Latents an arm with which a two-sided Welch test at `alpha` finds `effect` with probability `power`; at least 2.

    By the noncentral t distribution, as the normal approximation promises too much below some 20 latents an arm.
    ValueError at no effect.
    """
    if effect <= 0:
        raise ValueError(f"an effect of {effect} needs no number of latents: ask for one above 0")
    z = float(ndtri(1 - alpha / 2) + ndtri(power))
    n = max(2, int((sd_a**2 + sd_b**2) * (z / effect) ** 2))  # the normal approximation: never too many
    while welch_power(effect, sd_a, sd_b, n, alpha=alpha) < power:
        n += 1
    return n


def welch_power(effect: float, sd_a: float, sd_b: float, n: int, *, alpha: float = 0.05) -> float:
    """The probability that a two-sided Welch test at `alpha` with `n` latents an arm finds `effect`."""
    variance = (sd_a**2 + sd_b**2) / n
    if variance == 0:
        return 1.0
    freedom = (n - 1) * (sd_a**2 + sd_b**2) ** 2 / (sd_a**4 + sd_b**4)
    beyond = float(t.ppf(1 - alpha / 2, freedom))
    shift = effect / math.sqrt(variance)
    return float(nct.sf(beyond, freedom, shift) + nct.cdf(-beyond, freedom, shift))
