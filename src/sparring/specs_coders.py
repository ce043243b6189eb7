"""The specs of the rules up to the coders, their reconstruction and their gates."""

from dataclasses import asdict
from typing import Any

from sparring.coders.lens_plan import LensPlan
from sparring.specs_base import BaseSpecs


class CoderSpecs(BaseSpecs):
    """Sources, tokens, activations, coders, what is measured of them, gates."""

    def subject(self) -> dict[str, Any]:
        """Fetch and convert the subject model."""
        layers = self.study.subject.layers
        return self._spec("subject", source=asdict(self.study.subject.source), layers=layers)

    def random_subject(self, control: str) -> dict[str, Any]:
        """Randomise the subject model."""
        return self._spec("random_subject", plan=asdict(self.study.controls[control]))

    def subject_of(self, arm: str) -> str:
        """Where the model lies that an arm sits on."""
        return self._of_model(arm, "subject")

    def activations_of(self, arm: str) -> str:
        """Where the rows lie that an arm is trained and measured on."""
        return self._of_model(arm, "activations")

    def task_rows_of(self, task: str, arm: str) -> str:
        """Where a task's rows lie, of the model that an arm sits on."""
        return self._of_model(arm, f"task_rows/{task}")

    def _of_model(self, arm: str, what: str) -> str:
        control = self.study.model_of(arm)
        return f"results/{what}.json" if control is None else f"results/random/{control}/{what}.json"

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

    def random_activations(self) -> dict[str, Any]:
        """The same of a randomised model."""
        return self.activations()

    def coder(self, arm: str) -> dict[str, Any]:
        """Train one coder by sparsify."""
        # Whose work it is belongs to the spec: another rule may make the same file after an edit of the study.
        by, control = self.study.coder(arm).made_by, self.study.control_of(arm)
        plan = None if control is None else self.study.controls[control]
        frozen = {} if plan is None or plan.decoder is None else {"decoder": plan.decoder, "decoder_seed": plan.seed}
        sites, recipe = asdict(self.study.arm(arm)), asdict(self.study.recipe_of(arm))
        return self._spec("coder", by=by, arm=sites, recipe=recipe, **frozen)

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
