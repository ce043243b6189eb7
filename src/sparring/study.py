"""A study: one YAML file, typed, validated before any job starts.

Unknown keys, wrong types and contradictions are SparringErrors of one line each that name the key, the value and what
would be right. Nothing heavy is imported: a study is read each time the Snakefile is parsed.
"""

import os
from collections.abc import Collection, Mapping
from dataclasses import field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from sparring.autointerp.plan import DrawPlan, ExplainPlan, ScorePlan
from sparring.coders.recipe import Arm, Recipe
from sparring.controls.plan import ControlPlan
from sparring.controls.twins import Twins, twins
from sparring.edges.plan import EdgesPlan
from sparring.errors import SparringError
from sparring.feature_sets.plan import FeatureSetPlan, readout_of
from sparring.memory.plan import MemoryPlan
from sparring.probing.plan import ProbingPlan, Task
from sparring.recon_plan import ReconPlan
from sparring.registry.plan import NAMED, RUN_NAME, RunPlan
from sparring.sites import check_site, n_layers
from sparring.sources.folder import read_config
from sparring.steering.plan import SteeringPlan
from sparring.study_errors import line
from sparring.study_keys import STRICT, CachePlan, CoderConfig, Corpus, Llm, Maker, Scorer, Subject
from sparring.testplan import TestPlan
from sparring.tokens import TokenPlan

_ARM_NAME = r"^[a-z][a-z0-9_]*$"
SMOKE_STEPS = 30  # as in the published smoke runs


