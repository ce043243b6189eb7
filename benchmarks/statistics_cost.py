"""What the statistics cost: the published bootstrap in seconds, and the memory of a run with its scored examples.

    snakemake results/headtohead_autointerp.json
    OMP_NUM_THREADS=1 python benchmarks/statistics_cost.py docs/benchmarks/statistics.md

On the latents' scores of a finished study, in the working directory: the fastest of ten bootstraps of 10,000 resamples,
and beside it, in the same process, the plain loop that it is number for number. Memory is what Snakemake measured.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sparring.manifest import read_manifest
from sparring.perlatent import read_scores
from sparring.stats.bootstrap import bootstrap_diff_of_means
from sparring.store import open_store

ARMS = ("sae", "transcoder")


def seconds(call: Callable[[], object], times: int) -> float:
    """The fastest of `times` calls."""
    found = []
    for _ in range(times):
        start = time.perf_counter()
        call()
        found.append(time.perf_counter() - start)
    return min(found)


def plain_loop(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    rng, found = np.random.default_rng(0), []
    for _ in range(10_000):
        left = a[rng.integers(0, len(a), len(a))]
        found.append(b[rng.integers(0, len(b), len(b))].mean() - left.mean())
    return np.array(found)


def peak(name: str) -> float:
    """Peak resident memory of a job in MB, by Snakemake's benchmark record."""
    header, *_, last = (Path("results/benchmarks") / f"{name}.tsv").read_text().splitlines()
    return float(dict(zip(header.split("\t"), last.split("\t"), strict=True))["max_rss"])


def main(page: Path) -> int:
    store, values, rows = open_store(), [], 0
    for arm in ARMS:
        manifest = read_manifest(Path(f"results/scores/{arm}.json"))
        assert manifest is not None
        path = store.path(manifest.files["scores.parquet"].sha256)
        rows += pq.read_metadata(path).num_rows
        values.append(read_scores(path).table("detection", "real").values)
    a, b = values
    fast = seconds(lambda: bootstrap_diff_of_means(a, b), 10)
    slow = seconds(lambda: plain_loop(a, b), 1)
    np.testing.assert_array_equal(bootstrap_diff_of_means(a, b).distribution, plain_loop(a, b))
    lines = [
        "# What the statistics cost",
        "",
        "`benchmarks/statistics_cost.py` on the default study, one core.",
        "",
        "| what | measured |",
        "| --- | ---: |",
        f"| bootstrap of {len(a)} + {len(b)} latents, 10,000 resamples, both intervals | {fast:.3f} s |",
        f"| the plain loop, number for number the same | {slow:.3f} s ({slow / fast:.1f} times) |",
        f"| scored examples of both arms | {rows:,} |",
        *(f"| peak memory, scoring {arm} | {peak(f'score-{arm}'):.0f} MB |" for arm in ARMS),
        f"| peak memory, head-to-head over all of them | {peak('headtohead'):.0f} MB |",
    ]
    page.write_text("\n".join(lines) + "\n")
    print("\n".join(lines))
    return int(fast >= 0.2 or max(peak("headtohead"), *(peak(f"score-{arm}") for arm in ARMS)) >= 1000)


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
