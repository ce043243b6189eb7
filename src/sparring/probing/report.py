"""The files of the probing stage: the result, its page, its figure."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sparring.canonical import pretty_json
from sparring.probing.figure import draw_probing
from sparring.probing.page import probing_page


def write_probing(result: Mapping[str, Any], out: Path) -> None:
    """Write `result`, `page` and `svg` into the folder `out`; the result names its `task`."""
    (out / "result").write_bytes(pretty_json(result))
    (out / "page").write_text(probing_page(result, figure=f"{result['arm']['name']}.svg"))
    draw_probing(result, svg=out / "svg")
