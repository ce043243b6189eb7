"""docs/benchmarks/memory_gpu.md from the figures of benchmarks/memory_gpu.py.

python benchmarks/memory_page.py FIGURES.json > docs/benchmarks/memory_gpu.md
"""

import json
import sys
from pathlib import Path

from sparring.words import table

_HEADER = ("what", "allocated, GiB", "measured, GiB", "foreseen, GiB", "off by")


def main() -> None:
    """Entry point."""
    said = json.loads(Path(sys.argv[1]).read_text())
    lines = {
        case["name"]: [
            case["name"],
            *(f"{case[key]:.2f}" for key in ("allocated", "reserved", "foreseen")),
            f"{case['foreseen'] / case['reserved'] - 1:+.1%}",
        ]
        for case in said["cases"]
    }
    trainings = [line for name, line in lines.items() if " latents, k " in name]
    passes = [line for line in lines.values() if line not in trainings]
    off = [abs(case["foreseen"] / case["reserved"] - 1) for case in said["cases"]]
    page = Path(__file__).with_name("memory_gpu.md").read_text()
    for word, text in {
        "TRAININGS": table(_HEADER, trainings),
        "PASSES": table(_HEADER, passes),
        "CARD": f"{said['card']}, {said['gib']:.1f} GiB, driver {said['driver']}, torch {said['torch']}",
        "CONTEXT": f"{said['context']:.2f}",
        "WITHIN": f"{sum(one <= 0.15 for one in off)} of {len(off)}",
        "FLOPS": f"{said['float32']['flops'] / 1e12:.0f} TFLOP/s, {said['float32']['share']:.0%}",
    }.items():
        page = page.replace(word, text)
    print(page.rstrip())


if __name__ == "__main__":
    main()
