"""The reconstruction stage: a coder on cached rows, and in the model's place, with the self-tests that stop the job."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int

from sparring.activation_cache import ActivationCache
from sparring.coders.coder import Coder
from sparring.cross_entropy import in_the_model
from sparring.device import device
from sparring.errors import SparringError
from sparring.recon import reconstruction
from sparring.recon_metrics import ReconSums
from sparring.recon_plan import ReconPlan
from sparring.sites import sides_of_norm
from sparring.subject_model import SiteReader, load_subject
from sparring.token_file import Tokens, read_tokens

_BLOCK = 4096
_BATCH = 8
_TOLERANCE = {False: 1e-4, True: 1e-2}  # of VE, rows cached in float32 or in bfloat16


def reconstruct(
    activations: Path, coder: Path, subject: Path, tokens: Path, *, split: str, plan: ReconPlan
) -> dict[str, Any]:
    """`reconstruction` of all rows of `split`, and under "model" what `in_the_model` finds on some of its sequences.

    `self_test` gets the VE on those sequences as the model itself gives their rows (specials, padding and position 0
    among them, and masked) and as they are cached, where there are no such rows: SparringError unless they agree.
    `side_of_norm` is there where an MLP's output lies beside a norm: which side of it the site is on.
    """
    result = reconstruction(activations, coder, split=split, seed=plan.seed)
    model, made, data = load_subject(subject), Coder.load(coder), read_tokens(tokens)
    sequences = _drawn(data, split, plan)
    live = _live(model, made, data, sequences)
    cached, rounded = _cached(activations, made, split, sequences)
    if abs(live - cached) > _TOLERANCE[rounded]:
        raise SparringError(
            f"the model's own rows give a variance explained of {live:.6f}, the cached ones of the same sequences "
            f"{cached:.6f}: masked rows are counted, or the activations are of another model; derive them again"
        )
    result["self_test"] |= {"with_masked_rows": live, "without": cached}
    if sides := sides_of_norm(made.arm.sites, model.config.to_dict()):
        result["side_of_norm"] = sides
    return result | {"model": in_the_model(model, made, data, sequences, seed=plan.seed)}


def _drawn(data: Tokens, split: str, plan: ReconPlan) -> Int[np.ndarray, " n"]:
    own = data.of(split)
    return np.sort(np.random.default_rng(plan.seed).permutation(own)[: plan.sequences])


def _live(model: Any, coder: Coder, data: Tokens, sequences: Int[np.ndarray, " n"]) -> float:
    reader = SiteReader(model, coder.arm.sites)
    counted = data.counted[sequences].astype(bool)
    sums = None
    for start in range(0, len(sequences), _BATCH):
        some = sequences[start : start + _BATCH]
        found = reader.read(torch.from_numpy(data.tokens[some]).to(device(), torch.long))
        where = torch.from_numpy(data.counted[some].astype(bool)).to(device())
        x, target = found[coder.read_site][where], found[coder.write_site][where]
        sums = sums or ReconSums(np.repeat(data.document[sequences], counted.sum(1)), target.shape[1])
        sums.add(target.cpu().numpy(), coder.forward(x).cpu().numpy())
    assert sums is not None
    return 1 - sums.fvu


def _cached(activations: Path, coder: Coder, split: str, sequences: Int[np.ndarray, " n"]) -> tuple[float, bool]:
    """(VE, whether the rows are cached in bfloat16)."""
    with ActivationCache(activations) as cache:
        index = cache.index(split)
        wanted = np.isin(index["sequence"], sequences)
        sums = ReconSums(index["document"][wanted], cache.d(coder.write_site))
        for block in cache.blocks(split, coder.arm.sites, _BLOCK):
            own = torch.from_numpy(wanted[block.rows])
            if own.any():
                x, target = block[coder.read_site][own], block[coder.write_site][own]
                sums.add(target.numpy(), coder.forward(x).cpu().numpy())
        rounded = cache.stored(split, coder.write_site).attrs["dtype"] == "bfloat16"
    return 1 - sums.fvu, bool(rounded)
