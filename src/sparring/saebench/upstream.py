"""The one place that imports sae_bench, and where what it does wrongly is stepped around.

- Its run-time shape checks reject its own calls (beartype >= 0.18): they are off while it runs, and only then.
- It prints to standard output, turns gradients on for the whole process and draws from torch's global generator: output
  is swallowed, gradients and generator are put back, and each call has a seed of its own.
- It has data from a list of hub names, and keeps activations under a name without sizes, seed, context or dtype: its
  entry point is not used, its functions are given our rows (tests/test_saebench.py: the figures are the entry point's).
- It takes a row for masked if its numbers add up to 0, and a text without rows has a mean of NaN: both are refused.
"""

import contextlib
import io
import warnings
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Any

import jaxtyping
import torch
from jaxtyping import Float
from torch import Tensor

from sparring.errors import SparringError
from sparring.probing.task_rows import Batch

PerClass = Mapping[str, Float[Tensor, "_ _"]]
# What its sparse_probing passes to the probe on all columns (sparse_probing/main.py).
_ALL_COLUMNS: dict[str, Any] = {"use_sklearn": False, "batch_size": 250, "epochs": 100, "lr": 1e-2}


def versions() -> dict[str, str]:
    """Of sae_bench and of what decides its figures."""
    return {name: version(name) for name in ("sae_bench", "sae_lens", "scikit-learn", "torch")}


@contextlib.contextmanager
def theirs(seed: int | None = None) -> Iterator[None]:
    """Where code of sae_bench may run; `seed` sets torch's global generator for it."""
    before = jaxtyping.config.jaxtyping_disable
    gradients = torch.is_grad_enabled()
    with (
        jaxtyping.jaxtyped("context"),  # sizes bound by a caller's checks are not theirs
        torch.random.fork_rng(),
        contextlib.redirect_stdout(io.StringIO()),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore", FutureWarning)  # it names scikit-learn's default penalty
        jaxtyping.config.update("jaxtyping_disable", True)
        if seed is not None:
            torch.manual_seed(seed)
        try:
            yield
        finally:
            jaxtyping.config.update("jaxtyping_disable", before)
            torch.set_grad_enabled(gradients)


def mean_latents(batch: Batch, coder: Any) -> Float[Tensor, "text latent"]:
    """Its mean over tokens of the latents of `coder` (anything with `encode` and `dtype`)."""
    _check_rows(batch)
    with theirs():
        from sae_bench.sae_bench_utils.activation_collection import get_sae_meaned_activations

        return get_sae_meaned_activations({"": batch.acts}, coder, len(batch.acts))[""]


def mean_rows(batch: Batch) -> Float[Tensor, "text d"]:
    """Its mean over tokens of the rows themselves."""
    _check_rows(batch)
    with theirs():
        from sae_bench.sae_bench_utils.activation_collection import create_meaned_model_activations

        return create_meaned_model_activations({"": batch.acts})[""]


def probe(train: PerClass, test: PerClass, *, k: int | None, seed: int) -> dict[str, float]:
    """{class: test accuracy} of its probe on k columns, or on all of them.

    On all it stops at the epoch that is best on the TEST texts, and reports that accuracy.
    """
    with theirs(seed):
        from sae_bench.evals.sparse_probing.probe_training import train_probe_on_activations

        settings = {"select_top_k": k} if k is not None else _ALL_COLUMNS
        _, accuracies = train_probe_on_activations(dict(train), dict(test), **settings)
    return {label: float(accuracy) for label, accuracy in accuracies.items()}


def run_core(coder: Any, model: Any, store: Any, ignored: set[int], *, reconstructs: bool) -> dict[str, Any]:
    """{group: {figure}} of its core, with its summary of the latents under "misc".

    coder: of sae_lens, its hook named in `cfg.metadata`. model: with TransformerLens's hooks. store: gives tokens, and
    tells how many sequences at a time. ignored: token ids that are neither replaced nor counted.
    reconstructs: whether the coder's output stands for its input; else sparsity and weights alone.
    """
    batch = store.store_batch_size_prompts
    with theirs():
        from sae_bench.evals.core.eval_config import CoreEvalConfig
        from sae_bench.evals.core.main import calculate_misc_metrics, run_evals
        from sae_bench.sae_bench_utils.general_utils import _standardize_sae_cfg

        coder.cfg.metadata.model_name = "subject"  # it asks for a name, and would fetch that model in its entry point
        _standardize_sae_cfg(coder.cfg)
        config = CoreEvalConfig(
            batch_size_prompts=batch,
            n_eval_reconstruction_batches=store.batches,
            n_eval_sparsity_variance_batches=store.batches,
            context_size=store.context_size,
            compute_kl=reconstructs,
            compute_ce_loss=reconstructs,
            compute_l2_norms=reconstructs,
            compute_variance_metrics=reconstructs,
            compute_sparsity_metrics=True,
            compute_featurewise_density_statistics=True,
            compute_featurewise_weight_based_metrics=True,
            exclude_special_tokens_from_reconstruction=True,
        )
        figures, features = run_evals(coder, store, model, config, ignore_tokens=ignored)
        return {**figures, "misc": calculate_misc_metrics(features)}


def _check_rows(batch: Batch) -> None:
    taken = batch.acts.sum(dim=-1) != 0
    if not torch.equal(taken, batch.counted):
        raise SparringError(
            "sae_bench takes a row for masked if its numbers add up to 0, and one of this task does: take another site"
        )
    if not bool(batch.counted.any(dim=1).all()):
        raise SparringError("sae_bench's mean of a text without counted tokens is NaN; leave that text out")