@dataclass(frozen=True, config=STRICT)
class Study:
    """All that decides a head-to-head; see config/config.yaml for a comment at each key."""

    subject: Subject
    corpus: Corpus
    tokens: TokenPlan
    activations: CachePlan
    layer: Annotated[int, Field(ge=0)]
    coders: dict[Annotated[str, Field(pattern=_ARM_NAME)], CoderConfig]
    recipe: Recipe
    evaluate_on: Literal["evaluation", "tuning"]
    draw: DrawPlan
    explain: ExplainPlan
    scorer: Scorer
    score: ScorePlan
    compare: Annotated[list[str], Field(min_length=2, max_length=2)]
    test: TestPlan
    recon: ReconPlan = field(default_factory=ReconPlan)
    seeds: list[int] = field(default_factory=list)
    protocol: Literal["strict", "delphi"] = "strict"
    llm: Llm | None = None
    feature_sets: dict[Annotated[str, Field(pattern=_ARM_NAME)], FeatureSetPlan] = field(default_factory=dict)
    steering: dict[Annotated[str, Field(pattern=_ARM_NAME)], SteeringPlan] = field(default_factory=dict)
    edges: dict[Annotated[str, Field(pattern=_ARM_NAME)], EdgesPlan] = field(default_factory=dict)
    memory: dict[Annotated[str, Field(pattern=_ARM_NAME)], MemoryPlan] = field(default_factory=dict)
    controls: dict[Annotated[str, Field(pattern=_ARM_NAME)], ControlPlan] = field(default_factory=dict)
    name: str = "study"
    runs: dict[Annotated[str, Field(pattern=f"^{RUN_NAME}$")], RunPlan] = field(default_factory=dict)
    tasks: dict[Annotated[str, Field(pattern=_ARM_NAME)], Task] = field(default_factory=dict)
    probing: ProbingPlan = field(default_factory=ProbingPlan)

    def __post_init__(self) -> None:
        for arm in self.compare:
            if arm not in self.coders:
                raise SparringError(f"compare: {arm!r} is not among coders ({', '.join(self.coders)})")
        if self.compare[0] == self.compare[1]:
            raise SparringError(f"compare: {self.compare[0]!r} is named twice; name two different coders")
        if self.draw.latents > self.recipe.width:
            raise SparringError(
                f"draw.latents: {self.draw.latents} is more than the {self.recipe.width} latents of a coder; "
                "lower draw.latents or raise recipe.width"
            )
        if max(self.probing.ks) > self.recipe.width:
            raise SparringError(
                f"probing.ks: {max(self.probing.ks)} is more than the {self.recipe.width} latents there are"
            )
        if getattr(self.tokens, self.evaluate_on) == 0:
            raise SparringError(f"evaluate_on: {self.evaluate_on!r} has no tokens; raise tokens.{self.evaluate_on}")
        for key, source in (
            ("subject", self.subject.source),
            ("corpus", self.corpus.source),
            ("scorer", self.scorer.source),
            *((f"coders.{name}", coder.source) for name, coder in self.coders.items()),
            *((f"llm.sources.{i}", source) for i, source in enumerate(self.llm.sources if self.llm else [])),
            *((f"tasks.{name}", task.source) for name, task in self.tasks.items()),
        ):
            if source is not None and source.scheme == "path" and not os.access(source.name, os.R_OK):
                raise SparringError(
                    f"{key}.source.uri: {source.uri!r} is not there or cannot be read; name a path that is"
                )
        if self.protocol == "delphi" and (self.llm is None or not self.llm.judges or self.llm.describe is not None):
            raise SparringError(
                "protocol: 'delphi' is explained and judged by a language model in delphi's own way: name one in llm, "
                "with judges: true and without describe"
            )
        made = {name: "further coder of seeds" for names in self.replicates.values() for name in names}
        made |= dict.fromkeys(self.smoke, "smoke run")
        twins = dict.fromkeys((*self.twins.of, *self.twins.refused), "twin by controls")
        if taken := [name for name in twins if name in made]:
            raise SparringError(f"controls: {taken[0]!r} is the name of a {made[taken[0]]}; call the control otherwise")
        made |= twins
        if taken := [name for name in self.coders if name in made]:
            raise SparringError(f"coders: {taken[0]!r} is the name of a {made[taken[0]]}; call it something else")
        if len({self.recipe.seed, *self.seeds}) <= len(self.seeds):
            raise SparringError(f"seeds: {self.seeds} with recipe.seed {self.recipe.seed}; name each seed once")
        self._check_named("feature_sets", {name: (one.task, one.arms) for name, one in self.feature_sets.items()})
        self._check_named("steering", {name: (one.task, one.arms) for name, one in self.steering.items()})
        for name, steered in self.steering.items():
            control = self.model_of(steered.arms[0])  # all are of one model
            if control is not None and self.controls[control].model == "iid_embeddings":
                raise SparringError(
                    f"steering.{name}.arms: {steered.arms[0]!r} is of a model whose embeddings are drawn by position, "
                    "which generates no text; steer a twin by model: weights"
                )
        self._check_named("edges", {name: (one.task, one.arms) for name, one in self.edges.items()})
        for run, plan in self.runs.items():
            if unknown := [arm for arm in plan.arms if arm not in self.arms]:
                raise SparringError(f"runs.{run}.arms: {self._unknown(unknown[0])}")
            for measure in plan.measures:
                if measure in NAMED and plan.about not in (names := getattr(self, NAMED[measure])):
                    known = ", ".join(names) or "none"
                    raise SparringError(f"runs.{run}.about: {plan.about!r} is not among {NAMED[measure]} ({known})")
            if plan.superseded_by is not None and plan.superseded_by not in self.runs:
                raise SparringError(f"runs.{run}.superseded_by: {plan.superseded_by!r} is no run of this study")
        config = self._config()
        for name, coder in self.coders.items():
            coder.check(name, self.recipe)
            if self.seeds and coder.source is not None and name in self.compare:
                raise SparringError(f"seeds: {name!r} was trained elsewhere and has no further seeds; set seeds to []")
            for site in (self.arm(name).read_site, self.arm(name).write_site):
                check_site(site, config)
        for name in self.feature_sets:
            check_site(self.readout(name), config)
        for name, edges in self.edges.items():
            check_site(edges.readout, config)
            edges.check_order(name, [self.arm(arm) for arm in edges.arms])

    def _check_named(self, key: str, named: Mapping[str, tuple[str, list[str]]]) -> None:
        for name, (task, arms) in named.items():
            if task not in self.tasks:
                known = ", ".join(self.tasks) or "none"
                raise SparringError(f"{key}.{name}.task: {task!r} is not among tasks ({known})")
            if unknown := [arm for arm in arms if arm not in self.arms]:
                raise SparringError(f"{key}.{name}: {self._unknown(unknown[0])}")
            if len({self.model_of(arm) for arm in arms}) > 1:
                raise SparringError(f"{key}.{name}: {', '.join(arms)} are not of one model; name coders of one")

    def _unknown(self, arm: str) -> str:
        return self.twins.refused.get(arm, f"{arm!r} is not among {', '.join(self.arms)}")

    def _config(self) -> dict[str, Any]:
        if self.subject.source.scheme != "path":
            if self.subject.layers is None:
                raise SparringError(
                    f"subject.layers: missing; a {self.subject.source.scheme}: subject needs its number of blocks, "
                    "so that a site which it does not have is refused before it is fetched"
                )
            return {"num_hidden_layers": self.subject.layers}
        config = read_config(Path(self.subject.source.name))
        if self.subject.layers not in (None, n_layers(config)):
            raise SparringError(
                f"subject.layers: {self.subject.layers}, but {self.subject.source.uri} has {n_layers(config)}"
            )
        return config

    def readout(self, feature_set: str) -> str:
        """The site where the faithfulness of a feature set is read off. SparringError where there is none."""
        written = {arm: self.arm(arm).write_site for arm in self.arms}
        try:
            return readout_of(self.feature_sets[feature_set], written, n_layers(self._config()))
        except SparringError as error:
            raise SparringError(f"feature_sets.{feature_set}.{error}") from None

    @property
    def replicates(self) -> dict[str, list[str]]:
        """The names of the further coders of each compared arm, one for each of `seeds`."""
        return {arm: [f"{arm}_seed{seed}" for seed in self.seeds] for arm in self.compare}

    @property
    def scored(self) -> list[str]:
        """The arms that the comparison needs: the two, then their further coders."""
        return [*self.compare, *(name for names in self.replicates.values() for name in names)]

    @property
    def smoke(self) -> dict[str, str]:
        """The name of each trained coder's smoke run, a few steps by the same recipe, and the coder."""
        return {f"smoke_{name}": name for name, coder in self.coders.items() if coder.source is None}

    @property
    def arms(self) -> list[str]:
        """Every arm that can be asked for."""
        return list(dict.fromkeys([*self.coders, *self.scored, *self.smoke, *self.twins.of]))

    @property
    def twins(self) -> Twins:
        """The arms that the controls add, by name, and those that there cannot be."""
        return twins(self.coders, self.controls)

    @property
    def controlled(self) -> list[str]:
        """The two arms of the comparison, and their twins."""
        return [*self.compare, *(twin for twin, (coder, _) in self.twins.of.items() if coder in self.compare)]

    def control_of(self, arm: str) -> str | None:
        """The control that the arm called `arm` is a twin by, if it is one. SparringError for one that cannot be."""
        if arm in self.twins.refused:
            raise SparringError(self.twins.refused[arm])
        return self.twins.of[arm][1] if arm in self.twins.of else None

    def model_of(self, arm: str) -> str | None:
        """The control on whose model the arm called `arm` sits, or None: on the subject itself."""
        control = self.control_of(arm)
        return control if control is not None and self.controls[control].model is not None else None

    @property
    def wildcards(self) -> dict[str, Collection[str]]:
        """What each wildcard of the graph can be."""
        return {
            "arm": self.arms,
            "control": [name for name, plan in self.controls.items() if plan.model is not None],
            "task": self.tasks,
            "feature_set": self.feature_sets,
            "steering": self.steering,
            "edges": self.edges,
            "memory": self.memory,
            "run": self.runs,
        }

    def recipe_of(self, name: str) -> Recipe:
        """The recipe of the arm called `name`: a further coder has a seed of its own, a smoke run few steps."""
        if name in self.smoke:
            return replace(self.recipe, tokens=SMOKE_STEPS * self.recipe.batch_rows)
        for names in self.replicates.values():
            if name in names:
                return replace(self.recipe, seed=self.seeds[names.index(name)])
        return self.recipe

    def coder(self, name: str) -> CoderConfig:
        """What the study says of the arm called `name`: of a further seed, a smoke run or a twin, its coder's keys."""
        known = self.smoke | {twin: coder for twin, (coder, _) in self.twins.of.items()}
        base = next((arm for arm, names in self.replicates.items() if name in names), known.get(name, name))
        return self.coders[base]

    def made_by(self, maker: Maker) -> list[str]:
        """The arms whose coders are trained by `maker`."""
        return [name for name in self.arms if self.coder(name).made_by == maker]

    def arm(self, name: str) -> Arm:
        """The arm called `name`, with its sites in full."""
        coder = self.coder(name)
        layer = self.layer if coder.layer is None else coder.layer
        return Arm(name, coder.kind, f"layers.{layer}.{coder.read}", f"layers.{layer}.{coder.write}")

    @property
    def sites(self) -> tuple[str, ...]:
        """Every site that an arm reads or writes, sorted: all are captured in one forward pass."""
        return tuple(sorted({site for name in self.coders for site in self.arm(name).sites}))

    @property
    def train_sites(self) -> tuple[str, ...]:
        """Those whose training rows are wanted: an SAE from elsewhere may only be evaluated."""
        wanted = [name for name, coder in self.coders.items() if coder.wants_training_rows]
        return tuple(sorted({site for name in wanted for site in self.arm(name).sites}))


_ADAPTER = TypeAdapter(Study)


def read_study(config: Mapping[str, Any]) -> Study:
    """The study that Snakemake's `config` holds. Raises SparringError with one line for each thing that is wrong."""
    try:
        return _ADAPTER.validate_python(dict(config))
    except ValidationError as error:
        raise SparringError("\n".join(line(dict(problem), Study) for problem in error.errors())) from None
