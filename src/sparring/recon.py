"""How well a coder reconstructs what it writes, on rows it was not trained on."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from sparring.activation_cache import ActivationCache
from sparring.affine import AffineFit, AffineMap
from sparring.coders.coder import Coder
from sparring.device import device
from sparring.errors import SparringError
from sparring.progress import progress
from sparring.recon_metrics import ReconSums

_BLOCK = 4096
_TOLERANCE = 1e-6


def reconstruction(activations: Path, coder: Path, *, split: str, seed: int) -> dict[str, Any]:
    """Figures of the coder in folder `coder` on the rows of `split`; definitions in sparring.recon_metrics.

    The target is the write site for both kinds, so a transcoder is judged on its own objective. Beside them: `l0`
    (realised, values above 0), `dead_fraction` (latents that never fire on these rows), and for a transcoder the
    `affine_floor` (null for an SAE). `self_test` holds VE of predict-the-mean and of the identity on the same rows;
    SparringError is raised if they are not 0 and 1.
    """
    model = Coder.load(coder)
    cache = ActivationCache(activations)
    documents = cache.index(split)["document"]
    d = cache.d(model.write_site)
    sums = {name: ReconSums(documents, d) for name in ("coder", "mean", "identity")}
    affine = None if model.kind == "sae" else _fit_affine(cache, model)
    if affine is not None:
        sums["affine"] = ReconSums(documents, d)
    mean = _mean(cache, split, model.write_site)
    fired = torch.zeros(model.n_latents, dtype=torch.bool, device=device())
    active = 0
    with progress(cache.rows(split), desc=f"reconstruction {model.arm.name}", unit="row") as bar:
        for block in cache.blocks(split, model.arm.sites, _BLOCK):
            x, target = block[model.read_site], block[model.write_site].numpy()
            made = model.reconstruct(x)
            positive = made.values > 0
            active += int(positive.sum())
            fired[made.indices[positive]] = True
            sums["coder"].add(target, made.x_hat.cpu().numpy())
            sums["mean"].add(target, np.broadcast_to(mean, target.shape))
            sums["identity"].add(target, target)
            if affine is not None:
                sums["affine"].add(target, affine(x.to(device())).cpu().numpy())
            bar.update(len(x))
    test = {"predict_mean": 1 - sums["mean"].fvu, "identity": 1 - sums["identity"].fvu}
    if abs(test["predict_mean"]) > _TOLERANCE or abs(test["identity"] - 1) > _TOLERANCE:
        raise SparringError(
            f"variance explained fails its self-test (wanted 0 and 1): {test}; its figures would be wrong"
        )
    return {
        "arm": model.arm.name,
        "kind": model.kind,
        "read_site": model.read_site,
        "write_site": model.write_site,
        "split": split,
        **sums["coder"].figures(seed=seed),
        "l0": active / cache.rows(split),
        "dead_fraction": float((~fired).double().mean()),
        "n_latents": model.n_latents,
        "affine_floor": None if affine is None else 1 - sums["affine"].fvu,
        "self_test": test,
        "seed": seed,
    }


def _mean(cache: ActivationCache, split: str, site: str) -> np.ndarray:
    total = np.zeros(cache.d(site))
    for block in cache.blocks(split, (site,), _BLOCK):
        total += block[site].numpy().sum(axis=0, dtype=np.float64)
    return total / cache.rows(split)


def _fit_affine(cache: ActivationCache, model: Coder) -> AffineMap:
    fit = AffineFit()
    with progress(cache.rows("train"), desc=f"affine floor {model.arm.name}", unit="row") as bar:
        for block in cache.blocks("train", (model.read_site, model.write_site), _BLOCK):
            x = block[model.read_site]
            fit.add(x.to(device()), block[model.write_site].to(device()))
            bar.update(len(x))
    return fit.solve()
