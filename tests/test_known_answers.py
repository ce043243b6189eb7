"""Planted latents of known meaning in the real news: right explanations stand far above another concept's."""

import numpy as np
import pytest
import yaml
from checkout import ROOT, Checkout
from known_answers import KINDS, judged

from sparring.autointerp.plan import DrawPlan, ScorePlan
from sparring.store import Store

pytestmark = pytest.mark.e2e


def test_right_explanations_stand_far_above_wrong_ones(mini: Checkout) -> None:
    draw = yaml.safe_load((ROOT / "config" / "studies" / "mini.yaml").read_text())["draw"]
    plan = DrawPlan(**draw | {"positives": 5, "negatives": 20})  # the miniature study has little text
    found = judged(mini.work / "results", Store(mini.store), plan, ScorePlan())
    latents = {latent for *_, latent in found}
    assert len(latents) >= 3
    for metric in ("detection", "fuzz"):
        mean = {kind: np.mean([found[metric, kind, latent] for latent in latents]) for kind in KINDS}
        wrong = mean.pop("shuffled")
        assert min(mean.values()) > 0.9
        assert wrong < 0.75
