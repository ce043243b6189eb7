"""The protocol delphi: our stage gives what delphi's own code gives on the same cache, and says what it does not."""

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from checkout import Checkout
from llm_data import ByRule
from transformers import PreTrainedTokenizerFast

from sparring.autointerp import delphi as stage
from sparring.autointerp import describe as explaining
from sparring.autointerp.delphi_rows import fuzz_marks
from sparring.autointerp.delphi_upstream import (
    Client,
    ConstructorConfig,
    DefaultExplainer,
    DetectionScorer,
    FuzzingScorer,
    LatentDataset,
    Response,
    SamplerConfig,
)
from sparring.autointerp.plan import DelphiPlan, DescribePlan
from sparring.errors import SparringError
from sparring.latent_cache import LatentCache
from sparring.llm.engine import Answer, Question
from sparring.manifest import read_manifest
from sparring.store import Store

pytestmark = pytest.mark.e2e

PLAN = DelphiPlan(
    n_examples_train=10, n_examples_test=10, n_non_activating=10, n_quantiles=5, min_examples=12, checked=3
)


def by_chance(question: Question) -> Answer:
    """Bits, or an explanation, that hang on every letter of the question; now and then something unreadable."""
    chance = int(question.digest[:12], 16)
    if not chance % 7:
        return Answer("I cannot say.")
    if "[EXPLANATION]" in question.messages[0][1]:
        return Answer(f"Some thoughts.\n[EXPLANATION]: words of kind {chance % 1000}")
    return Answer(str([chance >> i & 1 for i in range(5)]))


class OwnClient(Client):
    """Answers delphi's questions one by one, as a client of its own would."""

    def __init__(self) -> None:
        pass

    async def generate(self, prompt: Any, **_: Any) -> Response:
        messages = tuple((said["role"], said["content"]) for said in prompt)
        return Response(text=by_chance(Question(messages, PLAN.max_tokens)).text)


@pytest.fixture(scope="module")
def folders(mini: Checkout, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    base = tmp_path_factory.mktemp("in")
    found = {}
    for name in ("latents/sae", "subject", "explanations/sae"):
        manifest = read_manifest(mini.work / "results" / f"{name}.json")
        assert manifest is not None
        found[name.split("/")[0]] = manifest.link_into(Store(mini.store), base / name.replace("/", "-"))
    return found


@pytest.fixture(scope="module")
def draw(mini: Checkout) -> Any:
    return json.loads(mini.result("draws/sae.json"))


@pytest.fixture(scope="module")
def ours(
    folders: dict[str, Path], draw: Any, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, Any], list[dict[str, Any]], dict[str, str]]:
    out = tmp_path_factory.mktemp("out")
    meta = stage.delphi(
        folders["latents"],
        folders["subject"],
        draw,
        folders["explanations"],
        "sae",
        engine=ByRule(by_chance),
        plan=PLAN,
        answers=out / "answers",
        out=out,
    )
    said = {i: one["text"] for i, one in json.loads((out / "explanations.json").read_text())["real"].items()}
    return meta, pq.read_table(out / "scores.parquet").to_pylist(), said


@pytest.fixture(scope="module")
def theirs(folders: dict[str, Path], draw: Any) -> dict[tuple[str, int], tuple[str, list[Any]]]:
    """Delphi as its own __main__ runs it, latent after latent: (explanation, outputs) by metric and latent."""
    import torch

    hook = next(path.parent.name for path in folders["latents"].glob("latents/*/config.json"))
    dataset = LatentDataset(
        raw_dir=folders["latents"] / "latents",
        sampler_cfg=SamplerConfig(n_examples_train=10, n_examples_test=10, n_quantiles=5),
        constructor_cfg=ConstructorConfig(min_examples=12, n_non_activating=10),
        modules=[hook],
        latents={hook: torch.tensor(sorted(draw["latents"]))},
        tokenizer=PreTrainedTokenizerFast(tokenizer_file=str(folders["subject"] / "tokenizer.json")),
    )
    records = sorted(dataset, key=lambda record: record.latent.latent_index)

    async def run() -> dict[tuple[str, int], tuple[str, list[Any]]]:
        client, found = OwnClient(), {}
        explainer = DefaultExplainer(client, threshold=0.3)
        scorers = {kind.name: kind(client, n_examples_shown=5) for kind in (DetectionScorer, FuzzingScorer)}
        for record in records:
            result = await explainer(record)
            record.explanation = result.explanation
            record.extra_examples = record.not_active
            for name, scorer in scorers.items():
                outputs = (await scorer(record)).score
                found[name, record.latent.latent_index] = (
                    result.explanation,
                    [(tuple(o.str_tokens), o.activating, o.prediction) for o in outputs],
                )
        return found

    return asyncio.run(run())


