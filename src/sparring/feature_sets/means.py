"""What stands in for an ablated latent, and for an ablated error: their means over counted tokens of some texts."""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int

from sparring.coders.coder import Coder
from sparring.device import device
from sparring.errors import SparringError
from sparring.patching import Means
from sparring.probing.task_rows import TaskRows

_TEXTS = 32  # at a time


@torch.no_grad()
def token_means(coder: Coder, task_rows: Path, texts: Int[np.ndarray, " text"]) -> Means:
    """Over the counted tokens of the task's texts numbered `texts`, in float64. Raises SparringError for no texts."""
    latents = torch.zeros(coder.n_latents, dtype=torch.float64, device=device())
    error = torch.zeros(coder.decoder.shape[1], dtype=torch.float64, device=device())
    tokens = done = 0
    with TaskRows(task_rows) as rows:
        both = zip(rows.batches(coder.read_site, _TEXTS), rows.batches(coder.write_site, _TEXTS), strict=True)
        for read, write in both:
            mine = torch.from_numpy(np.isin(np.arange(done, done + len(read.acts)), texts))
            where = read.counted & mine[:, None]
            made = coder.reconstruct(read.acts[where].to(device()))
            latents.index_add_(0, made.indices.flatten(), made.values.flatten().double())
            error += (write.acts[where].to(device()) - made.x_hat).double().sum(dim=0)
            tokens += int(where.sum())
            done += len(read.acts)
    if tokens == 0:
        raise SparringError("feature_sets: no text to take means over")
    return Means((latents / tokens).float().cpu(), (error / tokens).float().cpu())
