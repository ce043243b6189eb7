"""Do the intervals cover, are verdicts false as seldom as they say, does the power table hold? By simulation.

    python benchmarks/coverage.py docs/benchmarks/coverage.md --simulations 2000

Head-to-heads at the scale of the published study: 58 against 60 latents whose accuracies have SDs of 0.061 and 0.101,
examples nested in latents (accuracy over 80 examples: at that number the binomial noise leaves the reliabilities that
the study's scorers had). Every figure comes from the functions that give the verdict.
"""

import argparse
import math
import os
import sys
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sparring.progress import progress
from sparring.stats.bootstrap import bootstrap_diff_of_means
from sparring.stats.expanded import expanded_interval
from sparring.stats.family import benjamini_hochberg
from sparring.stats.permutation import permutation_p
from sparring.stats.power import latents_needed
from sparring.verdict import leader

LOW, HIGH = 0.061, 0.101
_CHUNK = 50
_HEAD = """# Coverage, false verdicts, power: simulated head-to-heads

`benchmarks/coverage.py`: {simulations} simulated head-to-heads a scenario ({null} where there is no difference, as
2,000 cannot tell 5% from 6%), {resamples} resamples and permutations each,
by the functions that give the verdict. An arm *wins* where all three 95% intervals exclude 0 and the permutation p is
below 0.05. *Percentile* is the published interval, *few* the same one corrected for few latents (`stats/expanded.py`).
± is the Monte Carlo error of the simulation. Where the arms are drawn alike ("both SD") the permutation test is exact,
so an arm wins in at most 5.0% whatever a simulation shows.

| scenario | percentile covers | BCa covers | few covers | percentile excludes 0 | an arm wins |
| --- | ---: | ---: | ---: | ---: | ---: |"""


@dataclass(frozen=True)
class Scenario:
    """Two arms: numbers of latents, SDs of observed accuracies, the true difference, the latents' distribution."""

    name: str
    n: tuple[int, int] = (58, 60)
    sd: tuple[float, float] = (LOW, HIGH)
    effect: float = 0.0
    skewed: bool = False
    mean: float = 0.68
    examples: int = 80

    def arm(self, which: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Observed accuracies of one arm's latents."""
        mean = self.mean + self.effect * which
        noise = mean * (1 - mean) / self.examples
        between = math.sqrt((self.sd[which] ** 2 - noise) / (1 - 1 / self.examples))
        size = self.n[which]
        # Skewed: few latents far below the others, with the same mean and SD.
        drawn = 1 - rng.exponential(size=size) if self.skewed else rng.normal(size=size)
        truth = np.clip(mean + between * drawn, 0.0, 1.0)
        return rng.binomial(self.examples, truth) / self.examples


class Outcome(NamedTuple):
    """One simulated head-to-head: does each interval hold the truth, and does an arm win, by the verdict's own rule?"""

    percentile: bool
    bca: bool
    few: bool
    excludes: bool
    wins: bool
    p: float


SCENARIOS = (
    Scenario("published, no difference"),
    Scenario("no difference, both SD 0.061", sd=(LOW, LOW)),
    Scenario("no difference, both SD 0.101", sd=(HIGH, HIGH)),
    Scenario("no difference, skewed", skewed=True),
    Scenario("no difference, 120 against 30 latents", n=(120, 30)),
    Scenario("no difference, 200 against 200 latents", n=(200, 200)),
    Scenario("published, difference 0.05", effect=0.05),
    Scenario("difference 0.05, skewed", effect=0.05, skewed=True),
)
POWERED = tuple(
    Scenario(f"power table: {effect}, {n} latents an arm", n=(n, n), effect=effect)
    for effect in (0.02, 0.05, 0.1)
    for n in (latents_needed(effect, LOW, HIGH),)
)


def simulate(scenario: Scenario, seed: tuple[int, ...], number: int, resamples: int) -> list[Outcome]:
    """`number` head-to-heads of `scenario`."""
    rng = np.random.default_rng(seed)
    return [_one(scenario, rng, resamples) for _ in range(number)]


def _one(scenario: Scenario, rng: np.random.Generator, resamples: int) -> Outcome:
    a, b = scenario.arm(0, rng), scenario.arm(1, rng)
    seed = int(rng.integers(1 << 32))
    found = bootstrap_diff_of_means(a, b, resamples=resamples, seed=seed)
    p = permutation_p(a, b, permutations=resamples, seed=seed)
    excludes = found.ci[0] > 0 or found.ci[1] < 0
    few = expanded_interval(found.distribution, a, b)
    figures = {"ci95": found.ci, "ci95_bca": found.bca, "ci95_expanded": few, "p": p}
    wins = leader(figures, ["a", "b"]) is not None
    covers = [low <= scenario.effect <= high for low, high in (found.ci, found.bca or found.ci, few)]
    return Outcome(*covers, excludes, wins, p)


def false_discoveries(seed: tuple[int, ...], resamples: int, members: int = 20, real: int = 5) -> float:
    """The share of false ones among the discoveries of one family, by Benjamini and Hochberg at 0.05."""
    rng = np.random.default_rng(seed)
    plain = Scenario("member")
    members_of = [replace(plain, effect=0.05 if i < real else 0.0) for i in range(members)]
    q = benjamini_hochberg({str(i): _one(member, rng, resamples).p for i, member in enumerate(members_of)})
    found = [int(name) for name, value in q.items() if value <= 0.05]
    return sum(i >= real for i in found) / max(1, len(found))


def rate(values: Iterable[float]) -> str:
    """A share in percent with its Monte Carlo error."""
    sample = np.array(list(values), dtype=np.float64)
    return f"{sample.mean():.1%} ± {sample.std() / math.sqrt(sample.size):.1%}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("page", type=Path)
    parser.add_argument("--simulations", type=int, default=2000)
    parser.add_argument("--null-simulations", type=int, default=10_000)
    parser.add_argument("--families", type=int, default=200)
    parser.add_argument("--resamples", type=int, default=2000)
    options = parser.parse_args()
    null = max(options.null_simulations, options.simulations)
    every = [(one, options.simulations if one.effect else null) for one in (*SCENARIOS, *POWERED)]
    lines = [_HEAD.format(simulations=options.simulations, null=null, resamples=options.resamples)]
    with (
        ProcessPoolExecutor(os.cpu_count()) as pool,
        progress(sum(number for _, number in every), desc="coverage", unit="head-to-head") as bar,
    ):
        for place, (scenario, number) in enumerate(every):
            chunks = [
                pool.submit(simulate, scenario, (0, place, chunk), _CHUNK, options.resamples)
                for chunk in range(number // _CHUNK)
            ]
            outcomes: list[Outcome] = []
            for chunk in chunks:
                outcomes += chunk.result()
                bar.update(_CHUNK)
            columns = [rate(float(outcome[i]) for outcome in outcomes) for i in range(5)]
            lines.append(f"| {scenario.name} | {' | '.join(columns)} |")
            print(lines[-1], file=sys.stderr, flush=True)
        families = [
            pool.submit(false_discoveries, (1, family), options.resamples) for family in range(options.families)
        ]
        shares = [family.result() for family in families]
    lines += [
        "",
        f"False discovery rate over families of 20 comparisons, 5 of them with a difference of 0.05, by Benjamini and "
        f"Hochberg at 5%: {rate(shares)} ({options.families} families).",
    ]
    options.page.write_text("\n".join(lines) + "\n")
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
