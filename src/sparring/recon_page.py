"""Every coder's reconstruction on one page: a table, and a figure with intervals over documents."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt

from sparring.drawing import STYLE, save_svg
from sparring.words import interval, plain_interval

_COLUMNS = (
    "variance explained",
    "affine floor",
    "FVU",
    "L0",
    "dead",
    "cosine",
    "relative bias",
    "delta CE",
    "recovered",
)
Result = Mapping[str, Any]


def recon_page(results: Sequence[Result], *, figure: str) -> str:
    """One page of Markdown of the recon stage's results, in their order."""
    first = results[0]
    lines = [
        "# Reconstruction",
        "",
        f"On the {first['rows']:,} tokens ({first['documents']} documents) of the {first['split']} split, each coder",
        "against its own target, the write site. FVU is 1 - variance explained; the affine floor is the best affine",
        "map of the transcoder's input; L0 counts values above 0; relative bias is 1 where x_hat is as long as x.",
        "Delta CE, in nats a token, and the share recovered (0: as bad as zeros, 1: as the model itself), are over",
        f"{first['model']['tokens']:,} tokens with the coder in the model's place. Intervals: 95%, over documents.",
        "",
        f"| coder | sites | {' | '.join(_COLUMNS)} |",
        f"| --- | --- |{' ---: |' * len(_COLUMNS)}",
    ]
    lines += [f"| {one['arm']} | {_sites(one)} | {' | '.join(_cells(one))} |" for one in results]
    if len(different := sorted({one["write_site"] for one in results})) > 1:
        lines += ["", f"The targets differ ({', '.join(different)}): figures of different targets are not comparable."]
    return "\n".join([*lines, "", f"![Variance explained and cross-entropy recovered]({figure})", ""])


def draw_recon(results: Sequence[Result], *, svg: Path) -> None:
    """Two panels, a row a coder: variance explained with its affine floor, and cross-entropy recovered."""
    with plt.rc_context(STYLE):
        size = (6.4, 1.1 + 0.35 * len(results))
        figure, (left, right) = plt.subplots(1, 2, figsize=size, layout="constrained", sharey=True)
        for row, one in enumerate(results):
            _point(left, row, one["ve"], one["ve_ci95"])
            if one["affine_floor"] is not None:
                left.plot(one["affine_floor"], row, "|", color="#D55E00", markersize=12)
            _point(right, row, one["model"]["ce_recovered"], one["model"]["ce_recovered_ci95"])
        left.set(title="variance explained (|: affine floor)", yticks=range(len(results)))
        left.set_yticklabels([f"{one['arm']}\n{one['write_site']}" for one in results])
        left.invert_yaxis()
        right.set(title="cross-entropy recovered")
        save_svg(figure, svg)


def _point(axis: Any, row: int, value: float | None, ends: Sequence[float] | None) -> None:
    if value is None:
        axis.annotate("zeros do no harm here", (0.5, row), xycoords=("axes fraction", "data"), ha="center", va="center")
        return
    if ends is not None:
        axis.plot(ends, [row, row], "-", color="#0072B2", linewidth=1.2)
    axis.plot(value, row, "o", color="#0072B2", markersize=4)


def _sites(one: Result) -> str:
    read, write = one["read_site"], one["write_site"]
    return write if read == write else f"{read} -> {write}"


def _cells(one: Result) -> list[str]:
    model = one["model"]
    recovered, ends = model["ce_recovered"], model["ce_recovered_ci95"]
    shown = "zeros do no harm" if recovered is None else f"{recovered:.3f}"
    return [
        f"{one['ve']:.3f} {plain_interval(one['ve_ci95'])}",
        "" if one["affine_floor"] is None else f"{one['affine_floor']:.3f}",
        f"{one['fvu']:.3f}",
        f"{one['l0']:.1f}",
        f"{one['dead_fraction']:.1%}",
        f"{one['cosine']:.3f}",
        f"{one['relative_bias']:.3f}",
        f"{model['delta_ce']:+.3f} {interval(model['delta_ce_ci95'])}",
        shown if recovered is None or ends is None else f"{shown} {plain_interval(ends)}",
    ]
