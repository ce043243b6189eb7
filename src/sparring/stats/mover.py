"""The interval of a difference from the intervals of its two sides: MOVER (Zou and Donner 2008; Newcombe 1998).

With a in [l_a, u_a] and b in [l_b, u_b], a - b lies in

    [a - b - sqrt((a - l_a)^2 + (u_b - b)^2),  a - b + sqrt((u_a - a)^2 + (b - l_b)^2)]

exact for independent normal estimates. Where both come from the same documents they mostly rise and fall together, and
then the interval is too wide rather than too narrow.
"""

import math
from collections.abc import Sequence

from sparring.stats.bootstrap import Interval


def difference_of(a: float, a_ci: Sequence[float], b: float, b_ci: Sequence[float]) -> Interval:
    """The interval of a - b, of the same level as those of `a` and `b`."""
    below, above = math.hypot(a - a_ci[0], b_ci[1] - b), math.hypot(a_ci[1] - a, b - b_ci[0])
    return a - b - below, a - b + above
