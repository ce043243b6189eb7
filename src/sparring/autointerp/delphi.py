"""The protocol `delphi`: delphi's own sampling, marking, prompts and parsing, for comparison with published figures.

Delphi's code does the work; ours chooses the latents (the draw of the strict protocol), answers its questions, and
notes what it does not: every drawn latent's fate, how many of the scored windows the explainer had been shown, what the
marks alone tell, and the same floor and ceiling as beside every score.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.parquet as pq
import torch
from transformers import PreTrainedTokenizerFast

from sparring.autointerp.canary import canary
from sparring.autointerp.checks import token_entropies
from sparring.autointerp.delphi_client import answered, canary_asker
from sparring.autointerp.delphi_rows import leaked, record_rows, tell
from sparring.autointerp.delphi_upstream import (
    Client,
    ConstructorConfig,
    DefaultExplainer,
    DetectionScorer,
    FuzzingScorer,
    LatentDataset,
    LatentRecord,
    SamplerConfig,
)
from sparring.autointerp.examples import Protocol
from sparring.autointerp.explain import repeated
from sparring.autointerp.plan import METRICS, DelphiPlan, draw_plan_of
from sparring.autointerp.prompts import NOTHING, shown
from sparring.autointerp.rows import to_table
from sparring.autointerp.stage import controls, read_explanations
from sparring.canonical import pretty_json
from sparring.errors import SparringError
from sparring.latent_cache import LatentCache
from sparring.llm.answers import Asker
from sparring.llm.engine import Engine


class Posed(NamedTuple):
    """An explanation, of the latent `by`, to be judged on the examples of `record`."""

    record: LatentRecord
    by: int
    text: str


SCORERS = {"detection": DetectionScorer, "fuzz": FuzzingScorer}


def read_records(latents: Path, subject: Path, drawn: Sequence[int], plan: DelphiPlan) -> dict[int, LatentRecord]:
    """Delphi's records of the drawn latents, each with its `train` and `test` examples; those it drops are missing."""
    (hook,) = (path.parent.name for path in latents.glob("latents/*/config.json"))
    dataset = LatentDataset(
        latents / "latents",
        SamplerConfig(
            n_examples_train=plan.n_examples_train, n_examples_test=plan.n_examples_test, n_quantiles=plan.n_quantiles
        ),
        ConstructorConfig(min_examples=plan.min_examples, n_non_activating=plan.n_non_activating),
        tokenizer=PreTrainedTokenizerFast(tokenizer_file=str(subject / "tokenizer.json")),
        modules=[hook],
        latents={hook: torch.tensor(sorted(drawn))},
    )
    found = {record.latent.latent_index: record for record in dataset}
    return {latent: found[latent] for latent in sorted(found)}


def delphi(
    latents: Path,
    subject: Path,
    draw: Mapping[str, Any],
    explanations: Path,
    arm: str,
    *,
    engine: Engine,
    plan: DelphiPlan,
    answers: Path,
    out: Path,
) -> dict[str, Any]:
    """Write explanations.json and scores.parquet for `arm`, as the strict protocol's stages do; the stage's meta.

    A score is delphi's prediction, 1 or 0, and NaN where it could not read the answer. `explanations` is the folder of
    the explain stage, whose oracle is the ceiling.
    """
    cache, drawn = LatentCache(latents), [int(latent) for latent in draw["latents"]]
    asker = Asker(engine, answers)
    records = read_records(latents, subject, drawn, plan)
    fates = {latent: "too rare for delphi" for latent in drawn if latent not in records}
    fates |= {latent: "dense: delphi found no silent windows" for latent, one in records.items() if not one.not_active}
    kept = [record for latent, record in records.items() if latent not in fates]
    if len(kept) < 2:
        raise SparringError(
            f"delphi drops all but {len(kept)} of the {len(drawn)} latents drawn for {arm}, as it asks for "
            f"{plan.min_examples} firing windows: lower llm.delphi.min_examples or raise the tokens evaluated"
        )
    said = _explain(kept, asker, plan, arm)
    rows: list[dict[str, Any]] = []
    for kind, posed in _posed(kept, said, read_explanations(explanations)["oracle"], plan).items():
        for metric in METRICS:
            for one, outputs in zip(posed, _score(metric, posed, asker, plan, arm), strict=True):
                columns = {"arm": arm, "metric": metric, "explanation": kind, "explained_by": one.by}
                rows += record_rows(cache, one.record, outputs, **columns)
    pq.write_table(to_table(rows), out / "scores.parquet", compression="zstd")
    real = {str(latent): {"text": text, "tokens": [], "contexts": []} for latent, text in said.items()}
    (out / "explanations.json").write_bytes(pretty_json({"real": real}))
    return {
        "arm": arm,
        "protocol": "delphi",
        "scorer": {"name": "delphi's detection and fuzz", **asker.engine.identity},
        "plan": asdict(plan),
        "draw_digest": draw["digest"],
        "dropped": {str(latent): fate for latent, fate in fates.items()},
        "rows": len(rows),
        "parse_rate": 1.0 - sum(np.isnan(row["score"]) for row in rows) / max(1, len(rows)),
        "tell_auroc": tell(kept, plan.n_examples_shown),
        "shown_to_explainer": leaked(kept),
        "gates": {},
        "token_entropy": token_entropies(Protocol.of(cache, draw_plan_of(draw)), drawn),
        "canary": canary(canary_asker(asker, plan)) | {"tolerance": 0.5},  # the answers are 0 or 1
        **repeated({str(latent): text for latent, text in said.items()}),
    }


def _explain(records: Sequence[LatentRecord], asker: Asker, plan: DelphiPlan, arm: str) -> dict[int, str]:
    async def stage(client: Client) -> dict[int, str]:
        explainer = DefaultExplainer(client, threshold=0.3)
        return {record.latent.latent_index: (await explainer(record)).explanation for record in records}

    return answered(stage, asker, max_tokens=plan.max_tokens, desc=f"explain {arm}")


def _posed(
    records: Sequence[LatentRecord], said: Mapping[int, str], oracle: Mapping[str, Mapping[str, Any]], plan: DelphiPlan
) -> dict[str, list[Posed]]:
    """By kind of explanation, what is put to each latent; controls on the latents that `plan.checked` draws."""
    names = [record.latent.latent_index for record in records]
    lent, control = controls(names, seed=plan.seed, checked=plan.checked)
    found: dict[str, list[Posed]] = {kind: [] for kind in plan.explanations}
    for record, name in zip(records, names, strict=True):
        every = {
            "real": Posed(record, name, said[name]),
            "shuffled": Posed(record, lent[name], said[lent[name]]),
            "empty": Posed(record, name, NOTHING),
            "oracle": Posed(record, name, shown(oracle[str(name)], tokens=10, contexts=3)),
        }
        for kind in plan.explanations:
            if kind == "real" or name in control:
                found[kind].append(every[kind])
    return found


def _score(metric: str, posed: Sequence[Posed], asker: Asker, plan: DelphiPlan, arm: str) -> list[Any]:
    """Delphi's outputs for each, by one scorer, so from one stream of shuffles, as in its own runs."""

    async def stage(client: Client) -> list[Any]:
        scorer = SCORERS[metric](client, n_examples_shown=plan.n_examples_shown)
        outputs = []
        for one in posed:
            one.record.explanation = one.text
            outputs.append((await scorer(one.record)).score)
        return outputs

    return answered(stage, asker, max_tokens=plan.max_tokens, desc=f"{metric} {arm}")
