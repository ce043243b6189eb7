"""The edges stage on one page of Markdown: what is found, attribution against ablation, the pruned graph, the nodes."""

from collections.abc import Mapping
from typing import Any

from sparring.words import interval, table

_SHOWN = 25  # edges
Result = Mapping[str, Any]
_WAYS = {"attribution": "attribution", "integrated": "integrated gradients", "exact": "ablation"}


def render_edges(result: Result, *, figure: str) -> str:
    """The page; `figure` is the figure's path relative to it."""
    plan = result["plan"]
    parts = [
        f"# Edges between latents for {plan['label']}",
        f"**{said(result)}**",
        "\n".join(f"- {doubt}" for doubt in result["doubts"]),
        f"![The strongest edges, attribution against ablation, faithfulness against edges]({figure})",
        "## Attribution against ablation",
        "What a latent adds to a later one, by gradients and by holding it at its mean. Strength: mean activation over "
        "a text's tokens; effect: weighed by what the later latent does to the readout, the class minus the others. "
        "Intervals: 95%, over edges. Ranks are taken within each pair of layers.",
        _check(result),
        "## The pruned graph, run for real",
        f"Margin of the readout at {plan['readout']}, {plan['label']} minus the others, over "
        f"{result['texts']['tried']} texts on which no edge was ranked: 1 is the whole model, 0 no edge. "
        f"Latents that are no nodes {_held(plan['others'])}, the coders' errors {_held(plan['errors'])}. "
        f"{result['faithfulness']['passes']} forward passes.",
        _curve(result["faithfulness"]),
        "## Edges with the largest effect",
        "What the first adds to the second, mean over texts (strength), and to the margin through it (effect); p: of "
        "the largest |t| of all edges under permuted class labels.",
        _edges(result),
        "## Nodes",
        _layers(result),
        _nodes(result),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def said(result: Result) -> str:
    """The result in a sentence or two."""
    found, edges = result["found"], len(result["edges"])
    first = f"{found} of {edges} edges are found" if found else f"Of {edges} edges none is found"
    check = result["check"]["strength"]["attribution"]["all"]
    if check["spearman"] is None:
        return f"{first}."
    agree = f"{check['spearman']['value']:.3f} {interval(check['spearman']['ci95'])}"
    return f"{first}. Attribution agrees with ablation on {check['edges']} edges: Spearman {agree}."


def _held(how: str) -> str:
    return "stay as in the clean model" if how == "stay" else "are at their means"


def _figure(found: Mapping[str, Any] | None) -> str:
    return "" if found is None else f"{found['value']:.3f} {interval(found['ci95'])}"


def _check(result: Result) -> str:
    arms = result["plan"]["arms"]
    rows = []
    for name, of in result["check"].items():
        for way, groups in of.items():
            named = {"all": "all edges", "top": "largest by attribution"} | {
                pair: " to ".join(arms[int(number)] for number in pair.split("-")) for pair in groups["pairs"]
            }
            for group, one in ({"all": groups["all"], "top": groups["top"]} | groups["pairs"]).items():
                figures = [_figure(one[kind]) for kind in ("spearman", "pearson")]
                rows.append([name, _WAYS[way], named[group], str(one["edges"]), *figures])
    return table(["figure", "by", "over", "edges", "Spearman", "Pearson"], rows, words=3)


def _curve(found: Mapping[str, Any]) -> str:
    header = ["edges", "margin", "faithfulness", f"mean of {found['random_sets']} random sets"]
    rows = [
        ["none", _figure(found["empty"]), "", ""],
        *(
            [str(one["edges"]), _figure(one["margin"]), _figure(one["faithfulness"]), _figure(one["random"])]
            for one in found["points"]
        ),
        ["all between the nodes", _figure(found["all"]["margin"]), _figure(found["all"]["faithfulness"]), ""],
        ["the whole model", _figure(found["clean"]), "", ""],
    ]
    return table(header, rows)


def _edges(result: Result) -> str:
    ways = list(result["edges"][0]["effect"]) if result["edges"] else []
    header = ["from", "to", *(f"{name}, {_WAYS[way]}" for name in ("strength", "effect") for way in ways), "p", "found"]
    rows = [
        [
            one["from"],
            one["to"],
            *(f"{one[name][way]:+.4f}" for name in ("strength", "effect") for way in ways),
            f"{one['p']:.4f}",
            "yes" if one["found"] else "no",
        ]
        for one in result["edges"][:_SHOWN]
    ]
    return table(header, rows, words=2)


def _layers(result: Result) -> str:
    header = ["coder", "reads", "writes", "latents", "never fire", "nodes"]
    rows = [
        [
            one["arm"],
            one["read_site"],
            one["write_site"],
            *(str(one[key]) for key in ("latents", "never_fire", "nodes")),
        ]
        for one in result["layers"]
    ]
    return table(header, rows, words=3)


def _nodes(result: Result) -> str:
    rows = [
        [one["node"], " ".join(code(token) for token in one["tokens"]), _figure(one["effect"])]
        for one in result["nodes"]
    ]
    return table(["node", "fires most on", "effect on the margin"], rows, words=2)


def code(token: str) -> str:
    """A token as code in a table's cell."""
    return "`" + token.replace("`", "'").replace("|", "\u00a6").replace("\n", "\\n").replace("\t", "\\t") + "`"
