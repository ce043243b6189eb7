"""How much of the spread between latents is real rather than the noise of too few examples."""

from collections.abc import Sequence

import numpy as np

from sparring.stats.bootstrap import Vector


def reliability(values: Sequence[Vector], variances: Sequence[Vector]) -> float | None:
    """1 - (mean sampling variance within a latent) / (variance across latents), clipped to [0, 1].

    `values` and `variances` hold one vector a group (an arm), entry by entry for the same latents: their figures and
    the sampling variances of these. The variance across latents is pooled within the groups, so that a difference
    between the arms is not taken for reliability. Below 0 (more noise than spread) it is clipped to 0, as are latents
    that do not differ at all. None with fewer than two latents in every group. Definition: docs/methods.md;
    the published study's scorers had 0.12 to 0.34 (3B) and 0.70 to 0.77 (7B).
    """
    freedom = sum(group.size - 1 for group in values if group.size)
    if freedom < 1:
        return None
    spread = sum(float(((group - group.mean()) ** 2).sum()) for group in values if group.size) / freedom
    noise = float(np.concatenate(list(variances)).mean())
    return 0.0 if spread <= 0 else min(1.0, max(0.0, 1 - noise / spread))
