"""What a probe of one arm sees: one vector of latents, one of its read site's rows, and the tokens of each text."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from sparring.coders.recipe import Arm
from sparring.errors import SparringError
from sparring.probing.labelled import LabelledTexts
from sparring.probing.means import mean_latents, mean_rows
from sparring.probing.task_rows import TaskRows


class ArmFiles(NamedTuple):
    """An arm, the folders of its coder and of its own model's rows of the task's texts; of a control, what it is."""

    arm: Arm
    coder: Path
    task_rows: Path
    what: str = ""


class Vectors(NamedTuple):
    """Means over the counted tokens of each text, and those tokens: the id and the text's number of each row."""

    arm: Arm
    latents: Float[Tensor, "text latent"]
    rows: Float[Tensor, "text d"]
    tokens: Int[np.ndarray, " row"]
    text: Int[np.ndarray, " row"]

    @property
    def contents(self) -> list[bytes]:
        """The counted tokens of each text, to be compared."""
        edges = np.searchsorted(self.text, np.arange(1, len(self.rows)))
        return [part.tobytes() for part in np.split(self.tokens, edges)]


def read_vectors(files: ArmFiles, texts: LabelledTexts) -> Vectors:
    """The vectors of one arm. SparringError for rows or latents that are not finite, or rows of other texts."""
    with TaskRows(files.task_rows) as task_rows:
        tokens, text = task_rows.tokens, task_rows.text
    number = len(texts.texts)
    if (there := len(np.unique(text))) != number:
        raise SparringError(f"probing of {files.arm.name}: rows of {there} texts where the task has {number}")
    rows = mean_rows(files.arm.read_site, files.task_rows)
    _check_finite(files.arm, f"activations at {files.arm.read_site}", rows, texts)
    latents = mean_latents(files.coder, files.task_rows, number)
    _check_finite(files.arm, "latents", latents, texts)
    return Vectors(files.arm, latents, rows, tokens, text)


def check_same_texts(arm: Vectors, twin: Vectors) -> None:
    """SparringError unless both were run on the same tokens of the same texts: only then are answers pairs."""
    same = np.array_equal(arm.text, twin.text) and np.array_equal(arm.tokens, twin.tokens)
    if not same:
        raise SparringError(
            f"probing of {arm.arm.name}: its control {twin.arm.name} was run on other texts or other tokens, so their "
            "answers are no pairs; derive the rows of both from one task with one tokenizer"
        )


def _check_finite(arm: Arm, what: str, vectors: Float[Tensor, "text column"], texts: LabelledTexts) -> None:
    broken = (~torch.isfinite(vectors).all(dim=1)).nonzero().flatten()
    if len(broken):
        raise SparringError(
            f"probing of {arm.name}: the {what} are not finite in {len(broken)} of {len(vectors)} texts, the first of "
            f"them {texts.texts[int(broken[0])]!r:.60}; the model or the coder overflows: derive them again"
        )
