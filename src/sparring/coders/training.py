"""Trains one sparse coder with sparsify's own Trainer, from cached activations."""

import contextlib
import io
import shutil
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from sparring.canonical import pretty_json
from sparring.coders.frozen import freeze_decoder, with_frozen_decoder
from sparring.coders.measured import measured_scaling
from sparring.coders.pieces import pieces
from sparring.coders.recipe import Arm, Recipe
from sparring.coders.replay import ReplayModel, RowOrder, SiteRows
from sparring.coders.scaling import fold
from sparring.coders.upstream import SparseCoder, SparseCoderConfig, TrainConfig, Trainer
from sparring.coders.watch import Watch
from sparring.device import device as pick_device
from sparring.errors import SparringError
from sparring.progress import progress


def train_coder(
    activations: Path, *, arm: Arm, recipe: Recipe, out: Path, decoder_seed: int | None = None
) -> dict[str, Any]:
    """Train the coder `arm` on the train rows of `activations` and write it to `out`; its meta is returned.

    decoder_seed: draws a random decoder that stays as it is; without one the decoder is trained as well.

    `out` gets cfg.json and sae.safetensors (as `sparsify.SparseCoder.load_from_disk` reads them, taking raw rows),
    arm.json, scaling.json and training.json (loss curve). Everything temporary lies inside `out` too and is removed.
    Raises SparringError for a missing site, unequal widths, or a loss that is not a number.
    """
    target = pick_device()
    scaling = measured_scaling(activations, arm, recipe)
    write = SiteRows(activations, "train", arm.write_site, scale=scaling.output_scale)
    read = write if arm.kind == "sae" else SiteRows(activations, "train", arm.read_site, scale=scaling.input_scale)
    if read.d != write.d:
        raise SparringError(
            f"arm {arm.name}: {arm.read_site} has {read.d} dimensions and {arm.write_site} {write.d}; "
            "sparsify's coders need them equal"
        )
    order = RowOrder(len(write), batch_rows=recipe.batch_rows, steps=recipe.steps, seed=recipe.seed)
    config = trainer_config(arm, recipe, d=write.d, save_dir=out / "trainer")
    if decoder_seed is not None:
        config = with_frozen_decoder(config)
    coder, summary, curve = _fit(config, order, ReplayModel(read, write, target), recipe, arm.name, decoder_seed)
    shutil.rmtree(out / "trainer")
    fold(coder, scaling)
    coder.save_to_disk(out)
    (out / "arm.json").write_bytes(pretty_json(asdict(arm)))
    (out / "scaling.json").write_bytes(pretty_json(scaling.as_dict()))
    (out / "training.json").write_bytes(pretty_json({**summary, "curve": curve}))
    return {
        "arm": asdict(arm),
        "recipe": asdict(recipe),
        "d_in": coder.d_in,
        "n_latents": coder.num_latents,
        "k": recipe.k,
        **({} if decoder_seed is None else {"decoder": "random", "decoder_seed": decoder_seed}),
        "scaling": scaling.as_dict(),
        "train_rows": len(write),
        "training": summary,
    }


def trainer_config(arm: Arm, recipe: Recipe, *, d: int, save_dir: Path) -> TrainConfig:
    """sparsify's configuration for a recipe: one sequence of `batch_rows` rows a step, one save, at the end."""
    return TrainConfig(
        sae=SparseCoderConfig(
            num_latents=recipe.width,
            k=recipe.k,
            transcode=arm.kind != "sae",
            skip_connection=arm.kind == "skip-transcoder",
        ),
        batch_size=1,
        micro_acc_steps=pieces(recipe.batch_rows, recipe.k * d * 4),
        optimizer=recipe.optimizer,
        lr=recipe.lr,
        lr_warmup_steps=round(recipe.warmup * recipe.steps),
        hookpoints=[ReplayModel.HOOKPOINT],
        init_seeds=[recipe.seed],
        save_every=recipe.steps + 2,  # beyond the last step
        save_dir=str(save_dir),
        run_name="run",
        log_to_wandb=False,
    )


def _fit(
    config: TrainConfig, order: RowOrder, model: ReplayModel, recipe: Recipe, desc: str, decoder_seed: int | None
) -> tuple[SparseCoder, dict[str, Any], list[tuple[int, int, float]]]:
    with (
        progress(recipe.steps * recipe.batch_rows, desc=f"train {desc}", unit="row") as bar,
        _upstream_contained(),
    ):
        trainer = Trainer(config, order, model)
        (training,) = trainer.saes.values()
        if decoder_seed is not None:
            freeze_decoder(training, trainer.optimizers, seed=decoder_seed)
        watch = Watch(training, batch_rows=recipe.batch_rows, pieces=config.micro_acc_steps, bar=bar)
        trainer.fit()
        optimizer = type(trainer.optimizers[0])
        # The coder in memory is not the one to keep: signum is schedule-free, and only what fit() saved is averaged.
        coder = SparseCoder.load_from_disk(f"{config.save_dir}/{config.run_name}/{ReplayModel.HOOKPOINT}")
    if not all(bool(parameter.isfinite().all()) for parameter in coder.parameters()):
        raise SparringError("the weights are not finite after the last training step; lower lr")
    # The class is recorded because upstream takes bitsandbytes' 8-bit Adam wherever it can be imported.
    return (
        coder,
        {**watch.losses.summary(), "optimizer": f"{optimizer.__module__}.{optimizer.__qualname__}"},
        watch.losses.curve(),
    )


@contextlib.contextmanager
def _upstream_contained() -> Iterator[None]:
    """Keep upstream's prints and second progress bar off our streams, its global seed and matmul precision inside."""
    precision = torch.get_float32_matmul_precision()
    chatter = io.StringIO()
    with torch.random.fork_rng(), contextlib.redirect_stdout(chatter), contextlib.redirect_stderr(chatter):
        try:
            yield
        finally:
            torch.set_float32_matmul_precision(precision)
