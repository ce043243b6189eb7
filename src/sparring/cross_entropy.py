"""What it costs the model's predictions when a coder stands in its place, in nats a token.

With CE the mean cross-entropy of the next token over the counted targets, with the coder's output at its write site
(`coder`), zeros there (`zero`) or nothing changed (`clean`):

    delta CE = CE_coder - CE_clean
    CE recovered = (CE_zero - CE_coder) / (CE_zero - CE_clean)

Intervals: percentile, over resamples of whole documents.
"""

from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import cross_entropy

from sparring.coders.coder import Coder
from sparring.device import device
from sparring.errors import SparringError
from sparring.progress import progress
from sparring.splice import Edit, spliced
from sparring.stats.bootstrap import percentile_interval
from sparring.token_file import Tokens

_LOGIT_BYTES = 256 << 20
_TOLERANCE = 1e-3  # nats summed over a sequence
_RESAMPLES = 10_000
_RUNS = ("clean", "coder", "zero")


def in_the_model(
    model: Any, coder: Coder, data: Tokens, sequences: Int[np.ndarray, " n"], *, seed: int
) -> dict[str, Any]:
    """`figures` of the coder in `model`, over some sequences of `data`.

    On the first batch it is made sure that putting back what was there changes nothing, else SparringError.
    """
    documents, of_sequence = np.unique(data.document[sequences], return_inverse=True)
    counts, losses = np.zeros(len(documents)), np.zeros((len(documents), len(_RUNS)))
    batch = sequences_at_once(model, data.tokens.shape[1])
    write = coder.write_site
    with progress(len(sequences), desc=f"cross-entropy {coder.arm.name}", unit="sequence") as bar:
        for start in range(0, len(sequences), batch):
            some = sequences[start : start + batch]
            ids = torch.from_numpy(data.tokens[some]).to(device(), torch.long)
            counted = torch.from_numpy(data.counted[some]).to(device(), torch.bool)
            clean = sequence_losses(model, ids, counted)
            if start == 0:
                _require_unchanged(clean, _with(model, ids, counted, lambda rows: rows, read=write, write=write))
            made = _with(model, ids, counted, coder.forward, read=coder.read_site, write=write)
            zero = _with(model, ids, counted, torch.zeros_like, read=write, write=write)
            place = of_sequence[start : start + batch]
            np.add.at(counts, place, counted[:, 1:].sum(1).cpu().numpy())
            np.add.at(losses, place, torch.stack([clean, made, zero], dim=1).cpu().numpy())
            bar.update(len(some))
    return figures(counts, losses, seed=seed)


def figures(
    counts: Float[np.ndarray, " documents"], losses: Float[np.ndarray, "documents 3"], *, seed: int
) -> dict[str, Any]:
    """{"ce": {"clean", "coder", "zero"}, "delta_ce", "delta_ce_ci95", "ce_recovered", "ce_recovered_ci95", "tokens",
    "documents"} from each document's counted targets and its summed losses, in the order clean, coder, zero.

    `ce_recovered` is None where zeros do no harm, its interval where they do none in a resample.
    """
    n = len(counts)
    times = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=_RESAMPLES).astype(np.float64)
    whole = losses.sum(axis=0) / counts.sum()
    drawn = (times @ losses) / (times @ counts)[:, None]
    recovered, resampled = _recovered(whole[None]), _recovered(drawn)
    return {
        "ce": dict(zip(_RUNS, whole.tolist(), strict=True)),
        "delta_ce": float(whole[1] - whole[0]),
        "delta_ce_ci95": list(percentile_interval(drawn[:, 1] - drawn[:, 0], 0.95)),
        "ce_recovered": None if recovered is None else float(recovered[0]),
        "ce_recovered_ci95": None if resampled is None else list(percentile_interval(resampled, 0.95)),
        "tokens": int(counts.sum()),
        "documents": n,
    }


def _recovered(ce: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, " n"] | None:
    clean, coder, zero = ce.T
    return (zero - coder) / (zero - clean) if (zero > clean).all() else None


def sequences_at_once(model: Any, length: int) -> int:
    """How many sequences of so many positions are run together, so that their logits fit in 256 MiB; at least 1."""
    return max(1, _LOGIT_BYTES // (4 * int(model.config.get_text_config().vocab_size) * length))


def sequence_losses(
    model: Any, ids: Int[Tensor, "batch position"], counted: Bool[Tensor, "batch position"]
) -> Float[Tensor, " batch"]:
    """Each sequence's cross-entropy in nats, summed over its counted targets (float64)."""
    with torch.no_grad():
        logits = model(input_ids=ids, use_cache=False).logits[:, :-1]
    each = cross_entropy(logits.flatten(0, 1).float(), ids[:, 1:].flatten(), reduction="none").view(len(ids), -1)
    return (each.double() * counted[:, 1:]).sum(1)


def _with(model: Any, ids: Tensor, counted: Tensor, edit: Edit, *, read: str, write: str) -> Float[Tensor, " batch"]:
    with spliced(model, edit, read=read, write=write, where=counted):
        return sequence_losses(model, ids, counted)


def _require_unchanged(clean: Float[Tensor, " batch"], put_back: Float[Tensor, " batch"]) -> None:
    moved = float((clean - put_back).abs().max())
    if moved > _TOLERANCE:
        raise SparringError(
            f"the splice fails its self-test: putting back what was there moves the loss of a sequence by {moved:.2g} "
            "nats; its figures would be wrong"
        )
