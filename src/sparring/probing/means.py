"""One vector a text from a coder of any kind, and from the rows of a site: means over the counted tokens."""

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from sparring.coders.encoding import Encoder
from sparring.device import device
from sparring.probing.pooling import pooled
from sparring.probing.task_rows import TaskRows
from sparring.progress import progress

_TEXTS = 32  # encoded at a time: every latent of every token is held


@torch.no_grad()
def mean_latents(coder: Path, task_rows: Path, texts: int) -> Float[Tensor, "text latent"]:
    """The latents of each text; `texts` is how many there are, for the bar."""
    encoder, found = Encoder.load(coder), []
    with TaskRows(task_rows) as rows, progress(texts, desc=f"latents of {encoder.arm.name}", unit="text") as bar:
        for batch in rows.batches(encoder.arm.read_site, _TEXTS):
            acts, counted = batch.acts.to(device()), batch.counted.to(device())
            latents = torch.zeros(*counted.shape, encoder.n_latents, device=acts.device)
            latents[counted] = encoder.dense(acts[counted])
            found.append(pooled(latents, counted).cpu())
            bar.update(len(acts))
    return torch.cat(found)


def mean_rows(site: str, task_rows: Path) -> Float[Tensor, "text d"]:
    """The rows of `site` of each text."""
    with TaskRows(task_rows) as rows:
        return torch.cat([pooled(batch.acts, batch.counted) for batch in rows.batches(site, _TEXTS)])
