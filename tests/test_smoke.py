"""A smoke run tells a coder that trains from one that does not."""

import json
from pathlib import Path
from typing import Any

import pytest

from sparring.errors import SparringError
from sparring.smoke import smoke

RECON = {"ve": 0.1, "l0": 4.0, "read_site": "a", "write_site": "b", "n_latents": 64, "rows": 10}


def run(folder: Path, *losses: float) -> dict[str, Any]:
    curve = [(step + 1, 256 * (step + 1), loss) for step, loss in enumerate(losses)]
    (folder / "training.json").write_text(json.dumps({"curve": curve}))
    return smoke({"smoke_sae": folder}, {"smoke_sae": RECON})


def test_a_falling_loss_passes(tmp_path: Path) -> None:
    got = run(tmp_path, 1.2, 0.9, 0.7)["smoke_sae"]
    assert (got["steps"], got["first_fvu"], got["final_fvu"], got["ve"]) == (3, 1.2, 0.7, 0.1)


def test_a_loss_that_does_not_fall_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SparringError, match=r"smoke_sae: the loss \(FVU\) is 1\.300 after 2 steps"):
        run(tmp_path, 1.2, 1.3)
