"""Our sparse probing is sae_bench's where defined alike, a planted fault is stopped, and what sae_bench gets wrong."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jaxtyping
import numpy as np
import pytest
import torch
from coders_data import ARMS, READ, WRITE, random_coder, save_coder
from probing_data import tiny_task_rows
from sae_bench.evals.sparse_probing import main as entry
from sae_bench.evals.sparse_probing import probe_training
from sae_bench.evals.sparse_probing.eval_config import SparseProbingEvalConfig

from sparring.coders.recipe import Arm
from sparring.coders.sae_lens_adapter import load_sae_lens, save_sae_lens
from sparring.errors import SparringError
from sparring.probing import measures
from sparring.probing.contrasts import draw_contrasts
from sparring.probing.labelled import LabelledTexts, read_task
from sparring.probing.plan import ProbingPlan
from sparring.probing.probe import right, strongest
from sparring.probing.task_rows import Batch, TaskRows
from sparring.saebench import sparse_probing as stage
from sparring.saebench import upstream
from sparring.saebench.sparse_probing import sparse_probing
from sparring.saebench.upstream import theirs

PLAN = ProbingPlan(ks=[1, 2, 5], seed=42, resamples=100)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    root = tmp_path_factory.mktemp("made")
    subject, task, rows = tiny_task_rows(root, (READ, WRITE))
    for arm in ARMS:
        coder = random_coder(arm)
        (root / arm.name).mkdir()
        save_sae_lens(save_coder(coder, arm, root / arm.name / "coder"), root / arm.name / "sae_lens")
    return SimpleNamespace(root=root, subject=subject, task=task, rows=rows)


def probed(made: SimpleNamespace, arm: Arm, plan: ProbingPlan = PLAN) -> dict[str, Any]:
    return sparse_probing(arm, made.root / arm.name / "sae_lens", made.task, made.rows, plan=plan)


@pytest.fixture(scope="module")
def results(made: SimpleNamespace) -> dict[str, dict[str, Any]]:
    return {arm.name: probed(made, arm) for arm in ARMS}


@pytest.mark.parametrize("arm", ARMS, ids=lambda arm: arm.name)
def test_both_agree_where_they_are_defined_alike(results: dict[str, Any], arm: Arm) -> None:
    found = results[arm.name]
    assert found["agreement"]["largest"] <= 1e-6 and max(found["agreement"]["means"].values()) <= 1e-6
    # Not alike because nothing is to be told: the probes differ from one another.
    assert len({one for name in found["agreement"]["alike"] for one in found["ours"][name]["classes"].values()}) > 4
    assert found["examples"] == {"train": 20, "test": 12} and found["classes"] == ["money", "rain", "sport"]
    wanted = {f"{name}_{k}" for name in ("sae", "residual") for k in ("top_1", "top_2", "top_5", "all")}
    assert found["sae_bench"].keys() == wanted
    assert found["ours"].keys() == wanted | {"difference_of_means", "logistic_direction", "bag_of_words"}
    assert ("not applicable" in found.get("note", "")) == (arm.kind != "sae")
    assert found["versions"]["sae_bench"] == "0.6.0"
    json.dumps(found, allow_nan=False)


def test_the_same_command_gives_the_same_figures(made: SimpleNamespace, results: dict[str, Any]) -> None:
    assert probed(made, ARMS[0]) == results[ARMS[0].name]


def test_the_texts_are_those_that_sae_bench_draws_in_its_order() -> None:
    sizes = {"a": 11, "b": 11, "c": 11, "d": 11}
    labels = [label for label, size in sizes.items() for _ in range(size)]
    task = LabelledTexts(["x"] * 44, labels, np.arange(44) % 11 < 7)
    numbers = {
        split: {label: torch.from_numpy(task.of(label, split)).float()[:, None] for label in sizes}
        for split in ("train", "test")
    }
    with theirs(42):
        drawn = [
            probe_training.prepare_probe_data(numbers[split], label) for label in sizes for split in ("train", "test")
        ]
    ours = [part for one in draw_contrasts(task, seed=42) for part in (one.train, one.test)]
    for (texts, positive), examples in zip(drawn, ours, strict=True):
        assert texts[:, 0].long().tolist() == examples.texts.tolist()
        assert positive.bool().tolist() == examples.positive.tolist()


def test_the_columns_are_those_that_sae_bench_picks() -> None:
    x = torch.randn(50, 40, generator=torch.Generator().manual_seed(0))
    y = np.arange(50) % 3 == 0
    for k in (1, 2, 5, 40):
        with theirs():
            left_out = probe_training.get_top_k_mean_diff_mask(x, torch.from_numpy(y).int(), k)
        assert sorted(strongest(x, y, k)) == torch.where(~left_out)[0].tolist()


def write_their_cache(made: SimpleNamespace, arm: Arm, folder: Path) -> None:
    """Our rows as the file in which its entry point looks for activations."""
    task = read_task(made.task)
    with TaskRows(made.rows) as rows:
        acts = next(rows.batches(arm.read_site, len(task.texts))).acts
    kept: dict[str, Any] = {
        split: {label: acts[task.of(label, split)] for label in task.classes} for split in ("train", "test")
    }
    torch.save(kept | {"llm_results": {"llm_test_accuracy": {"-": 0.0}}}, folder / "topics_activations.pt")


def test_the_figures_are_those_of_its_entry_point_whose_cache_key_omits_what_it_should_hold(
    made: SimpleNamespace, results: dict[str, Any], tmp_path: Path
) -> None:
    arm = ARMS[0]
    write_their_cache(made, arm, tmp_path)
    ours = results[arm.name]["sae_bench"]
    coder = load_sae_lens(made.root / arm.name / "sae_lens")
    coder.cfg.hook_layer, coder.cfg.hook_name = 1, "any"
    for k in PLAN.ks:
        config = SparseProbingEvalConfig(random_seed=42, dataset_names=["topics"], k_values=[k], lower_vram_usage=True)
        # Other sizes, another context and another dtype: the file of that name is taken for them all the same.
        other = replace(config, probe_train_set_size=8, context_length=16, llm_dtype="bfloat16")
        for each in (config, other):
            with theirs():
                _, classes = entry.run_eval_single_sae(each, coder, torch.nn.Identity(), "cpu", str(tmp_path))
            assert classes["topics_results"][f"sae_top_{k}_test_accuracy"] == pytest.approx(
                ours[f"sae_top_{k}"]["classes"], abs=1e-6
            )


# Planted faults


def test_another_choice_of_latents_is_stopped(made: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measures, "strongest", lambda x, positive, k: np.arange(k))
    with pytest.raises(SparringError, match=r"_top_\d of class '\w+' is 0\.\d+ by sae_bench and 0\.\d+ by us"):
        probed(made, ARMS[0])


def test_another_mean_is_stopped(made: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "pooled", lambda values, counted: values.mean(dim=1))  # padding counted as text
    with pytest.raises(SparringError, match="the mean latents of a text differ by"):
        probed(made, ARMS[1])


def test_a_disagreement_of_a_millionth_is_the_limit() -> None:
    bench = {f"{name}_top_1": {"classes": {"a": 0.5}} for name in ("sae", "residual")}
    ours: dict[str, Any] = {name: {"classes": {"a": 0.5 + 1e-7}} for name in bench}
    assert stage.check_agreement(ARMS[0], bench, ours, [1])["largest"] == pytest.approx(1e-7)
    ours["residual_top_1"]["classes"]["a"] += 2e-6
    with pytest.raises(SparringError, match="residual_top_1 of class 'a'"):
        stage.check_agreement(ARMS[0], bench, ours, [1])


# What sae_bench gets wrong, and how far it reaches


def test_its_own_checks_reject_its_own_calls_and_it_leaves_traces_that_are_taken_away(
    capsys: pytest.CaptureFixture[str],
) -> None:
    figures = {label: torch.randn(20, 5, generator=torch.Generator().manual_seed(n)) for n, label in enumerate("abc")}
    fewer = {label: x[:8] for label, x in figures.items()}
    with pytest.raises(Exception, match="does not equal the existing value of 20"):
        probe_training.train_probe_on_activations(figures, fewer, select_top_k=2)
    capsys.readouterr()
    state = torch.random.get_rng_state()
    with torch.no_grad():
        first = upstream.probe(figures, fewer, k=2, seed=0)
        assert not torch.is_grad_enabled()
    torch.rand(3)
    assert upstream.probe(figures, fewer, k=2, seed=0) == first != upstream.probe(figures, fewer, k=2, seed=1)
    torch.random.set_rng_state(state)
    upstream.probe(figures, fewer, k=None, seed=0)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert capsys.readouterr().out == "" and not jaxtyping.config.jaxtyping_disable


def test_its_probe_on_all_columns_picks_its_epoch_on_the_test_texts() -> None:
    generator = torch.Generator().manual_seed(0)
    bench, ours = [], []
    for seed in range(3):
        noise = {label: torch.randn(60, 20, generator=generator) for label in "abcd"}
        train, test = ({label: x[part] for label, x in noise.items()} for part in (slice(40), slice(40, 60)))
        bench += upstream.probe(train, test, k=None, seed=seed).values()
        task = LabelledTexts(["x"] * 240, [label for label in "abcd" for _ in range(60)], np.arange(240) % 60 < 40)
        x = torch.cat(list(noise.values()))
        for one in draw_contrasts(task, seed=seed):
            split = (one.train.texts, one.train.positive, one.test.texts, one.test.positive)
            ours.append(right(x[split[0]], split[1], x[split[2]], split[3]).mean())
    assert np.mean(ours) == pytest.approx(0.5, abs=0.05)  # there is nothing to learn
    assert np.mean(bench) > 0.55 and np.mean(bench) > np.mean(ours) + 0.05


def test_a_masked_text_is_nan_there_and_refused_here(made: SimpleNamespace) -> None:
    coder = load_sae_lens(made.root / "sae" / "sae_lens")
    acts = torch.randn(2, 3, 16, generator=torch.Generator().manual_seed(0))
    masked = Batch(acts * torch.tensor([1.0, 0.0])[:, None, None], torch.tensor([[True] * 3, [False] * 3]))
    with theirs():
        from sae_bench.sae_bench_utils.activation_collection import get_sae_meaned_activations

        means = get_sae_meaned_activations({"": masked.acts}, coder, 2)[""]
    assert torch.isfinite(means[0]).all() and means[1].isnan().all()
    for mean in (lambda batch: upstream.mean_latents(batch, coder), upstream.mean_rows):
        with pytest.raises(SparringError, match="without counted tokens is NaN"):
            mean(masked)


def test_a_row_whose_numbers_add_up_to_zero_is_no_row_there_and_refused_here(made: SimpleNamespace) -> None:
    acts = torch.zeros(1, 2, 16)
    acts[0, 0, :2] = torch.tensor([1.0, -1.0])
    acts[0, 1, :2] = torch.tensor([1.0, 3.0])
    batch = Batch(acts, torch.tensor([[True, True]]))
    with theirs():
        from sae_bench.sae_bench_utils.activation_collection import create_meaned_model_activations

        assert create_meaned_model_activations({"": acts})[""][0, :2].tolist() == [2.0, 2.0]  # not [1, 1]
    with pytest.raises(SparringError, match="if its numbers add up to 0"):
        upstream.mean_rows(batch)
