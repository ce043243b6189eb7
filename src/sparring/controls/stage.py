"""The stage that makes a randomised subject: the folder of a model that learned nothing, by one control."""

from pathlib import Path
from typing import Any

from sparring.controls.iid_embeddings import write_iid_embeddings
from sparring.controls.plan import ControlPlan
from sparring.controls.weights import randomise_weights
from sparring.sources.subject import model_meta
from sparring.subject_model import load_subject


def randomise(subject: Path, plan: ControlPlan, *, out: Path) -> dict[str, Any]:
    """Write the model of folder `subject`, randomised as `plan` says, into the empty folder `out`; return its meta."""
    if plan.model == "weights":
        return randomise_weights(subject, embeddings=plan.with_embeddings, seed=plan.seed, out=out)
    return write_iid_embeddings(load_subject(subject), subject, seed=plan.seed, out=out) | model_meta(out)
