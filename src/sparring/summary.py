"""What `make headtohead` prints at the end: `python -m sparring.summary results/headtohead_autointerp.json`."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sparring.verdict import sentence
from sparring.words import interval


def summarise(result: Mapping[str, Any], path: Path) -> str:
    """Arms, differences with their intervals, the verdict in a sentence, and the files that lie beside `path`."""
    lines = ["", *(_arm(name, arm) for name, arm in result["arms"].items()), ""]
    lines += [_metric(metric, found) for metric, found in result["metrics"].items()]
    lines += ["", sentence(result), ""]
    beside = {"page": ".md", "figure": ".svg", "figures": ".json"}
    lines += [f"  {what:<8} {path.with_suffix(suffix)}" for what, suffix in beside.items()]
    return "\n".join(lines)


def _arm(name: str, arm: Mapping[str, Any]) -> str:
    sites = arm["write_site"] if arm["read_site"] == arm["write_site"] else f"{arm['read_site']} -> {arm['write_site']}"
    floor = "" if arm["affine_floor"] is None else f" (affine floor {arm['affine_floor']:.3f})"
    explained = f"variance explained {arm['ve']:.3f}{floor}"
    return f"  {name:<12} {sites}: {explained}, L0 {arm['l0']:.1f}, dead {arm['dead_fraction']:.1%}"


def _metric(metric: str, found: Mapping[str, Any]) -> str:
    if "not_measured" in found:
        return f"  {metric:<12} not measured: {found['not_measured']}"
    means = ", ".join(f"{name} {mean:.3f}" for name, mean in found["means"].items())
    difference = f"{found['diff_is']} = {found['diff']:+.3f} {interval(found['ci95'])}"
    return f"  {metric:<12} {means}; {difference}, p {found['p']:.4f}"


def main() -> None:
    """Print the summary of the result named on the command line."""
    path = Path(sys.argv[1])
    print(summarise(json.loads(path.read_text()), path))


if __name__ == "__main__":
    main()
