"""Whether a coder trains at all: a few steps by its recipe, saved, loaded, its loss lower than it began."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sparring.errors import SparringError


def smoke(coders: Mapping[str, Path], recon: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """{arm: {"steps", "first_fvu", "final_fvu", "ve", "l0"}} of the coders' folders and their recon results.

    No claim on how good they are. Raises SparringError for one whose loss did not fall.
    """
    found = {}
    for arm, folder in coders.items():
        curve = json.loads((folder / "training.json").read_bytes())["curve"]
        (_, _, first), (steps, _, final) = curve[0], curve[-1]
        if final >= first:
            raise SparringError(
                f"{arm}: the loss (FVU) is {final:.3f} after {steps} steps, {first:.3f} at first; lower recipe.lr"
            )
        figures = {name: recon[arm][name] for name in ("ve", "l0", "read_site", "write_site", "n_latents")}
        found[arm] = {"steps": steps, "first_fvu": first, "final_fvu": final, **figures}
    return found
