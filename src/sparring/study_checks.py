"""What in a study contradicts what: each check raises a SparringError of one line that names key, value and mend."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sparring.errors import SparringError
from sparring.registry.plan import NAMED
from sparring.sites import check_site, n_layers
from sparring.sources.folder import read_config
from sparring.study_arms import StudyArms


def check_numbers(study: StudyArms) -> None:
    """Nothing asks for more than there is."""
    if study.draw.latents > study.recipe.width:
        raise SparringError(
            f"draw.latents: {study.draw.latents} is more than the {study.recipe.width} latents of a coder; "
            "lower draw.latents or raise recipe.width"
        )
    if max(study.probing.ks) > study.recipe.width:
        raise SparringError(
            f"probing.ks: {max(study.probing.ks)} is more than the {study.recipe.width} latents there are"
        )
    if getattr(study.tokens, study.evaluate_on) == 0:
        raise SparringError(f"evaluate_on: {study.evaluate_on!r} has no tokens; raise tokens.{study.evaluate_on}")
    if len({study.recipe.seed, *study.seeds}) <= len(study.seeds):
        raise SparringError(f"seeds: {study.seeds} with recipe.seed {study.recipe.seed}; name each seed once")


def check_sources(study: StudyArms) -> None:
    """Every local path is there, and delphi has its language model."""
    for key, source in (
        ("subject", study.subject.source),
        ("corpus", study.corpus.source),
        ("scorer", study.scorer.source),
        *((f"coders.{name}", coder.source) for name, coder in study.coders.items()),
        *((f"llm.sources.{i}", source) for i, source in enumerate(study.llm.sources if study.llm else [])),
        *((f"tasks.{name}", task.source) for name, task in study.tasks.items()),
    ):
        if source is not None and source.scheme == "path" and not os.access(source.name, os.R_OK):
            raise SparringError(f"{key}.source.uri: {source.uri!r} is not there or cannot be read; name a path that is")
    if study.protocol == "delphi" and (study.llm is None or not study.llm.judges or study.llm.describe is not None):
        raise SparringError(
            "protocol: 'delphi' is explained and judged by a language model in delphi's own way: name one in llm, "
            "with judges: true and without describe"
        )


def check_names(study: StudyArms) -> None:
    """The compared arms are coders, and no name stands for two arms."""
    for arm in study.compare:
        if arm not in study.coders:
            raise SparringError(f"compare: {arm!r} is not among coders ({', '.join(study.coders)})")
    if study.compare[0] == study.compare[1]:
        raise SparringError(f"compare: {study.compare[0]!r} is named twice; name two different coders")
    made = {name: "further coder of seeds" for names in study.replicates.values() for name in names}
    made |= dict.fromkeys(study.smoke, "smoke run")
    twins = dict.fromkeys((*study.twins.of, *study.twins.refused), "twin by controls")
    if taken := [name for name in twins if name in made]:
        raise SparringError(f"controls: {taken[0]!r} is the name of a {made[taken[0]]}; call the control otherwise")
    made |= twins
    if taken := [name for name in study.coders if name in made]:
        raise SparringError(f"coders: {taken[0]!r} is the name of a {made[taken[0]]}; call it something else")


def check_measures(study: StudyArms) -> None:
    """Feature sets, steering, edges and unlearning name tasks and arms that there are, all of one model; so do runs."""
    for key in ("feature_sets", "steering", "edges", "unlearning"):
        _check_named(study, key, {name: (one.task, one.arms) for name, one in getattr(study, key).items()})
    for name, forgotten in study.unlearning.items():
        try:
            forgotten.own_sites({arm: study.arm(arm).write_site for arm in forgotten.arms})
        except SparringError as error:
            raise SparringError(f"unlearning.{name}.{error}") from None
    for name, steered in study.steering.items():
        control = study.model_of(steered.arms[0])  # all are of one model
        if control is not None and study.controls[control].model == "iid_embeddings":
            raise SparringError(
                f"steering.{name}.arms: {steered.arms[0]!r} is of a model whose embeddings are drawn by position, "
                "which generates no text; steer a twin by model: weights"
            )
    for run, plan in study.runs.items():
        if unknown := [arm for arm in plan.arms if arm not in study.arms]:
            raise SparringError(f"runs.{run}.arms: {study.unknown(unknown[0])}")
        for measure in plan.measures:
            if measure in NAMED and plan.about not in (names := getattr(study, NAMED[measure])):
                known = ", ".join(names) or "none"
                raise SparringError(f"runs.{run}.about: {plan.about!r} is not among {NAMED[measure]} ({known})")
        if plan.superseded_by is not None and plan.superseded_by not in study.runs:
            raise SparringError(f"runs.{run}.superseded_by: {plan.superseded_by!r} is no run of this study")


def check_sites(study: StudyArms) -> None:
    """The model has every site, and coders that are chained come in order of depth."""
    config = subject_config(study)
    for name, coder in study.coders.items():
        coder.check(name, study.recipe)
        if study.seeds and coder.source is not None and name in study.compare:
            raise SparringError(f"seeds: {name!r} was trained elsewhere and has no further seeds; set seeds to []")
        for site in (study.arm(name).read_site, study.arm(name).write_site):
            check_site(site, config)
    for name, edges in study.edges.items():
        check_site(edges.readout, config)
        edges.check_order(name, [study.arm(arm) for arm in edges.arms])


def subject_config(study: StudyArms) -> dict[str, Any]:
    """As much of the subject's config.json as is known before it is fetched."""
    if study.subject.source.scheme != "path":
        if study.subject.layers is None:
            raise SparringError(
                f"subject.layers: missing; a {study.subject.source.scheme}: subject needs its number of blocks, "
                "so that a site which it does not have is refused before it is fetched"
            )
        return {"num_hidden_layers": study.subject.layers}
    config = read_config(Path(study.subject.source.name))
    if study.subject.layers not in (None, n_layers(config)):
        raise SparringError(
            f"subject.layers: {study.subject.layers}, but {study.subject.source.uri} has {n_layers(config)}"
        )
    return config


def _check_named(study: StudyArms, key: str, named: Mapping[str, tuple[str, list[str]]]) -> None:
    for name, (task, arms) in named.items():
        if task not in study.tasks:
            known = ", ".join(study.tasks) or "none"
            raise SparringError(f"{key}.{name}.task: {task!r} is not among tasks ({known})")
        if unknown := [arm for arm in arms if arm not in study.arms]:
            raise SparringError(f"{key}.{name}: {study.unknown(unknown[0])}")
        if len({study.model_of(arm) for arm in arms}) > 1:
            raise SparringError(f"{key}.{name}: {', '.join(arms)} are not of one model; name coders of one")
