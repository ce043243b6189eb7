"""The arms of a study: its coders, and those that follow from them by seeds, smoke runs and controls."""

from collections.abc import Collection
from dataclasses import replace

from pydantic.dataclasses import dataclass

from sparring.coders.recipe import Arm, Recipe
from sparring.controls.twins import Twins, twins
from sparring.errors import SparringError
from sparring.study_file import StudyKeys
from sparring.study_keys import STRICT, CoderConfig, Maker

SMOKE_STEPS = 30  # as in the published smoke runs


@dataclass(frozen=True, config=STRICT)
class StudyArms(StudyKeys):
    """A study's arms by name."""

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
            "unlearning": self.unlearning,
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

    def unknown(self, arm: str) -> str:
        """Why there is no arm called `arm`."""
        return self.twins.refused.get(arm, f"{arm!r} is not among {', '.join(self.arms)}")
