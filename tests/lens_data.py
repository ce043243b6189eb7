"""Small coders of sae_lens's own classes, every parameter drawn at random, saved by the library itself."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from coders_data import PLAIN, SAE, TRANSCODER, D
from sae_lens.registry import get_sae_class

from sparring.canonical import pretty_json
from sparring.coders import lens_classes  # noqa: F401
from sparring.coders.format import write_format
from sparring.coders.recipe import Arm

WIDTH = 48
ARM_OF = {"sae": SAE, "transcoder": PLAIN, "skip-transcoder": TRANSCODER}
ARCHITECTURES = {
    "standard": "sae",
    "topk": "sae",
    "jumprelu": "sae",
    "transcoder": "transcoder",
    "jumprelu_transcoder": "transcoder",
    "skip_transcoder": "skip-transcoder",
    "jumprelu_skip_transcoder": "skip-transcoder",
    "topk_skip_transcoder": "skip-transcoder",
}


def lens_sae(architecture: str, *, seed: int = 0, d: int = D, b_dec: float = 1.0, **config: Any) -> Any:
    """A coder of that architecture: `d` wide, 48 latents, k 4 where it has one; `b_dec` scales its bias."""
    made, configured = get_sae_class(architecture)
    given: dict[str, Any] = {"d_in": d, "d_sae": WIDTH}
    if "transcoder" in architecture:
        given |= {"d_out": d, "apply_b_dec_to_input": False}
    if architecture.startswith("topk"):
        given["k"] = 4
    coder = made(configured(**given | config))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in coder.named_parameters():
            drawn = torch.randn(parameter.shape, generator=generator)
            parameter.copy_(drawn.abs() * 3 if name == "threshold" else drawn)
        coder.b_dec.mul_(b_dec)
    return coder.eval().requires_grad_(False)


def save_lens(coder: Any, arm: Arm, folder: Path) -> Path:
    """Save as a job does: sae_lens's files, the arm, the format."""
    coder.save_model(folder)
    (folder / "arm.json").write_bytes(pretty_json(asdict(arm)))
    write_format(folder, "sae_lens")
    return folder


def lens_rows(number: int = 512, *, seed: int = 3, d: int = D) -> torch.Tensor:
    """Rows about 0.5 with spread 2."""
    return torch.randn(number, d, generator=torch.Generator().manual_seed(seed)) * 2 + 0.5
