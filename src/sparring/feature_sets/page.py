"""A feature set on one page: what it tells of the class, and how faithful the model is to itself with it alone."""

from collections.abc import Mapping, Sequence
from typing import Any

from sparring.words import interval, plain_interval, table

Result = Mapping[str, Any]
SIZE = "latents of each coder"
SWITCHES = {"errors_stay": "errors stay", "errors_ablated": "errors ablated"}
_SHARES = ("faithfulness", "random", "gap", "complement", "completeness")


def feature_sets_page(result: Result, *, name: str, figure: str) -> str:
    """One page of Markdown of the stage's result. figure: its path relative to the page."""
    plan, of, texts = result["plan"], result["faithfulness"], result["examples"]
    said = [*result["doubts"], *result["notes"]] or ["Nothing is in doubt."]
    parts = [
        f"# Feature set {name}: {plan['label']} by {', '.join(plan['arms'])}",
        "\n".join(f"- {one}" for one in said),
        f"![Accuracy and faithfulness by the size of the set]({figure})",
        "## What the set tells of the class",
        f"Accuracy on {texts['test']} test texts of a probe fitted on {texts['train']}; of a probe on all latents: "
        f"{_plain(result['ceiling'])}. Random: the mean of {plan['random_sets']} sets matched on firing rate.",
        _accuracies(result),
        *_build_up(plan["arms"], result["sizes"], "Accuracy"),
        "## How faithful the model is with the set alone",
        f"Read off at `{of['site']}` on {of['accuracy']['n']} test texts, by a direction that tells the class with "
        f"accuracy {_plain(of['accuracy'])}. The margin (mean of the class minus mean of the others, in spreads of "
        f"the training texts) is {_plain(of['clean'])} in the model as it is. Faithfulness: the share of what "
        "ablating every latent takes away that is there with the set alone; complement: with all but the set; "
        "completeness: 1 - that.",
        *(_faithful(of[switch], said, plan) for switch, said in SWITCHES.items()),
        *_build_up(plan["arms"], of["errors_stay"]["sizes"], "Faithfulness, errors staying,"),
        "## The latents",
        "\n".join(f"- {arm}: {', '.join(map(str, some))}" for arm, some in _largest(result)["latents"].items()),
    ]
    return "\n\n".join(parts) + "\n"


def _accuracies(result: Result) -> str:
    header = [SIZE, "the set", "random", "sd over sets", "gap", "of the ceiling", "rates differ by", "dead"]
    rows = [
        [
            size,
            _plain(one["set"]),
            _plain(one["random"]),
            f"{one['random']['sd_over_sets']:.3f}",
            _signed(one["gap"]),
            "" if one["share_of_ceiling"] is None else f"{one['share_of_ceiling']:.3f}",
            f"{one['random']['rate_mismatch']:.3f}",
            str(one["dead"]),
        ]
        for size, one in result["sizes"].items()
    ]
    return table(header, rows, words=0)


def _faithful(of: Result, said: str, plan: Result) -> str:
    head = (
        f"**{said.capitalize()}.** Ablating every latent leaves a margin of {_plain(of['empty'])}; it takes away "
        f"{_signed(of['effect'])}. With all latents kept the share is {_plain(of['curve']['all'])}."
    )
    sizes = of["sizes"]
    rows = [[n, *((_signed if key == "gap" else _plain)(one[key]) for key in _SHARES)] for n, one in sizes.items()]
    rows += [[n, _plain(one), "", "", "", ""] for n, one in of["curve"].items() if n not in (*sizes, "all")]
    header = [SIZE, "faithfulness", f"{plan['random_faithful']} random sets", *_SHARES[2:]]
    return f"{head}\n\n{table(header, rows, words=0)}"


def _build_up(arms: Sequence[str], sizes: Mapping[str, Result], what: str) -> list[str]:
    if len(arms) < 2:
        return []
    depths = ["+".join(arms[: depth + 1]) for depth in range(len(arms))]
    rows = [[size, *(_plain(of["build_up"][names]) for names in depths)] for size, of in sizes.items()]
    return [f"{what} by depth, the sets of the first coders alone:", table([SIZE, *depths], rows, words=0)]


def _plain(figure: Result) -> str:
    return "none" if figure["value"] is None else f"{figure['value']:.3f} {plain_interval(figure['ci95'])}"


def _signed(figure: Result) -> str:
    return "none" if figure["value"] is None else f"{figure['value']:+.3f} {interval(figure['ci95'])}"


def _largest(result: Result) -> Result:
    found: Result = max(result["sizes"].values(), key=lambda one: max(map(len, one["latents"].values())))
    return found
