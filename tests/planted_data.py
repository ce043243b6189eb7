"""A tiny subject in which one direction of the residual stream is a class, coders that have a latent for it, and texts.

Texts of class a hold the sign @, whose embedding is the direction v alone; without the plant every class holds it as
often. Blocks hardly change the residual stream, so v stays what it is.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from coders_data import random_coder, save_coder
from probing_data import tiny_task
from safetensors.torch import load_file, save_file
from tiny import WORDS, tiny_model, tiny_tokenizer

from sparring.coders.recipe import Arm
from sparring.probing.task_rows import capture_task

CONTEXT = 48
LATENT = 7
"""The one that is v, of every coder."""
ARMS = {
    name: Arm(name, "sae", site, site)
    for name, site in (("low", "layers.0.resid_post"), ("high", "layers.2.resid_post"))
}
READOUT = "layers.3.resid_post"
_STRENGTH = 8.0


class Planted(NamedTuple):
    """Folders, as a stage is given them."""

    subject: Path
    task: Path
    rows: Path
    coders: Mapping[str, Path]


def planted_study(root: Path, *, present: bool, speaks: bool = False) -> Planted:
    """All of it below `root`; present: whether the direction tells class a from the others.

    speaks: v is added to an embedding of its own, and the model reads which letters may follow the sign off it.
    """
    v = torch.nn.functional.normalize(torch.randn(16, generator=torch.Generator().manual_seed(5)), dim=0)
    model, tokenizer = tiny_model(layers=4), tiny_tokenizer(bos=True)
    with torch.no_grad():
        table = model.get_input_embeddings().weight
        table.mul_(1 / table.std())
        table.sub_(torch.outer(table @ v, v))
        sign = tokenizer.convert_tokens_to_ids("@")
        table[sign] = table[sign] * speaks + _STRENGTH * v
        for letter in sorted({word[0] for word in WORDS}) if speaks else ():
            model.lm_head.weight[tokenizer.convert_tokens_to_ids(letter)] += 2 * v
    model.eval().save_pretrained(root / "subject")
    tokenizer.save_pretrained(root / "subject")
    _texts(root / "texts", present=present)
    tiny_task(root / "task", root / "texts", train=60, test=60)
    (root / "rows").mkdir()
    sites = tuple(arm.write_site for arm in ARMS.values())
    capture_task(
        root / "subject", root / "task", context=CONTEXT, sites=sites, dtype="float32", batch=8, out=root / "rows"
    )
    return Planted(
        root / "subject",
        root / "task",
        root / "rows",
        {name: _coder(root / name, arm, v, seed) for seed, (name, arm) in enumerate(ARMS.items())},
    )


def altered(folder: Path, source: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> Path:
    """A copy of a coder with `change` made to its weights."""
    folder.mkdir()
    for path in source.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    weights = load_file(folder / "sae.safetensors")
    change(weights)
    save_file(weights, folder / "sae.safetensors")
    return folder


def _texts(folder: Path, *, present: bool) -> None:
    rng = np.random.default_rng(3)
    for label in "abc":
        (folder / label).mkdir(parents=True)
        for number in range(60):
            words = rng.choice(WORDS, size=10)
            if label == "a" or not present:
                words = [f"@{word}" if rng.random() < 0.5 else word for word in words]
            (folder / label / f"{number:03}.txt").write_text(
                f"{number}{label if present else rng.integers(9)} " + " ".join(words)
            )


def _coder(folder: Path, arm: Arm, v: torch.Tensor, seed: int) -> Path:
    """Its latent 7 reads and writes v; the others know nothing of it."""
    made = random_coder(arm, seed=seed)
    with torch.no_grad():
        made.encoder.bias.zero_()
        made.b_dec.zero_()
        for rows in (made.encoder.weight, made.W_dec):
            rows.sub_(torch.outer(rows @ v, v))
            rows.div_(rows.norm(dim=1, keepdim=True))
            rows[LATENT] = v
    return save_coder(made, arm, folder)
