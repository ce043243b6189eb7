"""The gate on an adapter: on random and on real rows it fires the same latents, to the same values, as its source.

The source is sparsify's own code on the coder's files; the adapter is read back from disk by sae_lens. Beside it stands
the variant known to be wrong, `b_dec` applied to the input where it must not be or left out where it must: the same
check has to fail on it in the same run. (In the published study that bug stood: Jaccard 0.07, cosine 0.139.)
"""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from sparring.activation_cache import ActivationCache
from sparring.coders.coder import Coder
from sparring.coders.sae_lens_adapter import load_sae_lens
from sparring.device import device
from sparring.errors import SparringError
from sparring.gates.hook_parity import jaccard

ROWS = 2048
_LARGEST = 1e-4  # of |dz|, in units of the largest latent where that is above 1
_COSINE = 1e-6
_DRIFT = 0.05

Latents = Float[Tensor, "rows latents"]
Encode = Callable[[Float[Tensor, "rows d"]], Latents]


def encode_fidelity(coder: Path, adapter: Path, activations: Path, *, split: str, seed: int = 0) -> dict[str, Any]:
    """{"arm", "checks", "must_fail", "decoder_norms", "warnings"}; each check: `rows` ("random" or "real"), mean and
    least `jaccard` of the active latents, `cosine` of the latents, `max_abs_diff`, and the same of the output.

    Raises SparringError, with Jaccard and cosine in the message, for an adapter that differs, or a wrong variant that
    does not. Decoder rows whose norm has drifted are a warning.
    """
    source, made = Coder.load(coder), load_sae_lens(adapter)
    with ActivationCache(activations) as cache:
        real = next(cache.blocks(split, (source.read_site,), ROWS))[source.read_site]
    scale = float(real.square().mean().sqrt())
    random = torch.randn(ROWS, real.shape[1], generator=torch.Generator().manual_seed(seed)) * scale
    wrong = _flipped(made)
    checks: list[dict[str, Any]] = []
    must_fail: list[dict[str, Any]] = []
    for name, rows in (("random", random.to(device())), ("real", real.to(device()))):
        expected = latents_of(source, rows)
        checks.append({"rows": name, **compare(expected, made.encode(rows)), **_outputs(source, made, rows)})
        must_fail.append({"rows": name, "variant": "b_dec flipped", **compare(expected, wrong(rows))})
    for check in checks:
        if not right(check) or check["output"] > _LARGEST:
            raise SparringError(f"encode fidelity of {source.arm.name}: the adapter is not its coder ({said(check)})")
    if bool(source.weights.b_dec.any()) and all(right(check) for check in must_fail):
        raise SparringError(
            f"encode fidelity of {source.arm.name} cannot tell a flipped b_dec ({said(must_fail[-1])}): a check that "
            "passes this proves nothing"
        )
    norms, warnings = _decoder_norms(source, coder)
    return {
        "arm": source.arm.name,
        "checks": checks,
        "must_fail": must_fail,
        "decoder_norms": norms,
        "warnings": warnings,
    }


def latents_of(coder: Coder, rows: Float[Tensor, "rows d"]) -> Latents:
    """All latents by sparsify's own encoder, 0 where one is not among the k."""
    with torch.no_grad():
        made = coder.weights.encode(rows)
        return torch.zeros(len(rows), coder.n_latents, device=rows.device).scatter_(1, made.top_indices, made.top_acts)


def compare(expected: Latents, found: Latents) -> dict[str, float]:
    """Jaccard of the active latents (mean and least of a row), cosine over all latents, largest difference."""
    each = jaccard(expected > 0, found > 0)
    a, b = expected.double().flatten(), found.double().flatten()
    return {
        "jaccard": float(each.mean()),
        "jaccard_least": float(each.min()),
        "cosine": float(a @ b / (a.norm() * b.norm()).clamp(min=1e-300)),
        "max_abs_diff": float((a - b).abs().max()),
        "largest": float(a.abs().max()),
    }


def right(check: dict[str, Any]) -> bool:
    """Whether the latents are the same: the same active set in every row, and values within rounding."""
    close = check["max_abs_diff"] <= _LARGEST * max(1.0, check["largest"])
    return bool(check["jaccard_least"] == 1.0 and check["cosine"] >= 1 - _COSINE and close)


def said(check: dict[str, Any]) -> str:
    """The figures of one check in words."""
    return (
        f"{check['rows']} rows: Jaccard {check['jaccard']:.3f}, cosine {check['cosine']:.3f}, "
        f"largest difference {check['max_abs_diff']:.2g}"
    )


def _outputs(source: Coder, made: Any, rows: Float[Tensor, "rows d"]) -> dict[str, float]:
    expected = source.forward(rows)
    return {"output": float((made(rows) - expected).norm() / expected.norm())}


def _flipped(made: Any) -> Encode:
    """The adapter with `b_dec` on the input where it must not be, or off where it must."""
    if made.cfg.apply_b_dec_to_input:
        wrong = copy.deepcopy(made)
        wrong.cfg.apply_b_dec_to_input = False
        return wrong.encode
    return lambda rows: made.encode(rows - made.b_dec)


def _decoder_norms(source: Coder, folder: Path) -> tuple[dict[str, float], list[str]]:
    """Norms of the decoder rows in units of the output's scale, where sparsify keeps those of an SAE at 1."""
    scaling = folder / "scaling.json"
    unit = json.loads(scaling.read_bytes())["output_scale"] if scaling.exists() else 1.0
    norms = source.weights.W_dec.detach().norm(dim=1).double() / unit
    drift = (norms - 1).abs()
    found = {
        "mean": float(norms.mean()),
        "max_drift": float(drift.max()),
        "drifted": float((drift > _DRIFT).double().mean()),
    }
    if source.kind != "sae" or found["max_drift"] <= _DRIFT:
        return found, []
    return found, [
        f"{found['drifted']:.1%} of the decoder rows have a norm further than {_DRIFT} from 1 "
        f"(at most {found['max_drift']:.3f}): latents' sizes are not comparable between rows"
    ]
