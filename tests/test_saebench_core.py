"""SAEBench's core runs by its own code on any subject; its explained variance is about zero, ours about the mean."""

import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from coders_data import ARMS, CONTEXT, random_coder, save_coder
from tiny import tiny_corpus, tiny_subject

from sparring.coders.recipe import Arm
from sparring.coders.sae_lens_adapter import save_sae_lens
from sparring.corpus import prepare_corpus
from sparring.errors import SparringError
from sparring.recon_metrics import ReconSums
from sparring.recon_plan import ReconPlan
from sparring.saebench import core as stage
from sparring.saebench.core import TokenStore, core
from sparring.saebench.upstream import theirs
from sparring.sources.source import Source
from sparring.tokens import TokenPlan, tokenize


@pytest.fixture(scope="module", params=["llama", "gemma2"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    root = tmp_path_factory.mktemp(request.param)
    for name in ("corpus", "tokens"):
        (root / name).mkdir()
    prepare_corpus(Source(f"path:{tiny_corpus(root / 'texts', 40)}"), format="jsonl", out=root / "corpus")
    subject = tiny_subject(root / "subject", request.param, bos=True)
    tokenize(subject, root / "corpus", plan=TokenPlan(CONTEXT, 500, 0, 500, 0), out=root / "tokens")
    return SimpleNamespace(root=root, subject=subject, tokens=root / "tokens")


def measured(made: SimpleNamespace, arm: Arm) -> dict[str, Any]:
    folder = made.root / arm.name
    if not folder.exists():
        folder.mkdir()
        save_sae_lens(save_coder(random_coder(arm), arm, folder / "coder"), folder / "sae_lens")
    return core(arm, folder / "sae_lens", made.subject, made.tokens, split="evaluation", plan=ReconPlan(sequences=6))


@pytest.mark.parametrize("arm", ARMS, ids=lambda arm: arm.name)
def test_it_runs_by_its_own_code(made: SimpleNamespace, arm: Arm) -> None:
    found = measured(made, arm)
    bench, ours = found["sae_bench"], found["ours"]["their_tokens"]
    assert bench["sparsity"]["l0"] == pytest.approx(ours["l0"], abs=1e-4)
    json.dumps(found, allow_nan=False)
    if arm.kind == "sae":
        assert bench["reconstruction_quality"]["cossim"] == pytest.approx(ours["cosine"], abs=1e-4)
        assert bench["reconstruction_quality"]["explained_variance"] is not None
        assert bench["model_performance_preservation"]["ce_loss_with_sae"] > 0
    else:
        assert "predicts another site" in found["note"]
        assert bench.keys() == {"sparsity", "token_stats", "misc"} and ours.keys() == {"l0", "tokens"}


def test_another_l0_is_stopped(made: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    own = stage.run_core

    def wrong(*given: Any, **named: Any) -> dict[str, Any]:
        found = own(*given, **named)
        found["sparsity"]["l0"] += 0.01
        return found

    monkeypatch.setattr(stage, "run_core", wrong)
    with pytest.raises(SparringError, match=r"L0 is \d\.\d+ by sae_bench and \d\.\d+ by us on the same tokens"):
        measured(made, ARMS[0])


class Rows:
    """A model with one hook, which gives the rows with the numbers of the tokens; scaled by `scale`."""

    def __init__(self, rows: torch.Tensor) -> None:
        self.rows = rows

    def run_with_cache(self, tokens: torch.Tensor, **_: Any) -> tuple[None, dict[str, torch.Tensor]]:
        return None, {"hook": self.rows[tokens]}


class Mean:
    """A coder that says the mean of all rows, whatever it reads."""

    device = torch.device("cpu")
    cfg = SimpleNamespace(hook_name="hook", hook_layer=0, hook_head_index=None, d_sae=1)

    def __init__(self, rows: torch.Tensor) -> None:
        self.mean = rows.mean(dim=0)

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        return torch.ones(*x.shape[:-1], 1)

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        return latents * self.mean


def their_explained_variance(rows: torch.Tensor) -> float:
    from sae_bench.evals.core.main import get_sparsity_and_variance_metrics

    on = {"compute_l2_norms": False, "compute_sparsity_metrics": False, "compute_variance_metrics": True}
    with theirs():
        figures, _ = get_sparsity_and_variance_metrics(
            Mean(rows),
            Rows(rows),
            TokenStore(torch.arange(len(rows)).view(-1, 32), 4),
            n_batches=len(rows) // 128,
            compute_featurewise_density_statistics=True,
            eval_batch_size_prompts=4,
            model_kwargs={},
            **on,
        )
    return float(figures["explained_variance"])


def test_predicting_the_mean_scores_high_there_and_zero_here() -> None:
    generator = torch.Generator().manual_seed(0)
    rows = 0.3 * (torch.randn(256, 64, generator=generator) + 3 * torch.randn(64, generator=generator))
    assert their_explained_variance(rows) > 0.85
    sums = ReconSums(np.zeros(len(rows), dtype=np.int64), 64)
    sums.add(rows.numpy(), rows.mean(dim=0).expand(256, 64).numpy())
    assert 1 - sums.fvu == pytest.approx(0, abs=1e-9)


def test_what_it_calls_variance_depends_on_the_unit_of_the_rows() -> None:
    rows = torch.randn(256, 64, generator=torch.Generator().manual_seed(0)) + 2
    one, ten = their_explained_variance(rows), their_explained_variance(10 * rows)
    assert abs(one - ten) > 0.1
