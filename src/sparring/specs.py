"""One spec a rule: everything but its inputs' contents that decides what it gives.

A spec is one named dict (script, digest of the code it reaches, digest of the lock files, then the study's values), so
that Snakemake's params trigger, which compares values without their names, sees every change.
"""

import functools
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from sparring.autointerp.plan import WindowsPlan
from sparring.canonical import digest, sha256_file
from sparring.codedigest import reached_code
from sparring.coders.lens_plan import LensPlan
from sparring.errors import SparringError
from sparring.registry.files import run_files
from sparring.registry.plan import RunPlan
from sparring.sources.source import Source
from sparring.study import Study
from sparring.study_keys import Llm

_LOCKS = ("envs/cpu.lock", "envs/torch.txt")


@dataclass(frozen=True)
class Specs:
    """The specs of all rules of one study; `root` is the folder of the Snakefile."""

    study: Study
    root: Path

    def subject(self) -> dict[str, Any]:
        """Fetch and convert the subject model."""
        layers = self.study.subject.layers
        return self._spec("subject", source=asdict(self.study.subject.source), layers=layers)

    def corpus(self) -> dict[str, Any]:
        """Fetch the texts, drop duplicates."""
        return self._spec("corpus", **asdict(self.study.corpus))

    def scorer(self) -> dict[str, Any]:
        """Fetch the scorer's model."""
        return self._spec("scorer", source=asdict(self.study.scorer.source))

    def tokens(self) -> dict[str, Any]:
        """Tokenise, split by document."""
        return self._spec("tokens", plan=asdict(self.study.tokens))

    def activations(self) -> dict[str, Any]:
        """Capture every site in one forward pass."""
        study = self.study
        sites = {"sites": list(study.sites), "train_sites": list(study.train_sites)}
        splits = sorted({study.evaluate_on, *(["train"] if study.train_sites else [])})
        return self._spec("activations", **sites, splits=splits, **asdict(study.activations))

    def coder(self, arm: str) -> dict[str, Any]:
        """Train one coder by sparsify."""
        # Whose work it is belongs to the spec: another rule may make the same file after an edit of the study.
        by = self.study.coder(arm).made_by
        return self._spec("coder", by=by, arm=asdict(self.study.arm(arm)), recipe=asdict(self.study.recipe_of(arm)))

    def lens_coder(self, arm: str) -> dict[str, Any]:
        """Train one coder by sae_lens."""
        coder, recipe = self.study.coder(arm), self.study.recipe_of(arm)
        return self._spec(
            "lens_coder",
            by=coder.made_by,
            arm=asdict(self.study.arm(arm)),
            recipe=asdict(recipe),
            architecture=coder.architecture,
            plan=asdict(coder.sae_lens or LensPlan()),
        )

    def foreign_coder(self, arm: str) -> dict[str, Any]:
        """Bring in one coder from elsewhere."""
        coder = self.study.coder(arm)
        source = None if coder.source is None else asdict(coder.source)
        by, sites = coder.made_by, asdict(self.study.arm(arm))
        return self._spec("foreign_coder", by=by, arm=sites, format=coder.format, source=source)

    def coder_files(self, arm: str) -> list[str]:
        """The files of a `path:` source of a coder."""
        source = self.study.coder(arm).source
        return [] if source is None else self.local_files(source)

    def latents(self) -> dict[str, Any]:
        """Encode the evaluated split."""
        return self._spec("latents", split=self.study.evaluate_on)

    def recon(self) -> dict[str, Any]:
        """Measure reconstruction on the evaluated split."""
        return self._spec("recon", split=self.study.evaluate_on, plan=asdict(self.study.recon))

    def reconstruction(self) -> dict[str, Any]:
        """Put every coder's reconstruction on one page."""
        return self._spec("reconstruction", arms=list(self.study.coders))

    def smoke(self) -> dict[str, Any]:
        """Say whether every coder trains, saves and loads."""
        return self._spec("smoke", arms=list(self.study.smoke))

    def hook_parity(self) -> dict[str, Any]:
        """Hold cached rows against other libraries."""
        return self._spec("hook_parity", split=self.study.evaluate_on)

    def to_sae_lens(self) -> dict[str, Any]:
        """Write one coder as sae_lens's own class."""
        return self._spec("to_sae_lens")

    def encode_fidelity(self) -> dict[str, Any]:
        """Hold that class against the coder."""
        return self._spec("encode_fidelity", split=self.study.evaluate_on)

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

    def saebench(self, arm: str) -> dict[str, Any]:
        """Probe one coder on one task, by sae_bench and by us."""
        return self._spec("saebench", arm=asdict(self.study.arm(arm)), plan=asdict(self.study.probing))

    def saebench_core(self, arm: str) -> dict[str, Any]:
        """Measure one coder by sae_bench's core."""
        study = self.study
        return self._spec(
            "saebench_core", arm=asdict(study.arm(arm)), split=study.evaluate_on, plan=asdict(study.recon)
        )

    def windows(self) -> dict[str, Any]:
        """Embed the windows of the scorer pool."""
        draw, score = self.study.draw, self.study.score
        plan = WindowsPlan(draw.window, draw.explainer_share, draw.seed, score.layer, score.batch)
        return self._spec("windows", split=self.study.evaluate_on, plan=asdict(plan))

    def draw(self, arm: str) -> dict[str, Any]:
        """Draw the latents to be judged."""
        return self._spec("draw", arm=arm, plan=asdict(self.study.draw))

    def preregister(self) -> dict[str, Any]:
        """Write the plan of the comparison down."""
        study = self.study
        return self._spec("preregister", compare=study.compare, scored=study.scored, plan=asdict(study.test))

    def explain(self, arm: str) -> dict[str, Any]:
        """Explain the drawn latents."""
        return self._spec("explain", arm=arm, plan=asdict(self.study.explain))

    def score(self, arm: str) -> dict[str, Any]:
        """Score the explanations."""
        return self._spec("score", arm=arm, plan=asdict(self.study.score))

    def llm(self) -> dict[str, Any]:
        """Fetch the language model."""
        llm = self._llm()
        return self._spec("llm", sources=[asdict(source) for source in llm.sources], sha256=llm.sha256)

    def llm_explain(self, arm: str) -> dict[str, Any]:
        """Let the language model explain the drawn latents."""
        llm = self._llm()
        assert llm.describe is not None
        return self._spec("llm_explain", arm=arm, model=asdict(llm.model), plan=asdict(llm.describe))

    def llm_score(self, arm: str) -> dict[str, Any]:
        """Let the language model judge the explanations."""
        llm = self._llm()
        return self._spec("llm_score", arm=arm, model=asdict(llm.model), plan=asdict(llm.ask))

    def delphi(self, arm: str) -> dict[str, Any]:
        """Let delphi explain and judge."""
        llm = self._llm()
        return self._spec("delphi", arm=arm, model=asdict(llm.model), plan=asdict(llm.delphi))

    def agreement(self) -> dict[str, Any]:
        """Compare two scorers on the same latents."""
        return self._spec("agreement", compare=self.study.compare, plan=asdict(self.study.test))

    @property
    def written(self) -> list[str]:
        """Where the language model's own explanations lie, where those are what it judges, as a pattern of {arm}."""
        ours = self.study.llm is None or self.study.llm.describe is None
        return [] if ours else ["results/llm_explanations/{arm}.json"]

    def llm_files(self) -> list[str]:
        """The files of `path:` sources of the language model."""
        sources = self.study.llm.sources if self.study.llm else []
        return [file for source in sources for file in self.local_files(source)]

    @property
    def explanations(self) -> str:
        """Where the explanations lie that the comparison rests on, as a pattern of {arm}."""
        return f"results/{self._whose('describe', 'llm_explanations', 'explanations')}/{{arm}}.json"

    @property
    def scores(self) -> str:
        """Where the scores lie that the comparison rests on, as a pattern of {arm}."""
        return f"results/{self._whose('judges', 'llm_scores', 'scores')}/{{arm}}.json"

    def _whose(self, key: str, models: str, ours: str) -> str:
        if self.study.protocol == "delphi":
            return "delphi"
        return models if self.study.llm is not None and getattr(self.study.llm, key) else ours

    def headtohead(self) -> dict[str, Any]:
        """Compare two arms."""
        study = self.study
        return self._spec("headtohead", compare=study.compare, replicates=study.replicates, plan=asdict(study.test))

    def feature_sets(self, feature_set: str) -> dict[str, Any]:
        """Hold one feature set against random ones."""
        plan = self.study.feature_sets[feature_set]
        return self._spec("feature_sets", plan=asdict(plan), probing=asdict(self.study.probing))

    def steering(self, steering: str) -> dict[str, Any]:
        """Steer along one coder's latent."""
        study = self.study
        scorer = {"layer": study.score.layer, "batch": study.score.batch}
        return self._spec(
            "steering", plan=asdict(study.steering[steering]), probing=asdict(study.probing), scorer=scorer
        )

    def memory(self, memory: str) -> dict[str, Any]:
        """Say whether a model fits on a card."""
        return self._spec("memory", plan=asdict(self.study.memory[memory]))

    def study_run(self, run: str) -> dict[str, Any]:
        """Report one run."""
        study, plan = self.study, self._run(run)
        files = [list(name) for name in run_files(plan, scores=self.scores)]
        return self._spec(
            "study_run", run=run, study=study.name, plan=asdict(plan), files=files, test=asdict(study.test)
        )

    def run_files(self, run: str) -> list[str]:
        """The results that a run reads."""
        return list(run_files(self._run(run), scores=self.scores).values())

    def registry(self) -> dict[str, Any]:
        """Put all kept runs on one page."""
        return self._spec("registry")

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

    def _llm(self) -> Llm:
        if self.study.llm is None:
            raise SparringError("llm: this study names no language model; see config/studies/default-llm.yaml")
        return self.study.llm

    def follow_code(self) -> None:
        """SparringError, naming file and line, for code of any rule that cannot be followed."""
        for script in sorted((self.root / "workflow" / "scripts").glob("*.py")):
            reached_by(self.root, script.name)

    def local_files(self, source: Source) -> list[str]:
        """The files of a `path:` source, sorted: they are inputs of the rule that reads them. Else none."""
        if source.scheme != "path":
            return []
        path = Path(source.name)
        return sorted(str(p) for p in path.rglob("*") if p.is_file()) if path.is_dir() else [str(path)]

    def _spec(self, rule: str, **values: Any) -> dict[str, Any]:
        script = f"{rule}.py"
        code = digest(reached_by(self.root, script))
        return {"script": script, "code": code, "lock": _lock(self.root), **values}


@functools.cache
def reached_by(root: Path, script: str) -> dict[str, str]:
    """The code that a rule's script reaches, definition by definition (sparring.codedigest)."""
    return reached_code(root / "workflow" / "scripts" / script)


@functools.cache
def _lock(root: Path) -> str:
    return digest({name: sha256_file(root / name) for name in _LOCKS})
