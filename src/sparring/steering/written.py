"""What the subject model writes, judged for every class and weighed for fluency."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from sparring.steering.generate import Prompt, generate, log_perplexity
from sparring.steering.halves import Tried
from sparring.steering.judge import Judges
from sparring.steering.plan import SteeringPlan

SCAN, REPORT = 0, 1  # streams of random numbers: what chooses the prompt is never reported


class Written(NamedTuple):
    """The samples of one prompt and direction: their texts, whether each is of each class, and log perplexities."""

    texts: list[str]
    holds: Mapping[str, np.ndarray]
    log_ppl: np.ndarray

    def tried(self, label: str) -> Tried:
        """As samples of one class."""
        return Tried(self.holds[label], self.log_ppl)


@dataclass
class Writer:
    """A model that is asked for text. What it wrote is kept: concepts share unsteered text and differences of means."""

    model: Any
    tokenizer: Any
    judges: Judges
    plan: SteeringPlan
    site: str
    """Any that the model has: unsteered text has nothing added there."""
    _kept: dict[tuple[Any, ...], Written] = field(default_factory=dict)

    def unsteered(self, prompt: str, *, before: str = "", stream: int = REPORT) -> Written:
        """What follows `before` and `prompt`; its perplexity is that after `prompt` alone."""
        none = torch.zeros(1, self.model.config.hidden_size)
        return self.steered(prompt, none, site=self.site, before=before, stream=stream)[0]

    def steered(
        self, prompt: str, shifts: Float[Tensor, "direction d"], *, site: str, before: str = "", stream: int = REPORT
    ) -> list[Written]:
        """What follows with each of `shifts` added at `site`."""
        keys = [(prompt, site, before, stream, shift.numpy().tobytes()) for shift in shifts]
        if todo := {key: shift for key, shift in zip(keys, shifts, strict=True) if key not in self._kept}:
            made = self._made(prompt, torch.stack(list(todo.values())), site, before, stream)
            self._kept.update(zip(todo, made, strict=True))
        return [self._kept[key] for key in keys]

    def _made(
        self, prompt: str, shifts: Float[Tensor, "direction d"], site: str, before: str, stream: int
    ) -> list[Written]:
        plan = self.plan
        made = generate(
            self.model,
            Prompt.read(self.tokenizer, before + prompt),
            site=site,
            shifts=shifts,
            samples=plan.samples,
            tokens=plan.tokens,
            temperature=plan.temperature,
            seed=(plan.seed, stream),
        )
        log_ppl = log_perplexity(self.model, Prompt.read(self.tokenizer, prompt), made).numpy()
        texts = self.tokenizer.batch_decode(made.flatten(0, 1), skip_special_tokens=True)
        holds = self.judges.holds(texts)
        parts = [slice(i * plan.samples, (i + 1) * plan.samples) for i in range(len(shifts))]
        return [
            Written(texts[part], {label: one[part] for label, one in holds.items()}, log_ppl[i])
            for i, part in enumerate(parts)
        ]
