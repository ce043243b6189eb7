"""From a score stage's rows (one a latent, metric, explanation and example) to one figure a latent."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sparring.errors import SparringError
from sparring.stats.auroc import auroc
from sparring.stats.documents import Examples
from sparring.stats.reliability import reliability

_COLUMNS = ["metric", "explanation", "latent", "example", "label", "score", "document"]


@dataclass(frozen=True)
class LatentScores:
    """The AUROC of every latent that has one, latents ascending, for one metric and kind of explanation of one arm.

    `variances` are DeLong's sampling variances (NaN where undefined); `unmeasured` are the latents whose readable
    examples were all of one label; `unreadable` of `examples` answers could not be read; `judged` holds the readable
    examples of each latent that has a figure.
    """

    latents: NDArray[np.int64]
    values: NDArray[np.float64]
    variances: NDArray[np.float64]
    unmeasured: tuple[int, ...]
    examples: int
    unreadable: int
    judged: tuple[Examples, ...]


@dataclass(frozen=True)
class ArmScores:
    """What one arm's scores.parquet says: `tables[metric, explanation]`, and whether any row stands there twice."""

    tables: dict[tuple[str, str], LatentScores]
    repeated_rows: int

    def table(self, metric: str, explanation: str) -> LatentScores:
        """The latents' figures; empty where nothing was scored."""
        none = np.empty(0, dtype=np.int64)
        nothing = _per_latent(none, np.empty(0, dtype=bool), np.empty(0), none)
        return self.tables.get((metric, explanation), nothing)


def read_scores(path: Path) -> ArmScores:
    """Read the scores.parquet at `path` and take each latent's AUROC; SparringError if a column is missing."""
    missing = sorted(set(_COLUMNS) - set(pq.read_schema(path).names))
    if missing:
        raise SparringError(f"{path.name} lacks the columns {', '.join(missing)}: score again with this version")
    # Sorted, so that neither the order of the rows nor of the sums over them shows in a figure.
    rows = pq.read_table(path, columns=_COLUMNS).sort_by([(name, "ascending") for name in _COLUMNS])
    tables, repeated = {}, 0
    for key in rows.group_by(["metric", "explanation"]).aggregate([]).to_pylist():
        metric, explanation = key["metric"], key["explanation"]
        here = rows.filter((pc.field("metric") == metric) & (pc.field("explanation") == explanation))
        latent, example, label, score, document = (here[name].to_numpy() for name in _COLUMNS[2:])
        tables[metric, explanation] = _per_latent(
            latent.astype(np.int64), label, score.astype(np.float64), document.astype(np.int64)
        )
        repeated += int(((np.diff(latent) == 0) & (np.diff(example) == 0)).sum())
    return ArmScores(tables, repeated)


def _per_latent(
    latent: NDArray[np.int64], label: NDArray[np.bool_], score: NDArray[np.float64], document: NDArray[np.int64]
) -> LatentScores:
    """The figure of each latent of rows sorted by latent."""
    names, starts = np.unique(latent, return_index=True)
    ends = np.append(starts, latent.size)[1:]
    spans = [slice(i, j) for i, j in zip(starts, ends, strict=True)]
    areas = [auroc(label[span], score[span]) for span in spans]
    measured = [(int(name), area) for name, area in zip(names, areas, strict=True) if area.value is not None]
    readable = ~np.isnan(score)
    kept = [
        np.flatnonzero(readable[span]) + span.start
        for span, area in zip(spans, areas, strict=True)
        if area.value is not None
    ]
    return LatentScores(
        latents=np.array([name for name, _ in measured], dtype=np.int64),
        values=np.array([area.value for _, area in measured], dtype=np.float64),
        variances=np.array(
            [np.nan if area.variance is None else area.variance for _, area in measured], dtype=np.float64
        ),
        unmeasured=tuple(int(name) for name, area in zip(names, areas, strict=True) if area.value is None),
        examples=int(latent.size),
        unreadable=int((~readable).sum()),
        judged=tuple(Examples(label[rows], score[rows], document[rows]) for rows in kept),
    )


def paired(first: LatentScores, second: LatentScores) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The figures of the latents that both tables hold, in one order."""
    _, i, j = np.intersect1d(first.latents, second.latents, assume_unique=True, return_indices=True)
    return first.values[i], second.values[j]


def table_reliability(tables: Sequence[LatentScores]) -> float | None:
    """The reliability (stats/reliability.py) of tables of one metric, a group each; variances unknown are left out."""
    known = [np.isfinite(table.variances) for table in tables]
    return reliability(
        [table.values[ok] for table, ok in zip(tables, known, strict=True)],
        [table.variances[ok] for table, ok in zip(tables, known, strict=True)],
    )
