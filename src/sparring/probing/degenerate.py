"""Texts and latents of which a probe can say nothing: refused where there is no figure, else said in words."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from sparring.errors import SparringError
from sparring.probing.contrasts import Contrast
from sparring.probing.labelled import SPLITS, LabelledTexts
from sparring.probing.probe import mean_difference

_ALPHA = 0.05


def check_texts(texts: LabelledTexts) -> None:
    """SparringError for a single class, or a class that has not two texts in each split."""
    if len(texts.classes) < 2:
        raise SparringError(f"probing: every text is of class {texts.classes[0]!r}; a probe needs two classes")
    for label in texts.classes:
        for split in SPLITS:
            if (there := len(texts.of(label, split))) < 2:
                raise SparringError(
                    f"probing: class {label!r} has {there} texts in the {split} split and needs at least 2; raise the "
                    f"task's {split} or name other labels"
                )


def doubtful_texts(texts: LabelledTexts, contents: Sequence[bytes], contrasts: Sequence[Contrast]) -> list[str]:
    """Classes of one and the same text, and of too few to tell anything. `contents`: each text's counted tokens."""
    found = []
    for label in texts.classes:
        for split in SPLITS:
            mine = texts.of(label, split)
            if len({contents[n] for n in mine}) == 1:
                found.append(
                    f"All {len(mine)} {split} texts of {label} hold the same tokens: its figures rest on one text."
                )
    for one in contrasts:
        examples = len(one.test.texts)
        if 2 * 0.5**examples > _ALPHA:  # of a fair coin's throws, even all alike are no news
            found.append(
                f"{one.label} is tested on {examples} texts, too few to tell any probe from chance: raise the test."
            )
    return found


def cut_alike(texts: LabelledTexts, contents: Sequence[bytes]) -> list[str]:
    """Test texts whose counted tokens are those of a training text, which were different texts before they were cut."""
    train = {content for content, is_train in zip(contents, texts.is_train, strict=True) if is_train}
    both = sum(content in train for content, is_train in zip(contents, texts.is_train, strict=True) if not is_train)
    return [f"{both} test texts begin like a training text: the tokens that are run are the same."] if both else []


def never_fire(latents: Float[Tensor, "text latent"]) -> int:
    """Latents that fire in no text."""
    return int((~(latents > 0).any(dim=0)).sum())


def doubtful_latents(latents: Float[Tensor, "text latent"], contrasts: Sequence[Contrast], most: int) -> list[str]:
    """A dead coder, and classes in which fewer than `most` latents differ from the others on average."""
    if not bool((latents > 0).any()):
        return [f"None of the {latents.shape[1]} latents fires in any text: their probes guess."]
    found = []
    for one in contrasts:
        gap = mean_difference(latents[one.train.texts], one.train.positive)
        there = int(torch.count_nonzero(gap))
        if there < most:
            found.append(
                f"Only {there} latents differ on average between the training texts of {one.label} and the others': "
                f"the {most} best include some that say nothing."
            )
    return found
