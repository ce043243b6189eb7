"""Small labelled texts, and what is made of them, for tests."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from tiny import tiny_model, tiny_tokenizer

from sparring.probing.task import prepare_task
from sparring.probing.task_rows import capture_task
from sparring.sources.source import Source

CLASSES = {"money": "bank market shares price", "rain": "storm cloud river flood", "sport": "goal match team league"}
PLAIN: dict[str, Any] = {
    "format": "txt",
    "text": "text",
    "label": None,
    "balance": None,
    "labels": [],
    "train": 20,
    "test": 12,
    "seed": 0,
}


def topic_folder(folder: Path, number: int = 18, *, seed: int = 0) -> Path:
    """`number` texts of 6 to 30 words a class, each a file in the folder of its class; half the words are anybody's."""
    rng = np.random.default_rng(seed)
    for label, words in CLASSES.items():
        (folder / label).mkdir(parents=True)
        for n in range(number):
            pool = [*words.split(), "the", "of", "said", "mayor"]
            text = f"{n} " + " ".join(rng.choice(pool, size=int(rng.integers(6, 30))))
            (folder / label / f"{n:03}.txt").write_text(text)
    return folder


def tiny_task(folder: Path, source: Path, **changes: Any) -> dict[str, Any]:
    """`prepare_task` on a local folder, into the new folder `folder`."""
    folder.mkdir()
    return prepare_task(Source(f"path:{source}"), **{**PLAIN, **changes}, out=folder)


def lively_model(family: str = "llama", **size: int) -> Any:
    """A tiny model whose rows differ from token to token; those of freshly drawn weights hardly do."""
    model = tiny_model(family, **size)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter *= 10
    return model.eval().requires_grad_(False)


def lively_subject(folder: Path, family: str = "llama") -> Path:
    """The same as a subject's folder."""
    lively_model(family).save_pretrained(folder)
    tiny_tokenizer(bos=True).save_pretrained(folder)
    return folder


def tiny_task_rows(root: Path, sites: tuple[str, ...], family: str = "llama") -> tuple[Path, Path, Path]:
    """(subject, task, task rows) below `root`."""
    subject = lively_subject(root / "subject", family)
    tiny_task(root / "task", topic_folder(root / "topics"))
    (root / "rows").mkdir()
    capture_task(subject, root / "task", context=48, sites=sites, dtype="float32", batch=8, out=root / "rows")
    return subject, root / "task", root / "rows"
