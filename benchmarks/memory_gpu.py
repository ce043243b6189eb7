"""On a card: foreseen against measured memory of a training and of a forward pass. Not run yet: no card was at hand.

    python benchmarks/memory_gpu.py [SUBJECT_FOLDER]

Measured is torch's peak of reserved memory (what the driver sees, without the CUDA context, which the reserve covers).
SUBJECT_FOLDER: a prepared subject model (an object that results/subject.json names); without it, trainings alone.
"""

import json
import sys
import tempfile
from pathlib import Path

import torch
from memory_cpu import SAE, TRANSCODER, D, random_rows

from sparring.coders.recipe import Recipe
from sparring.coders.training import train_coder
from sparring.memory.forward import Forward
from sparring.memory.models import Model
from sparring.memory.preflight import GIB, Demand
from sparring.subject_model import SiteReader, load_subject
from sparring.words import table


def line(name: str, demand: Demand) -> list[str]:
    """The cells of what has just run."""
    got, said = torch.cuda.max_memory_reserved() / GIB, sum(demand.parts().values()) / GIB
    return [name, f"{got:.2f}", f"{said:.2f}", f"{said / got - 1:+.1%}"]


def fresh() -> None:
    """Forget what ran before."""
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()


def trainings() -> list[list[str]]:
    """Two recipes, each for both kinds of coder."""
    from sparring.memory.training import Training

    lines = []
    with tempfile.TemporaryDirectory() as folder:
        rows = random_rows(Path(folder), rows=16384, d=D)
        for values in ({"width": 16384, "k": 32, "batch_rows": 8192}, {"width": 65536, "k": 64, "batch_rows": 8192}):
            for arm in (SAE, TRANSCODER):
                recipe = Recipe(tokens=3 * values["batch_rows"], lr=1e-3, **values)
                fresh()
                with tempfile.TemporaryDirectory() as out:
                    train_coder(rows, arm=arm, recipe=recipe, out=Path(out))
                demand = Training(arm.name, arm.kind, recipe, D)
                lines.append(line(f"{arm.kind}, {recipe.width:,} latents, k {recipe.k}", demand))
    return lines


def forwards(folder: Path) -> list[list[str]]:
    """The subject's residual stream after its last block but one, at three batch sizes."""
    config = json.loads((folder / "config.json").read_bytes())
    lines = []
    for batch in (1, 8, 32):
        fresh()
        model = load_subject(folder)
        sizes = Model(
            name=folder.name,
            parameters=sum(weights.numel() for weights in model.parameters()),
            layers=config["num_hidden_layers"],
            d=config["hidden_size"],
            mlp=config["intermediate_size"],
            heads=config["num_attention_heads"],
            kv_heads=config.get("num_key_value_heads", config["num_attention_heads"]),
            head_dim=config.get("head_dim", config["hidden_size"] // config["num_attention_heads"]),
            vocabulary=config["vocab_size"],
        )
        site = f"layers.{sizes.layers - 2}.resid_post"
        ids = torch.randint(0, sizes.vocabulary, (batch, 1024), generator=torch.Generator().manual_seed(0))
        SiteReader(model, (site,)).read(ids.to("cuda"))
        lines.append(line(f"forward, {batch} x 1,024 tokens", Forward("forward", sizes, batch, 1024)))
        del model
    return lines


def main() -> None:
    """Entry point."""
    if not torch.cuda.is_available():
        raise SystemExit("memory_gpu: torch sees no card here; run it on a machine that has one")
    lines = [*trainings(), *(forwards(Path(sys.argv[1])) if len(sys.argv) > 1 else [])]
    print(f"{torch.cuda.get_device_name()}, {torch.cuda.get_device_properties(0).total_memory / GIB:.2f} GiB\n")
    print(table(("what", "measured, GiB", "foreseen, GiB", "off by"), lines))


if __name__ == "__main__":
    main()
