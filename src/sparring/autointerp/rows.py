"""scores.parquet: one row a latent, metric, kind of explanation and example."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Float

from sparring.autointerp.asked import Asked
from sparring.autointerp.examples import Protocol

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


def example_rows(
    protocol: Protocol, asked: Asked, score: Float[np.ndarray, " examples"], **named: Any
) -> list[dict[str, Any]]:
    """The rows of one latent under one explanation; `named` are the columns that all of them share."""
    cut = protocol.windows
    sequence = protocol.cache.sequence[cut.sequence[asked.window]]
    return [
        {
            **named,
            "metric": asked.metric,
            "example": i,
            "label": i < asked.positives,
            "score": float(score[i]),
            "document": int(cut.document[window]),
            "sequence": int(sequence[i]),
            "start": int(cut.start[window]),
            "activation": float(asked.peak[i]),
            "marks": np.flatnonzero(asked.marks[i]).tolist(),
        }
        for i, window in enumerate(asked.window.tolist())
    ]
