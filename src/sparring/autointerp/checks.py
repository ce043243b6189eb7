"""What is noted beside an arm's scores: fates, answers that could not be read, what the marks alone tell, entropies."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sparring.autointerp.examples import Examples, Protocol
from sparring.autointerp.marks import tell_auroc

TELL_GATE = 0.55


def checks(protocol: Protocol, rows: Sequence[dict[str, Any]], examples: Mapping[int, Examples]) -> dict[str, Any]:
    """What can be told without the explanations, what could not be read, and each latent's fate."""
    marks = np.concatenate([np.vstack([shown.true, shown.false[shown.placed]]) for shown in examples.values()])
    label = np.concatenate(
        [np.arange(len(shown.true) + shown.placed.sum()) < len(shown.true) for shown in examples.values()]
    )
    group = np.repeat(list(examples), [len(shown.true) + int(shown.placed.sum()) for shown in examples.values()])
    tell = tell_auroc(marks, label, group)
    unread = Counter(row["latent"] for row in rows if np.isnan(row["score"]))
    total = Counter(row["latent"] for row in rows)
    lost = sum(unread[latent] == total[latent] for latent in examples)
    shifted = sum(int((shown.shift[shown.placed] > 0).sum()) for shown in examples.values())
    leaked = protocol.pools.explainer & protocol.pools.scorer
    return {
        "fates": {"scored": len(examples) - lost, "unreadable": lost},
        "parse_rate": 1.0 - sum(unread.values()) / max(1, len(rows)),
        "unreadable_examples": sum(unread.values()),
        "tell_auroc": tell,
        "shifted_marks": shifted,
        "unplaced_marks": sum(int((~shown.placed).sum()) for shown in examples.values()),
        "gates": {
            "documents in both pools": len(leaked),
            f"marks alone tell the fuzz label (AUROC over {TELL_GATE})": int(tell is not None and tell >= TELL_GATE),
        },
    }


def token_entropies(protocol: Protocol, drawn: list[int]) -> dict[str, float]:
    """Bits of the distribution of each latent's activation over token ids, all documents: 0 is one token."""
    found = {}
    for latent in drawn:
        sequence, position, value = protocol.cache.of(latent)
        mass = np.bincount(protocol.cache.tokens[sequence, position].astype(np.int64), weights=value.astype(np.float64))
        share = mass[mass > 0] / mass.sum()
        found[str(latent)] = round(float(-(share * np.log2(share)).sum()), 4)
    return found