def test_our_records_are_delphis(ours: Any, theirs: Any, folders: dict[str, Path]) -> None:
    _, rows, said = ours
    cache = LatentCache(folders["latents"])
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(folders["subject"] / "tokenizer.json"))
    where = {int(sequence): i for i, sequence in enumerate(cache.sequence)}
    assert len({latent for _, latent in theirs}) > 4
    for (metric, latent), (explanation, outputs) in theirs.items():
        mine = [r for r in rows if (r["metric"], r["latent"], r["explanation"]) == (metric, latent, "real")]
        read = []
        for row in mine:
            ids = cache.tokens[where[row["sequence"]], row["start"] : row["start"] + 32].astype(int)
            prediction = None if np.isnan(row["score"]) else bool(row["score"])
            read.append((tuple(tokenizer.batch_decode(ids)), row["label"], prediction))
        assert Counter(read) == Counter(outputs)
        assert said[str(latent)] == explanation
    assert {row["latent"] for row in rows} == {latent for _, latent in theirs}
    predictions = {prediction for _, outputs in theirs.values() for _, _, prediction in outputs}
    assert predictions == {True, False, None}


def test_what_delphi_does_not_say(ours: Any, draw: Any) -> None:
    meta, rows, _ = ours
    assert {int(i) for i in meta["dropped"]} | {row["latent"] for row in rows} == set(draw["latents"])
    assert meta["shown_to_explainer"] > 0.2
    assert 0.0 <= meta["tell_auroc"] <= 1.0  # planted latents, whose marks tell, are in test_delphi_defects.py
    assert 0.5 < meta["parse_rate"] < 1.0
    assert meta["canary"]["items"] == 50
    kinds = {kind: {row["latent"] for row in rows if row["explanation"] == kind} for kind in ("real", "shuffled")}
    assert len(kinds["shuffled"]) == 3 < len(kinds["real"])


def test_where_delphi_drops_every_latent_it_is_said(folders: dict[str, Path], draw: Any, tmp_path: Path) -> None:
    plan = DelphiPlan(min_examples=10**6)
    given = {"engine": ByRule(by_chance), "plan": plan, "answers": tmp_path / "answers", "out": tmp_path}
    read = (folders["latents"], folders["subject"], draw, folders["explanations"], "sae")
    with pytest.raises(SparringError, match=r"drops all but 0 of the 12 latents .* llm\.delphi\.min_examples"):
        stage.delphi(*read, **given)


def test_marks_are_read_back_from_delphis_texts() -> None:
    tokens = ["a", " b", "<<", " c", ">>"]
    assert fuzz_marks("<<a>> b<<<<>> c>>", tokens).tolist() == [True, False, True, False, False]
    assert fuzz_marks("a<< b<< c>>>>", ["a", " b", "<<", " c", ">>"]).tolist()[:2] == [False, True]


def test_a_models_explanations_rest_on_the_explainers_documents(
    folders: dict[str, Path], draw: Any, tmp_path: Path
) -> None:
    engine = ByRule(by_chance)
    given = {"engine": engine, "plan": DescribePlan(examples=4), "answers": tmp_path / "answers", "out": tmp_path}
    meta = explaining.describe(folders["latents"], folders["subject"], draw, "sae", **given)
    made = json.loads((tmp_path / "explanations.json").read_text())["real"]
    assert set(made) == {str(latent) for latent in draw["latents"]}
    assert len(engine.asked) == len(made)
    silent = [one for one in made.values() if not one["text"]]
    assert meta["unreadable_explanations"] == len(silent)
    assert all(one["text"].startswith("words of kind ") for one in made.values() if one["text"])
    asked = engine.asked[0].messages
    assert asked[0][0] == "system" and "<<" in asked[-1][1] and "Activations: " in asked[-1][1]
    assert asked[-1][1].count("Activations: ") == 4
