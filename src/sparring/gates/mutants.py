"""Adapters known to be wrong, each by one convention that gets lost: the fidelity gate has to fail on every one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

Wrong = Callable[[Tensor], Tensor]


def mutants(made: Any) -> dict[str, Wrong]:
    """{what is wrong: encode} of the sae_lens class `made`, for each convention that its weights make a difference to.

    A bias or threshold of zeros cannot be got wrong, and has no variant; the activation always has.
    """
    found: dict[str, Wrong] = {}
    if bool(made.b_dec.any()) and len(made.b_dec) == made.cfg.d_in:
        found["b_dec flipped"] = lambda rows: _flipped(made, rows)
    threshold = getattr(made, "threshold", None)
    if threshold is not None and bool(threshold.any()):
        found["the threshold left out"] = lambda rows: _with_threshold(made, torch.zeros_like(threshold), rows)
    elif threshold is not None:  # a JumpReLU that is a ReLU: what its mask passes is positive already
        found["a threshold put in"] = lambda rows: _with_threshold(made, _mean_latent(made, rows), rows)
    elif made.cfg.architecture().startswith("topk"):
        found["TopK left out"] = lambda rows: _with_activation(made, nn.ReLU(), rows)
    else:
        found["ReLU left out"] = lambda rows: _with_activation(made, nn.Identity(), rows)
    if getattr(made.cfg, "normalize_activations", "none") not in (None, "none"):
        found["the norm left out"] = lambda rows: _without_norm(made, rows)
    return found


def _flipped(made: Any, rows: Tensor) -> Tensor:
    """`b_dec` on the input where it must not be, or off where it must."""
    if not made.cfg.apply_b_dec_to_input:
        return made.encode(rows - made.b_dec)
    with _set(made, "cfg", replace(made.cfg, apply_b_dec_to_input=False)):
        return made.encode(rows)


def _with_threshold(made: Any, threshold: Tensor, rows: Tensor) -> Tensor:
    with _set(made.threshold, "data", threshold):
        return made.encode(rows)


def _mean_latent(made: Any, rows: Tensor) -> Tensor:
    z: Tensor = made.encode(rows)
    return torch.full_like(made.threshold, float(z[z > 0].mean()))


def _with_activation(made: Any, activation: nn.Module, rows: Tensor) -> Tensor:
    with _set(made, "activation_fn", activation):
        return made.encode(rows)


def _without_norm(made: Any, rows: Tensor) -> Tensor:
    with _set(made, "run_time_activation_norm_fn_in", lambda x: x):
        return made.encode(rows)


@contextmanager
def _set(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Another value for the length of one call, so that no copy of the weights is needed."""
    own = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, own)
