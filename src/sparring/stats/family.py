"""Several comparisons at once: the false discovery rate over a family that was declared beforehand."""

from collections.abc import Mapping

from scipy.stats import false_discovery_control


def benjamini_hochberg(p: Mapping[str, float]) -> dict[str, float]:
    """The adjusted p of each member (Benjamini and Hochberg 1995): at most q means a discovery at a false discovery
    rate of q. An empty family has none. ValueError for a p outside 0 to 1."""
    if not p:
        return {}
    adjusted = false_discovery_control(list(p.values()), method="bh")
    return dict(zip(p, map(float, adjusted), strict=True))
