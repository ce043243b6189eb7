"""Explanations and scores of planted latents: right ones score far above shuffled ones, and what is wrong is caught."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from autointerp_data import GROUPS, WordText, planted

from sparring.autointerp.embedded import EmbeddedWindows
from sparring.autointerp.examples import Protocol, draw_examples
from sparring.autointerp.explain import Explainer, repeated, require_no_leak
from sparring.autointerp.judge import Judge
from sparring.autointerp.plan import EXPLANATIONS, METRICS, DrawPlan, ExplainPlan, ScorePlan
from sparring.autointerp.rows import SCHEMA, to_table
from sparring.autointerp.scorers.embedder import Embedder
from sparring.autointerp.stage import Arm, derangement, score_arm
from sparring.errors import SparringError
from sparring.stats.auroc import auroc

PLAN = DrawPlan(latents=4, strata=1, positives=12, negatives=12)


class NoEmbedder(Embedder):
    """Vectors that say nothing, so that the token list alone decides: no model to load."""

    def __init__(self) -> None:
        self.meta = {"weights": "none"}

    def embed(self, texts: Any, bounds: Any) -> list[np.ndarray]:
        return [np.zeros((len(cut) - 1, 1), dtype=np.float32) for cut in bounds]


def silent_windows(protocol: Protocol, text: WordText) -> EmbeddedWindows:
    """The scorer pool's windows without anything in their vectors."""
    mine = np.flatnonzero(protocol.in_scorer)
    words = [[text.word(int(i)) for i in ids] for ids in protocol.tokens(mine)]
    vectors = np.zeros((len(mine), protocol.windows.size, 1), dtype=np.float32)
    sequence = protocol.cache.sequence[protocol.windows.sequence[mine]]
    return EmbeddedWindows(sequence, protocol.windows.start[mine], words, vectors)


@pytest.fixture(scope="module")
def arm() -> tuple[Arm, EmbeddedWindows]:
    cache, words = planted()
    protocol, text = Protocol.of(cache, PLAN), WordText(words)
    examples = {latent: draw_examples(protocol, latent) for latent in range(len(GROUPS))}
    pools = {"real": protocol.pools.explainer, "oracle": protocol.pools.scorer}
    made = {
        kind: {str(i): Explainer(protocol, pool, text, ExplainPlan()).explain(i) for i in examples}
        for kind, pool in pools.items()
    }
    require_no_leak(made["real"], protocol.pools.scorer)
    return Arm("sae", {"digest": "0" * 64}, protocol, examples, made), silent_windows(protocol, text)


@pytest.fixture(scope="module")
def scored(arm: tuple[Arm, EmbeddedWindows], tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    scorer = Judge(arm[0].protocol, arm[1], NoEmbedder(), ScorePlan())
    out = tmp_path_factory.mktemp("out")
    meta = score_arm(arm[0], scorer, metrics=METRICS, kinds=EXPLANATIONS, seed=0, out=out)
    rows = pq.read_table(out / "scores.parquet").to_pylist()
    assert meta["rows"] == len(rows)
    assert set(meta["gates"].values()) == {0}
    return rows


def mean_auroc(rows: list[dict[str, Any]], metric: str, kind: str) -> float:
    found = []
    for latent in range(len(GROUPS)):
        mine = [r for r in rows if (r["metric"], r["explanation"], r["latent"]) == (metric, kind, latent)]
        found.append(auroc(np.array([r["label"] for r in mine]), np.array([r["score"] for r in mine])).value)
    return float(np.mean(found))


@pytest.mark.parametrize("metric", ["detection", "fuzz"])
def test_right_explanations_stand_far_above_shuffled_ones(scored: list[dict[str, Any]], metric: str) -> None:
    assert mean_auroc(scored, metric, "oracle") > 0.95
    assert mean_auroc(scored, metric, "real") > 0.95
    assert 0.35 < mean_auroc(scored, metric, "shuffled") < 0.65
    assert mean_auroc(scored, metric, "empty") == 0.5


def test_rows_have_the_schema_and_stand_once(scored: list[dict[str, Any]]) -> None:
    table = to_table(scored)
    assert table.schema == SCHEMA
    keys = {(r["metric"], r["explanation"], r["latent"], r["example"]) for r in scored}
    assert len(keys) == table.num_rows


def test_an_explanation_from_a_scorer_document_is_refused() -> None:
    leaked = {"7": {"contexts": [{"document": 12}]}}
    with pytest.raises(SparringError, match="latent 7 shows document 12"):
        require_no_leak(leaked, frozenset({12}))


def test_copied_explanations_are_counted() -> None:
    texts = {"0": "dots", "1": "dots", "2": "dots", "3": "days", "4": "days", "5": "own"}
    assert repeated(texts) == {"duplicate_explanations": 2, "copied_explanations": 5}


def test_shuffling_leaves_nobody_their_own() -> None:
    for seed in range(30):
        order = derangement(6, np.random.default_rng(seed))
        assert sorted(order) == list(range(6))
        assert all(i != other for i, other in enumerate(order))
    with pytest.raises(SparringError, match="at least 2"):
        derangement(1, np.random.default_rng(0))


def test_a_scorer_swapped_in_mid_run_is_caught(arm: tuple[Arm, EmbeddedWindows], tmp_path: Path) -> None:
    class Swapped(Judge):
        times = 0

        def ask(self, questions: Any) -> list[list[float]]:
            self.times += 1
            return [[score + self.times for score in scores] for scores in super().ask(questions)]

    scorer = Swapped(arm[0].protocol, arm[1], NoEmbedder(), ScorePlan())
    meta = score_arm(arm[0], scorer, metrics=METRICS, kinds=("real",), seed=0, out=tmp_path)
    assert meta["gates"]["answers to the canary that changed while it was scored"] == 50
