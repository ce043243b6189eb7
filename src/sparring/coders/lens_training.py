"""Trains a JumpReLU, BatchTopK or Matryoshka SAE by sae_lens's own classes and steps, from cached activations.

`SAETrainer.step` is the seam that sae_lens offers to others: no model, no store of its own, no Weights & Biases, no
checkpoint; its `fit` would draw a bar of its own and keep no loss. All other choices are the recipe's: width, k, rows
and their order, batch, Adam's peak rate with its warm-up and its fall to 0, seed, scale.
"""

import shutil
import warnings
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from sae_lens import (
    BatchTopKTrainingSAE,
    BatchTopKTrainingSAEConfig,
    JumpReLUTrainingSAE,
    JumpReLUTrainingSAEConfig,
    MatryoshkaBatchTopKTrainingSAE,
    MatryoshkaBatchTopKTrainingSAEConfig,
)
from sae_lens.config import SAETrainerConfig
from sae_lens.saes.sae import SAEMetadata
from sae_lens.training.sae_trainer import SAETrainer
from torch import Tensor

from sparring.canonical import pretty_json
from sparring.coders.lens_canonical import fold_scale, save_canonical
from sparring.coders.lens_coder import load_sae_lens
from sparring.coders.lens_plan import Architecture, LensPlan, threshold_lr, widths_of
from sparring.coders.losses import Losses
from sparring.coders.measured import measured_scaling
from sparring.coders.recipe import Arm, Recipe
from sparring.coders.replay import RowOrder, SiteRows
from sparring.device import device
from sparring.errors import SparringError
from sparring.progress import progress
from sparring.sites import parse_site


def train_lens_coder(
    activations: Path, *, arm: Arm, recipe: Recipe, architecture: Architecture, plan: LensPlan, out: Path
) -> dict[str, Any]:
    """Train the SAE `arm` on the train rows of `activations` and write it to `out`; its meta is returned.

    `out` gets cfg.json and sae_weights.safetensors (as `sae_lens.SAE.load_from_disk` reads them, taking raw rows),
    format.json, arm.json, scaling.json, training.json. Raises SparringError for a loss or a weight that is no number.
    """
    scaling = measured_scaling(activations, arm, recipe)
    rows = SiteRows(activations, "train", arm.write_site, scale=scaling.output_scale)
    order = RowOrder(len(rows), batch_rows=recipe.batch_rows, steps=recipe.steps, seed=recipe.seed)
    batches = (rows[order[step]["input_ids"].numpy()] for step in range(len(order)))
    made, losses = fit(new_sae(arm, recipe, architecture, plan, d=rows.d), batches, recipe, plan, desc=arm.name)
    sae = as_inference(made, out / "scaled")
    fold_scale(sae, scaling.output_scale)
    save_canonical(sae, out)
    (out / "arm.json").write_bytes(pretty_json(asdict(arm)))
    (out / "scaling.json").write_bytes(pretty_json(scaling.as_dict()))
    summary = losses.summary() | {"optimizer": "torch.optim.adam.Adam"}
    (out / "training.json").write_bytes(pretty_json({**summary, "curve": losses.curve()}))
    return {
        "arm": asdict(arm),
        "format": "sae_lens",
        "architecture": architecture,
        "sae_lens": asdict(plan),
        "recipe": asdict(recipe),
        "d_in": rows.d,
        "n_latents": recipe.width,
        "k": recipe.k,
        "scaling": scaling.as_dict(),
        "train_rows": len(rows),
        "training": summary,
    }


def new_sae(arm: Arm, recipe: Recipe, architecture: Architecture, plan: LensPlan, *, d: int) -> Any:
    """sae_lens's training class for the recipe, its first weights drawn by the recipe's seed."""
    hook = parse_site(arm.write_site).lens_hook
    common: dict[str, Any] = {"d_in": d, "d_sae": recipe.width, "device": str(device())}
    common["metadata"] = SAEMetadata(hook_name=hook, hook_name_out=hook, prepend_bos=True)
    with torch.random.fork_rng(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(recipe.seed)  # sae_lens draws from the global generator, which is put back
        if architecture == "jumprelu":
            return JumpReLUTrainingSAE(
                JumpReLUTrainingSAEConfig(
                    **common,
                    jumprelu_sparsity_loss_mode=plan.penalty,
                    jumprelu_bandwidth=plan.bandwidth,
                    jumprelu_init_threshold=plan.init_threshold,
                    jumprelu_ste_to_input=plan.ste_to_input,
                    l0_coefficient=plan.l0_coefficient * d,  # sae_lens sums the error over dimensions
                    l0_warm_up_steps=round(plan.l0_warmup * recipe.steps),
                    target_l0=float(recipe.k) if plan.penalty == "quadratic" else None,
                )
            )
        common |= {
            "k": recipe.k,
            "topk_threshold_lr": threshold_lr(plan, recipe),
            "aux_loss_coefficient": plan.aux_coefficient,
        }
        if architecture == "batchtopk":
            return BatchTopKTrainingSAE(BatchTopKTrainingSAEConfig(**common))
        widths = widths_of(plan, recipe)
        return MatryoshkaBatchTopKTrainingSAE(MatryoshkaBatchTopKTrainingSAEConfig(**common, matryoshka_widths=widths))


def fit(
    sae: Any, batches: Iterator[Float[Tensor, "rows d"]], recipe: Recipe, plan: LensPlan, *, desc: str
) -> tuple[Any, Losses]:
    """Train `sae` in place on as many batches of scaled rows as the recipe has steps."""
    warmup = round(recipe.warmup * recipe.steps)
    config = SAETrainerConfig(
        total_training_samples=recipe.steps * recipe.batch_rows,
        train_batch_size_samples=recipe.batch_rows,
        lr=recipe.lr,
        lr_end=recipe.lr,
        lr_warm_up_steps=warmup,
        lr_decay_steps=recipe.steps - warmup,
        device=str(device()),
        dead_feature_window=plan.dead_steps,
        feature_sampling_window=recipe.steps + 1,  # its statistics are then of the whole training, and never logged
    )
    trainer = SAETrainer(config, sae, data_provider=batches)
    losses = Losses(recipe.width, batch_rows=recipe.batch_rows, device=device())
    with progress(recipe.steps * recipe.batch_rows, desc=f"train {desc}", unit="row") as bar:
        for step, batch in enumerate(batches):
            made = trainer.step(batch)
            trainer.n_training_steps += 1
            losses.add(step, _fvu(made.sae_in, made.sae_out.detach()), (made.feature_acts > 0).any(0).nonzero()[:, 0])
            bar.update(len(batch))
    trainer.set_final_sae_metadata()
    if not all(bool(parameter.isfinite().all()) for parameter in sae.parameters()):
        raise SparringError("the weights are not finite after the last training step; lower lr")
    return sae, losses


def as_inference(made: Any, scratch: Path) -> Any:
    """The class that a training class of sae_lens is used as, by its own saving and loading; still for scaled rows."""
    made.save_inference_model(scratch)
    read = load_sae_lens(scratch)
    shutil.rmtree(scratch)
    return read


def _fvu(rows: Float[Tensor, "rows d"], made: Float[Tensor, "rows d"]) -> float:
    """As sparsify works its loss out: over the variance about the batch's own mean."""
    return float((rows - made).square().sum() / (rows - rows.mean(0)).square().sum())
