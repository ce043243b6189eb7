"""The keys of a study, each with its type; config/config.yaml has a comment at each."""

from dataclasses import field
from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from sparring.autointerp.plan import DrawPlan, ExplainPlan, ScorePlan
from sparring.coders.recipe import Recipe
from sparring.controls.plan import ControlPlan
from sparring.edges.plan import EdgesPlan
from sparring.feature_sets.plan import FeatureSetPlan
from sparring.memory.plan import MemoryPlan
from sparring.probing.plan import ProbingPlan, Task
from sparring.recon_plan import ReconPlan
from sparring.registry.plan import RUN_NAME, RunPlan
from sparring.steering.plan import SteeringPlan
from sparring.study_keys import STRICT, CachePlan, CoderConfig, Corpus, Llm, Scorer, Subject
from sparring.testplan import TestPlan
from sparring.tokens import TokenPlan
from sparring.unlearning.plan import UnlearningPlan

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


@dataclass(frozen=True, config=STRICT)
class StudyKeys:
    """All that decides a head-to-head, as it is written in the file."""

    subject: Subject
    corpus: Corpus
    tokens: TokenPlan
    activations: CachePlan
    layer: Annotated[int, Field(ge=0)]
    coders: dict[Name, CoderConfig]
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
    feature_sets: dict[Name, FeatureSetPlan] = field(default_factory=dict)
    steering: dict[Name, SteeringPlan] = field(default_factory=dict)
    edges: dict[Name, EdgesPlan] = field(default_factory=dict)
    unlearning: dict[Name, UnlearningPlan] = field(default_factory=dict)
    memory: dict[Name, MemoryPlan] = field(default_factory=dict)
    controls: dict[Name, ControlPlan] = field(default_factory=dict)
    name: str = "study"
    runs: dict[Annotated[str, Field(pattern=f"^{RUN_NAME}$")], RunPlan] = field(default_factory=dict)
    tasks: dict[Name, Task] = field(default_factory=dict)
    probing: ProbingPlan = field(default_factory=ProbingPlan)
