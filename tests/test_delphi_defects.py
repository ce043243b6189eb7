"""What delphi's own sampling and marking do, run as it is, and what the strict protocol does instead."""

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from autointerp_data import GROUPS, WordText, planted
from tiny import tiny_tokenizer

from sparring.autointerp.delphi_rows import fuzz_marks
from sparring.autointerp.delphi_upstream import ConstructorConfig, FuzzingScorer, LatentDataset, SamplerConfig
from sparring.autointerp.draw import draw_arm
from sparring.autointerp.examples import Protocol, draw_examples
from sparring.autointerp.explain import Explainer
from sparring.autointerp.marks import tell_auroc
from sparring.autointerp.plan import DrawPlan, ExplainPlan
from sparring.latents import Firings, _write_delphi

PLAN = DrawPlan(latents=4, strata=1, positives=12, negatives=12)
LATENTS = range(len(GROUPS))


Dataset = Callable[..., LatentDataset]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """The planted latents in a folder that delphi opens."""
    cache, _ = planted()
    found = [cache.of(latent) for latent in LATENTS]
    firings = Firings(
        np.concatenate([firing[0] for firing in found]).astype(np.int32),
        np.concatenate([firing[1] for firing in found]).astype(np.int32),
        np.repeat(list(LATENTS), [len(firing[0]) for firing in found]).astype(np.int32),
        np.concatenate([firing[2] for firing in found]).astype(np.float16),
    )
    folder = tmp_path_factory.mktemp("latents")
    (folder / "layers.1.mlp").mkdir()
    _write_delphi(folder / "layers.1.mlp", firings, cache.tokens, len(found))
    sampler = SamplerConfig(n_examples_train=20, n_examples_test=20)
    return lambda min_examples: LatentDataset(
        folder,
        sampler,
        ConstructorConfig(min_examples=min_examples, n_non_activating=20),
        tokenizer=tiny_tokenizer(),
    )


def read(dataset: LatentDataset) -> list[Any]:
    """The records that delphi's constructor and sampler make."""

    async def all_of_them() -> list[Any]:
        return [record async for record in dataset]

    return asyncio.run(all_of_them())


@pytest.fixture(scope="module")
def records(dataset: Dataset) -> list[Any]:
    found = read(dataset(min_examples=20))
    assert len(found) == len(GROUPS)
    return found


def windows(examples: list[Any]) -> set[tuple[int, ...]]:
    return {tuple(example.tokens.tolist()) for example in examples}


def test_delphi_scores_on_windows_that_the_explainer_was_shown(records: list[Any]) -> None:
    assert all(windows(record.train) & windows(record.test) for record in records)


def test_strict_explainer_and_scorer_share_no_document() -> None:
    cache, words = planted()
    protocol = Protocol.of(cache, PLAN)
    explainer = Explainer(protocol, protocol.pools.explainer, WordText(words), ExplainPlan())
    for latent in LATENTS:
        examples = draw_examples(protocol, latent)
        judged = set(protocol.windows.document[np.concatenate([examples.positive, examples.negative])].tolist())
        assert not judged & {context["document"] for context in explainer.explain(latent)["contexts"]}


def test_delphis_marks_tell_the_label_and_strict_ones_do_not(records: list[Any]) -> None:
    marks, labels, groups = [], [], []
    scorer = FuzzingScorer(client=None, n_examples_shown=1)
    for group, record in enumerate(records):
        for example in (*record.test, *record.not_active):
            example.str_tokens = ["x"] * len(example.tokens)
        for sample in scorer._prepare(record):
            marks.append(fuzz_marks(sample.text, sample.data.str_tokens))
            labels.append(sample.data.activating)
            groups.append(group)
    told = tell_auroc(np.stack(marks), np.array(labels), np.array(groups))
    assert told is not None and told > 0.8

    cache, _ = planted()
    protocol = Protocol.of(cache, PLAN)
    shown = {latent: draw_examples(protocol, latent) for latent in LATENTS}
    ours = [np.vstack([one.true, one.false[one.placed]]) for one in shown.values()]
    told = tell_auroc(
        np.concatenate(ours),
        np.concatenate([np.arange(len(rows)) < len(one.true) for rows, one in zip(ours, shown.values(), strict=True)]),
        np.repeat(list(shown), [len(rows) for rows in ours]),
    )
    assert told is not None and told < 0.55


def test_delphi_drops_rare_latents_without_a_word_and_strict_gives_each_a_fate(dataset: Dataset) -> None:
    assert read(dataset(min_examples=1000)) == []
    cache, _ = planted()
    protocol = Protocol.of(cache, PLAN)
    drawn = draw_arm(cache, protocol.windows, protocol.pools, plan=PLAN, rng=np.random.default_rng(0))
    assert sum(drawn["population"].values()) == cache.n_latents
    assert drawn["population"]["dead"] == 1
