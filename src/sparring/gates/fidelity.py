"""The gate on an adapter: on random and on real rows it fires the same latents, to the same values, as its source.

The source is sparsify's own code on the coder's files, or the plain formula of a coder in sae_lens's (gates/plain.py);
the adapter is read back from disk by sae_lens. Beside it stand variants known to be wrong (gates/mutants.py), `b_dec`
applied to the input where it must not be or left out where it must, or an activation that was lost: the same check has
to fail on each in the same run. (In the published study that bug stood: Jaccard 0.07, cosine 0.139.)
"""

import json
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from sparring.activation_cache import ActivationCache
from sparring.coders.sae_lens_adapter import load_sae_lens
from sparring.device import device
from sparring.errors import SparringError
from sparring.gates.hook_parity import jaccard
from sparring.gates.mutants import mutants
from sparring.gates.plain import Latents, Truth, latents_of, truth_of

__all__ = ["compare", "encode_fidelity", "latents_of"]
ROWS = 2048
_LARGEST = 1e-4  # of |dz|, in units of the largest latent where that is above 1
_COSINE = 1e-6
_DRIFT = 0.05


def encode_fidelity(coder: Path, adapter: Path, activations: Path, *, split: str, seed: int = 0) -> dict[str, Any]:
    """{"arm", "checks", "must_fail", "decoder_norms", "warnings"}; each check: `rows` ("random" or "real"), mean and
    least `jaccard` of the active latents, `cosine` of the latents, `max_abs_diff`, and the same of the output.

    Raises SparringError, with Jaccard and cosine in the message, for an adapter that differs, or a wrong variant that
    does not, on either rows. Decoder rows whose norm has drifted are a warning.
    """
    source, made = truth_of(coder), load_sae_lens(adapter)
    with ActivationCache(activations) as cache:
        real = next(cache.blocks(split, (source.arm.read_site,), ROWS))[source.arm.read_site]
    scale = float(real.square().mean().sqrt())
    random = torch.randn(ROWS, real.shape[1], generator=torch.Generator().manual_seed(seed)) * scale
    wrong = mutants(made)
    checks: list[dict[str, Any]] = []
    must_fail: list[dict[str, Any]] = []
    with torch.no_grad():
        for name, rows in (("random", random.to(device())), ("real", real.to(device()))):
            expected = source.latents(rows)
            checks.append({"rows": name, **compare(expected, made.encode(rows)), **_outputs(source, made, rows)})
            must_fail += [
                {"rows": name, "variant": variant, **compare(expected, encode(rows))}
                for variant, encode in wrong.items()
            ]
    for check in checks:
        if not right(check) or check["output"] > _LARGEST:
            raise SparringError(f"encode fidelity of {source.arm.name}: the adapter is not its coder ({said(check)})")
    for variant in wrong:
        tried = [check for check in must_fail if check["variant"] == variant]
        if all(right(check) for check in tried):
            raise SparringError(
                f"encode fidelity of {source.arm.name} cannot tell {_plainly(variant)} ({said(tried[-1])}): a check "
                "that passes this proves nothing"
            )
    norms, warnings = _decoder_norms(source, coder)
    return {
        "arm": source.arm.name,
        "checks": checks,
        "must_fail": must_fail,
        "decoder_norms": norms,
        "warnings": warnings,
    }


def _plainly(variant: str) -> str:
    return "a flipped b_dec" if variant == "b_dec flipped" else variant


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


def _outputs(source: Truth, made: Any, rows: Float[Tensor, "rows d"]) -> dict[str, float]:
    expected = source.output(rows)
    return {"output": float((made(rows) - expected).norm() / expected.norm())}


def _decoder_norms(source: Truth, folder: Path) -> tuple[dict[str, float], list[str]]:
    """Norms of the decoder rows in units of the output's scale, where sparsify keeps those of an SAE at 1."""
    scaling = folder / "scaling.json"
    unit = json.loads(scaling.read_bytes())["output_scale"] if scaling.exists() else 1.0
    norms = source.decoder.norm(dim=1).double() / unit
    drift = (norms - 1).abs()
    found = {
        "mean": float(norms.mean()),
        "max_drift": float(drift.max()),
        "drifted": float((drift > _DRIFT).double().mean()),
    }
    if source.arm.kind != "sae" or found["max_drift"] <= _DRIFT:
        return found, []
    return found, [
        f"{found['drifted']:.1%} of the decoder rows have a norm further than {_DRIFT} from 1 "
        f"(at most {found['max_drift']:.3f}): latents' sizes are not comparable between rows"
    ]
