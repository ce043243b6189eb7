"""Each class against the others: which texts a probe is trained and tested on.

sae_bench's rule (probe_training.prepare_probe_data): all texts of the class, as many others, the other classes in equal
shares, all in a random order. The draws are those that sae_bench makes after `torch.manual_seed(seed)`, so that both
look at the same texts in the same order.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from sparring.errors import SparringError
from sparring.probing.labelled import LabelledTexts

Numbers = np.ndarray
_LEAST = 2  # texts of the class, and others, in each split


class Examples(NamedTuple):
    """int64 [example]: numbers of texts, and bool [example]: whether each is of the class."""

    texts: Numbers
    positive: np.ndarray


class Contrast(NamedTuple):
    """One class against the others."""

    label: str
    train: Examples
    test: Examples


def draw_contrasts(task: LabelledTexts, *, seed: int) -> list[Contrast]:
    """One contrast a class, in the order of the classes."""
    generator = torch.Generator().manual_seed(seed)
    members = {split: {label: task.of(label, split) for label in task.classes} for split in ("train", "test")}
    return [
        Contrast(label, _draw(members["train"], label, generator), _draw(members["test"], label, generator))
        for label in task.classes
    ]


def contrasts_of(task: LabelledTexts, labels: Sequence[str], *, seed: int, key: str) -> list[Contrast]:
    """Those of some classes, drawn as among all. Raises SparringError, naming the study's `key`, for one not there."""
    if absent := [label for label in labels if label not in task.classes]:
        raise SparringError(f"{key}: no class {absent[0]!r}; the task has {', '.join(task.classes)}")
    each = draw_contrasts(task, seed=seed)
    return [each[task.classes.index(label)] for label in labels]


def contrast_of(task: LabelledTexts, label: str, *, seed: int, key: str) -> Contrast:
    """One class against the others. Raises SparringError, naming `key`, for one not there or with too few texts."""
    (contrast,) = contrasts_of(task, [label], seed=seed, key=key)
    for split, (_, positive) in (("train", contrast.train), ("test", contrast.test)):
        if min(int(positive.sum()), int((~positive).sum())) < _LEAST:
            raise SparringError(
                f"{key}: class {label!r} has {int(positive.sum())} {split} texts against "
                f"{int((~positive).sum())} others; {_LEAST} of each are needed: raise the task's {split}"
            )
    return contrast


def balanced(examples: Examples, most: int) -> Examples:
    """The first `most` of them, half of the class, half of the others, in their order."""
    sides = [np.flatnonzero(examples.positive == side)[: most // 2] for side in (True, False)]
    at = np.sort(np.concatenate(sides))
    return Examples(examples.texts[at], examples.positive[at])


def _draw(members: dict[str, Numbers], label: str, generator: torch.Generator) -> Examples:
    positive = members[label]
    others = [name for name in members if name != label]
    each = math.ceil(len(positive) / len(others))
    shares = [members[name][_shuffled(len(members[name]), generator)[:each]] for name in others]
    negative = np.concatenate(shares)
    negative = negative[_shuffled(len(negative), generator)[: len(positive)]]
    texts = np.concatenate([positive, negative])
    order = _shuffled(len(texts), generator)
    return Examples(texts[order], (np.arange(len(texts)) < len(positive))[order])


def _shuffled(size: int, generator: torch.Generator) -> Numbers:
    return torch.randperm(size, generator=generator).numpy()
