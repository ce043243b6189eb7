"""One spec a rule: everything but its inputs' contents that decides what it gives.

A spec is one named dict (script, digest of the code it reaches, digest of the lock files, then the study's values), so
that Snakemake's params trigger, which compares values without their names, sees every change.
"""

from dataclasses import asdict
from typing import Any

import yaml

from sparring.canonical import digest, sha256_file
from sparring.errors import SparringError
from sparring.registry.files import run_files
from sparring.registry.plan import RunPlan
from sparring.specs_autointerp import AutointerpSpecs
from sparring.specs_coders import CoderSpecs


class Specs(CoderSpecs, AutointerpSpecs):
    """The specs of all rules of one study: these, those of labelled texts, and the runs."""

    def task(self, task: str) -> dict[str, Any]:
        """Fetch and split labelled texts."""
        values = asdict(self.study.tasks[task])
        del values["context"]  # how much of a text is run is not what it is
        return self._spec("task", **values)

    def task_rows(self, task: str) -> dict[str, Any]:
        """Capture every site on the texts of a task."""
        kept, context = self.study.activations, self.study.tasks[task].context
        return self._spec(
            "task_rows", sites=list(self.study.sites), context=context, dtype=kept.dtype, batch=kept.batch
        )

    def random_task_rows(self, task: str) -> dict[str, Any]:
        """The same of a randomised model."""
        return self.task_rows(task)

    def saebench(self, arm: str) -> dict[str, Any]:
        """Probe one coder on one task, by sae_bench and by us."""
        return self._spec("saebench", arm=asdict(self.study.arm(arm)), plan=asdict(self.study.probing))

    def probed(self, arm: str) -> list[str]:
        """The arms that are probed together: one, then its twins by the study's controls."""
        return [arm, *(twin for twin, (coder, _) in self.study.twins.of.items() if coder == arm)]

    def probing(self, arm: str) -> dict[str, Any]:
        """Probe one arm on one task, against its controls."""
        arms = [asdict(self.study.arm(name)) for name in self.probed(arm)]
        by = [self.study.control_of(name) for name in self.probed(arm)]
        controls = [None if control is None else asdict(self.study.controls[control]) for control in by]
        return self._spec("probing", arms=arms, controls=controls, plan=asdict(self.study.probing))

    def saebench_core(self, arm: str) -> dict[str, Any]:
        """Measure one coder by sae_bench's core."""
        study = self.study
        return self._spec(
            "saebench_core", arm=asdict(study.arm(arm)), split=study.evaluate_on, plan=asdict(study.recon)
        )

    def feature_sets(self, feature_set: str) -> dict[str, Any]:
        """Hold one feature set against random ones, and say how faithful it is."""
        study = self.study
        plan = study.feature_sets[feature_set]
        return self._spec(
            "feature_sets",
            plan=asdict(plan),
            probing=asdict(study.probing),
            readout=study.readout(feature_set),
            context=study.tasks[plan.task].context,
        )

    def steering(self, steering: str) -> dict[str, Any]:
        """Steer along some coders' latents."""
        study = self.study
        scorer = {"layer": study.score.layer, "batch": study.score.batch}
        return self._spec(
            "steering", plan=asdict(study.steering[steering]), probing=asdict(study.probing), scorer=scorer
        )

    def edges(self, edges: str) -> dict[str, Any]:
        """Find the edges between some coders' latents."""
        study, plan = self.study, self.study.edges[edges]
        context = study.tasks[plan.task].context
        return self._spec("edges", plan=asdict(plan), probing=asdict(study.probing), context=context)

    def unlearning(self, unlearning: str) -> dict[str, Any]:
        """Ablate a class's latents, and say what it costs."""
        study, plan = self.study, self.study.unlearning[unlearning]
        context = study.tasks[plan.task].context
        return self._spec("unlearning", plan=asdict(plan), probing=asdict(study.probing), context=context)

    def memory(self, memory: str) -> dict[str, Any]:
        """Say whether a model fits on a card."""
        return self._spec("memory", plan=asdict(self.study.memory[memory]))

    def study_run(self, run: str) -> dict[str, Any]:
        """Report one run."""
        study, plan = self.study, self._run(run)
        files = [list(name) for name in self._run_files(plan)]
        return self._spec(
            "study_run", run=run, study=study.name, plan=asdict(plan), files=files, test=asdict(study.test)
        )

    def run_files(self, run: str) -> list[str]:
        """The results that a run reads."""
        return list(self._run_files(self._run(run)).values())

    def registry(self) -> dict[str, Any]:
        """Put all kept runs on one page."""
        return self._spec("registry")

    def report(self) -> dict[str, Any]:
        """Put every page and figure into one file."""
        said = [self.root / "Snakefile", *self.root.glob("rules/*.smk"), *self.root.glob("docs/report/*.rst")]
        files = {path.relative_to(self.root).as_posix(): sha256_file(path) for path in said}
        return self._spec("report", study=asdict(self.study), said=digest(files))

    def _run_files(self, plan: RunPlan) -> dict[tuple[str, str], str]:
        activations = self.activations_of(plan.arms[0]) if plan.arms else ""
        return run_files(plan, scores=self.scores, activations=activations)

    def _run(self, run: str) -> RunPlan:
        if run in self.study.runs:
            return self.study.runs[run]
        others = [
            path.relative_to(self.root).as_posix()
            for path in sorted((self.root / "config").glob("*/*.yaml"))
            if run in (yaml.safe_load(path.read_bytes()).get("runs") or {})
        ]
        known = ", ".join(self.study.runs) or "none"
        mend = f"it stands in {' and '.join(others)}: name that with --configfile" if others else f"it has {known}"
        raise SparringError(f"run {run!r} is not one of the study {self.study.name!r}; {mend}")
