"""The head-to-head's files: the figures as JSON, one page of Markdown, the picture as SVG and PNG."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparring.canonical import pretty_json
from sparring.comparable import ArmInputs
from sparring.figure import draw_figure
from sparring.headtohead import head_to_head
from sparring.page import pick_examples, render_page
from sparring.testplan import TestPlan

FIGURE = "headtohead_autointerp.png"


@dataclass(frozen=True)
class ArmArtifacts:
    """What the stages before made of one arm: metas, folders, and the content digest of its coder."""

    coder: Mapping[str, Any]
    coder_digest: str
    recon: Mapping[str, Any]
    draw: Mapping[str, Any]
    latents: Path
    explanations: Path
    scores: Path
    score_meta: Mapping[str, Any]

    def inputs(self, rows: str) -> ArmInputs:
        """The arm as the comparison takes it."""
        return ArmInputs(
            scores=self.scores / "scores.parquet",
            score_meta=self.score_meta,
            coder={**self.coder["arm"], "n_latents": self.coder["n_latents"], "digest": self.coder_digest},
            recon=self.recon,
            draw=self.draw,
            rows=rows,
            firing=self.latents / "firing.parquet",
        )

    def texts(self) -> dict[int, str]:
        """The explanation of each latent."""
        raw = json.loads((self.explanations / "explanations.json").read_bytes())
        return {int(latent): entry["text"] for latent, entry in raw["real"].items()}


def write_headtohead(
    arms: Mapping[str, ArmArtifacts],
    *,
    replicates: Mapping[str, Sequence[str]],
    rows: str,
    plan: TestPlan,
    preregistration: Mapping[str, Any],
    provenance: Mapping[str, Any],
    controls: Mapping[str, Any] | None = None,
    out: Path,
) -> None:
    """Writes `result` (JSON), `page` (Markdown), `svg` and `png` into `out`; `rows` names the scored tokens.

    replicates: for each of the two arms, in their order, the names of its further coders among `arms`.
    controls: the result of controls.compare, where there is one; it is told beside the verdict and decides nothing.
    """
    first, second = replicates
    inputs = {name: arm.inputs(rows) for name, arm in arms.items()}
    result = head_to_head(
        arms={name: inputs[name] for name in (first, second)},
        order=(first, second),
        plan=plan,
        further={name: {other: inputs[other] for other in others} for name, others in replicates.items()},
        preregistration=preregistration,
        provenance=provenance,
    )
    if controls is not None:
        result |= {"controls": dict(controls), "reasons": [*result["reasons"], *controls["sentences"]]}
    scores = {name: inputs[name].scored for name in (first, second)}
    examples = {name: pick_examples(table, arms[name].texts(), metric=plan.primary) for name, table in scores.items()}
    (out / "result").write_bytes(pretty_json(result))
    (out / "page").write_text(render_page(result, examples=examples, figure=FIGURE))
    draw_figure(result, scores, svg=out / "svg", png=out / "png")
