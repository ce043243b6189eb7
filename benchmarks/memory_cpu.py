"""docs/benchmarks/memory.md: predicted against measured memory of the training job on a CPU.

    python benchmarks/memory_cpu.py [JOB.tsv ...] > docs/benchmarks/memory.md

Each recipe is trained in a process of its own. Measured is the peak resident memory of the process (VmHWM, reset when
training begins) less what it holds when training begins, with all imports done. The rows are random, of 576 entries as
the packaged model's. JOB.tsv: Snakemake's records of the training jobs of a study (results/benchmarks/coder-ARM.tsv)
whose recipe is config/studies/controls.yaml's: the whole job.
"""

import csv
import json
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from sparring.activation_file import RowFile, Rows
from sparring.coders.recipe import Arm, Kind, Recipe
from sparring.memory.training import Training
from sparring.words import table

READ, WRITE = "layers.1.mlp.in", "layers.1.mlp.out"
D = 576
SAE = Arm("sae", "sae", WRITE, WRITE)
TRANSCODER = Arm("transcoder", "skip-transcoder", READ, WRITE)
CASES: list[tuple[Arm, dict[str, Any]]] = [
    (SAE, {"width": 4096, "k": 16, "batch_rows": 1024}),
    (TRANSCODER, {"width": 4096, "k": 16, "batch_rows": 1024}),
    (SAE, {"width": 16384, "k": 32, "batch_rows": 2048}),
    (TRANSCODER, {"width": 16384, "k": 32, "batch_rows": 2048}),
    (SAE, {"width": 8192, "k": 64, "batch_rows": 8192}),
    (TRANSCODER, {"width": 8192, "k": 64, "batch_rows": 8192, "optimizer": "signum"}),
    (SAE, {"width": 16384, "k": 32, "batch_rows": 2048, "optimizer": "signum"}),
    (SAE, {"width": 16384, "k": 32, "batch_rows": 2048, "optimizer": "muon"}),
    (SAE, {"width": 2048, "k": 16, "batch_rows": 16384}),
]
_CHILD = """
import json, pathlib, sys, tempfile
said = json.loads(sys.stdin.read())
import torch
from sparring.coders.recipe import Arm, Recipe
from sparring.coders.training import train_coder
torch.randn(256, 256) @ torch.randn(256, 256)
def status(name):
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) * 1024
pathlib.Path("/proc/self/clear_refs").write_text("5")
before = status("VmRSS")
with tempfile.TemporaryDirectory() as out:
    train_coder(
        pathlib.Path(said["activations"]), arm=Arm(**said["arm"]), recipe=Recipe(**said["recipe"]),
        out=pathlib.Path(out),
    )
print(json.dumps({"before": before, "peak": status("VmHWM")}))
"""


def measured(activations: Path, arm: Arm, recipe: Recipe) -> dict[str, int]:
    """{"before", "peak"}: bytes resident when training begins, and at most while it runs."""
    said = {"activations": str(activations), "arm": asdict(arm), "recipe": asdict(recipe)}
    done = subprocess.run(
        [sys.executable, "-c", _CHILD], input=json.dumps(said), capture_output=True, text=True, check=True
    )
    found: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return found


def random_rows(folder: Path, *, rows: int, d: int) -> Path:
    """An activations folder of Gaussian rows at both sites."""
    rng, at = np.random.default_rng(0), np.arange(rows, dtype=np.int32)
    index = Rows(at, (at % 128).astype(np.int16), at // 128, at)
    with RowFile(folder / "train.h5", rows={"train": index}, widths={READ: d, WRITE: d}, dtype="float32") as file:
        for site in (READ, WRITE):
            for some in np.array_split(at, max(1, rows // 4096)):
                file.write("train", site, some, _tensor(rng.standard_normal((len(some), d))))
    return folder


def _tensor(values: np.ndarray) -> Any:
    import torch

    return torch.from_numpy(values.astype(np.float32))


def case(rows: Path, arm: Arm, values: dict[str, Any]) -> list[str]:
    """The cells of one training, run and foreseen."""
    recipe = Recipe(tokens=3 * values["batch_rows"], lr=1e-3, **values)
    found = measured(rows, arm, recipe)
    got = found["peak"] - found["before"]
    said = sum(Training(arm.name, arm.kind, recipe, D, on_card=False).parts().values())
    cells = [arm.kind, recipe.optimizer, *(f"{n:,}" for n in (recipe.width, recipe.k, recipe.batch_rows))]
    return [*cells, f"{found['before'] / 1e6:.0f}", f"{got / 1e6:.0f}", f"{said / 1e6:.0f}", f"{said / got - 1:+.1%}"]


def job(record: Path, before: float) -> list[str]:
    """The cells of one training job of the study, by Snakemake's record of it."""
    kind: Kind = "skip-transcoder" if "transcoder" in record.stem else "sae"
    recipe = Recipe(width=1024, k=16, tokens=120_000, batch_rows=512, lr=5e-3)
    said = before + sum(Training(record.stem, kind, recipe, D, on_card=False).parts().values()) / 1e6
    with record.open(newline="") as file:
        got = float(next(csv.DictReader(file, delimiter="\t"))["max_rss"]) * 2**20 / 1e6
    return [record.stem, f"{got:.0f}", f"{said:.0f}", f"{said / got - 1:+.1%}"]


def main() -> None:
    """Entry point."""
    with tempfile.TemporaryDirectory() as folder:
        rows = random_rows(Path(folder), rows=16384, d=D)
        lines = [case(rows, arm, values) for arm, values in CASES]
    before = float(lines[0][5])
    header = (
        "coder",
        "optimizer",
        "latents",
        "k",
        "rows a step",
        "before, MB",
        "measured, MB",
        "foreseen, MB",
        "off by",
    )
    page = Path(__file__).with_name("memory.md").read_text()
    jobs = [job(Path(name), before) for name in sys.argv[1:]]
    print(
        page.replace("TRAININGS", table(header, lines, words=2))
        .replace("JOBS", table(("job", "measured, MB", "foreseen, MB", "off by"), jobs))
        .rstrip()
    )


if __name__ == "__main__":
    main()
