"""What a job of each rule would hold in a card's memory, from its spec and the specs above it."""

import re
from collections.abc import Callable

from sparring.coders.recipe import Recipe
from sparring.lineage import Lineage, Spec
from sparring.memory.forward import Encoding, Forward
from sparring.memory.models import Model, model
from sparring.memory.plan import Loaded
from sparring.memory.preflight import Demand
from sparring.memory.training import Training

_ENCODED_ROWS = 4096  # rows that a coder alone is given at once
_LOGIT_BYTES = 256 << 20  # sparring.cross_entropy reads as many sequences at once as keep their logits below this
# Sequences at once, as in sparring.recon_stage, saebench.core, steering.generate (two: generated, read).
_RECON_BATCH, _CORE_BATCH, _GENERATED, _READ = 8, 4, 64, 16
ASKING = ("llm_explain", "llm_score", "delphi")  # the rules whose jobs put questions to a language model


def subject_of(lineage: Lineage) -> Model | None:
    """The subject model that a job sits on, where its sizes are known (memory/models.json)."""
    spec = lineage.first("subject")
    return None if spec is None else model(spec["source"]["uri"])


def width_of(coder: Spec) -> int | None:
    """The latents of a coder by its spec: its recipe's, or what a Gemma Scope path says (`width_16k` is 16,384)."""
    if "recipe" in coder:
        return int(coder["recipe"]["width"])
    said = re.search(r"width_(\d+)(k|m)", str((coder.get("source") or {}).get("member") or ""))
    return None if said is None else int(said[1]) * (1 << 10 if said[2] == "k" else 1 << 20)


def coders_of(lineage: Lineage) -> tuple[int, ...]:
    """The widths of the coders above a job, as far as they are known."""
    specs = [spec for rule in ("coder", "lens_coder", "foreign_coder") for spec in lineage.above.get(rule, ())]
    return tuple(width for spec in specs if (width := width_of(spec)) is not None)


def context_of(lineage: Lineage) -> int:
    """The length of the sequences that a job's model reads: of a task's texts, or of the corpus."""
    for rule in ("task_rows", "random_task_rows"):
        if (spec := lineage.first(rule)) is not None:
            return int(spec["context"])
    spec = lineage.first("tokens")
    return int(lineage.spec.get("context", 128)) if spec is None else int(spec["plan"]["context"])


def job_demand(lineage: Lineage, *, on_card: bool = True) -> Demand | None:
    """What the job would hold at its peak; None where its rule puts nothing on a card, or its model is not known."""
    make = _DEMANDS.get(lineage.rule)
    return None if make is None else make(lineage, on_card)


def _training(lineage: Lineage, on_card: bool) -> Demand | None:
    subject, arm = subject_of(lineage), lineage.spec["arm"]
    if subject is None:
        return None
    recipe = Recipe(**lineage.spec["recipe"])
    return Training(f"training {arm['name']}", arm["kind"], recipe, subject.d, on_card=on_card)


def _forward(lineage: Lineage, *, differentiated: bool = False) -> Demand | None:
    subject, spec = subject_of(lineage), lineage.spec
    if subject is None:
        return None
    return Forward(
        f"{lineage.rule} of {subject.short}",
        subject,
        batch=int(spec.get("batch", _READ)),
        context=context_of(lineage),
        sites=len(spec.get("sites", "1")),
        coders=coders_of(lineage),
        differentiated=differentiated,
    )


def _capture(lineage: Lineage, on_card: bool) -> Demand | None:
    return _forward(lineage)


def _recon(lineage: Lineage, on_card: bool) -> Demand | None:
    subject, context = subject_of(lineage), context_of(lineage)
    if subject is None:
        return None
    name, coders = f"{lineage.rule} on {subject.short}", coders_of(lineage)
    at_once = max(1, _LOGIT_BYTES // (4 * subject.vocabulary * context))
    return _larger(
        Forward(name, subject, _RECON_BATCH, context, sites=2, coders=coders),
        Forward(name, subject, at_once, context, logits=True, coders=coders),
    )


def _core(lineage: Lineage, on_card: bool) -> Demand | None:
    subject = subject_of(lineage)
    if subject is None:
        return None
    name = f"sae_bench's core on {subject.short}"
    return Forward(name, subject, _CORE_BATCH, context_of(lineage), logits=True, coders=coders_of(lineage))


def _steering(lineage: Lineage, on_card: bool) -> Demand | None:
    subject, length = subject_of(lineage), lineage.spec["plan"]["tokens"] + 16
    if subject is None:
        return None
    name, coders = f"steering {subject.short}", coders_of(lineage)
    return _larger(
        Forward(name, subject, _GENERATED, length, coders=coders, cached=True),
        Forward(name, subject, _READ, length, logits=True, coders=coders),
    )


def _larger(*demands: Demand) -> Demand:
    return max(demands, key=lambda one: sum(one.parts().values()))


def _parity(lineage: Lineage, on_card: bool) -> Demand | None:
    subject = subject_of(lineage)
    if subject is None:
        return None
    name, coders = f"hook parity on {subject.short}", coders_of(lineage)
    return Forward(name, subject, 1, context_of(lineage), sites=subject.layers + 1, logits=True, coders=coders)


def _differentiated(lineage: Lineage, on_card: bool) -> Demand | None:
    return _forward(lineage, differentiated=True)


def _encoding(lineage: Lineage, on_card: bool) -> Demand | None:
    subject, widths = subject_of(lineage), coders_of(lineage)
    if subject is None or not widths:
        return None
    return Encoding(f"{lineage.rule}", subject.d, max(widths), _ENCODED_ROWS)


def _scorer(lineage: Lineage, on_card: bool) -> Demand | None:
    asked = lineage.spec["model"]
    known = model(asked["name"]) if asked["engine"] == "vllm" else None
    if known is None:  # an endpoint has its model on a card of its own, llama.cpp on none
        return None
    return Loaded(
        name=known.name,
        parameters=known.parameters,
        layers=known.layers,
        kv_heads=known.kv_heads,
        head_dim=known.head_dim,
        positions=int(asked["parallel"]) * int(asked["context"]),
    )


_DEMANDS: dict[str, Callable[[Lineage, bool], Demand | None]] = {
    **dict.fromkeys(("coder", "lens_coder"), _training),
    **dict.fromkeys(("activations", "random_activations", "task_rows", "random_task_rows"), _capture),
    **dict.fromkeys(("latents", "probing", "saebench", "encode_fidelity"), _encoding),
    **dict.fromkeys(ASKING, _scorer),
    **dict.fromkeys(("recon", "unlearning"), _recon),
    "hook_parity": _parity,
    "feature_sets": _capture,
    "saebench_core": _core,
    "edges": _differentiated,
    "steering": _steering,
}
CARD_RULES = frozenset(_DEMANDS)
