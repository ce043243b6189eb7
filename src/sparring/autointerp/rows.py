"""scores.parquet: one row a latent, metric, kind of explanation and example."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Float

from sparring.autointerp.examples import Examples, Protocol

SCHEMA = pa.schema(
    [
        ("arm", pa.string()),
        ("metric", pa.string()),
        ("latent", pa.int32()),
        ("explanation", pa.string()),
        ("explained_by", pa.int32()),
        ("example", pa.int32()),
        ("label", pa.bool_()),
        ("score", pa.float32()),
        ("document", pa.int32()),
        ("sequence", pa.int32()),
        ("start", pa.int16()),
        ("activation", pa.float32()),
        ("marks", pa.list_(pa.int8())),
    ]
)


def to_table(rows: Sequence[dict[str, Any]]) -> pa.Table:
    """The rows with their types."""
    return pa.Table.from_pylist(list(rows), schema=SCHEMA)


def latent_rows(
    protocol: Protocol,
    examples: Examples,
    fit: tuple[Float[np.ndarray, "positives window"], Float[np.ndarray, "negatives window"]],
    *,
    metric: str,
    **named: Any,
) -> list[dict[str, Any]]:
    """Rows of one latent under one explanation, from how well each token of its windows fits that explanation.

    Detection asks whether the explanation applies to the text: the best token's fit. Fuzz asks whether the marked
    tokens are the ones: the marked tokens' mean fit. `named` are the columns that all the rows share.
    """
    positive, negative = fit
    if metric == "detection":
        window = np.concatenate([examples.positive, examples.negative])
        score = np.concatenate([positive.max(axis=1), negative.max(axis=1)])
        peak = np.concatenate([examples.peak, np.zeros(len(negative))])
        marks = np.zeros((len(window), 0), dtype=bool)
    else:
        placed = examples.placed
        window = np.concatenate([examples.positive, examples.positive[placed]])
        peak = np.concatenate([examples.peak, examples.peak[placed]])
        marks = np.vstack([examples.true, examples.false[placed]])
        score = _marked_mean(np.vstack([positive, positive[placed]]), marks)
    cut = protocol.windows
    sequence = protocol.cache.sequence[cut.sequence[window]]
    return [
        {
            **named,
            "metric": metric,
            "example": i,
            "label": i < len(examples.positive),
            "score": float(score[i]),
            "document": int(cut.document[window[i]]),
            "sequence": int(sequence[i]),
            "start": int(cut.start[window[i]]),
            "activation": float(peak[i]),
            "marks": np.flatnonzero(marks[i]).tolist(),
        }
        for i in range(len(window))
    ]


def _marked_mean(
    fit: Float[np.ndarray, "examples window"], marks: Bool[np.ndarray, "examples window"]
) -> Float[np.ndarray, " examples"]:
    return (fit * marks).sum(axis=1) / marks.sum(axis=1)
