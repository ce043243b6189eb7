"""The specs of auto-interp and its head-to-head."""

from dataclasses import asdict
from typing import Any

from sparring.autointerp.plan import WindowsPlan
from sparring.canonical import sha256_file
from sparring.errors import NotInStudy, SparringError
from sparring.llm.plan import SCORER_LOCK
from sparring.specs_base import BaseSpecs
from sparring.study_keys import Llm


class AutointerpSpecs(BaseSpecs):
    """Windows, draws, explanations, scores, by the embedding scorer, a language model or delphi; the comparison."""

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
        sources = [asdict(source) for source in llm.sources]
        return self._spec("llm", engine=llm.model.engine, sources=sources, sha256=llm.sha256)

    def llm_explain(self, arm: str) -> dict[str, Any]:
        """Let the language model explain the drawn latents."""
        llm = self._llm()
        assert llm.describe is not None
        return self._spec("llm_explain", arm=arm, plan=asdict(llm.describe), **self._model(llm))

    def llm_score(self, arm: str) -> dict[str, Any]:
        """Let the language model judge the explanations."""
        llm = self._llm()
        return self._spec("llm_score", arm=arm, plan=asdict(llm.ask), **self._model(llm))

    def delphi(self, arm: str) -> dict[str, Any]:
        """Let delphi explain and judge."""
        llm = self._llm()
        return self._spec("delphi", arm=arm, plan=asdict(llm.delphi), **self._model(llm))

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
    def llm_mb(self) -> int:
        """Host memory of a job that asks the language model: vLLM's processes take 4.3 GB with a small one."""
        return 8000 if self.study.llm is not None and self.study.llm.model.engine == "vllm" else 4000

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

    def controls(self) -> dict[str, Any]:
        """Hold the compared arms against their twins."""
        study = self.study
        pairs = {
            coder: {control: twin for twin, (of, control) in study.twins.of.items() if of == coder}
            for coder in study.compare
        }
        no_twin = [f"{coder}_{control}" for coder in study.compare for control in study.controls]
        return self._spec(
            "controls",
            arms=study.controlled,
            pairs=pairs,
            controls={name: asdict(plan) for name, plan in study.controls.items()},
            refused={twin: study.twins.refused[twin] for twin in no_twin if twin in study.twins.refused},
            plan=asdict(study.test),
        )

    def controls_page(self) -> dict[str, Any]:
        """Show them on one page, with the probes on every task."""
        return self._spec(
            "controls_page", probed=[[task, arm] for task in self.study.tasks for arm in self.study.compare]
        )

    def headtohead(self) -> dict[str, Any]:
        """Compare two arms."""
        study = self.study
        return self._spec("headtohead", compare=study.compare, replicates=study.replicates, plan=asdict(study.test))

    def _model(self, llm: Llm) -> dict[str, Any]:
        """How the model is reached; for a server of ours with the digest of what its environment is made from."""
        if llm.model.engine != "vllm":
            return {"model": asdict(llm.model)}
        lock = self.root / llm.model.served_from
        if not lock.is_file():
            raise SparringError(f"llm.model.lock: {llm.model.lock!r} is not there; name a lock file, as {SCORER_LOCK}")
        return {"model": asdict(llm.model), "scorer_lock": sha256_file(lock)}

    def _llm(self) -> Llm:
        if self.study.llm is None:
            raise NotInStudy("llm: this study names no language model; see config/studies/default-llm.yaml")
        return self.study.llm
