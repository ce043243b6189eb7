"""The probing stage on one page of Markdown: what is doubtful, the probes, the classes, the controls."""

from collections.abc import Mapping
from typing import Any

from sparring.words import interval, plain_interval, table

Result = Mapping[str, Any]


def probing_page(result: Result, *, figure: str) -> str:
    """The page of the stage's result; `figure` is the figure's path relative to it."""
    name, examples, fires = result["arm"]["name"], result["examples"], result["never_fire"]
    parts = [
        f"# Probing of {name} on {result['task']}",
        f"Each of {len(result['classes'])} classes against as many texts of the others: {examples['train']} texts to "
        f"train a probe, {examples['test']} to test it, {result['plan']['resamples']:,} resamples of the test texts. "
        f"Chance is 0.5. {fires['number']:,} of {fires['of']:,} latents fire in no text.",
        _list("Doubtful", result["doubts"]),
        _list("Notes", result["notes"]),
        "## Probes",
        _probes(result),
        "## Classes",
        _classes(result),
        *(_control(result, control) for control in result["controls"]),
        "## Differences",
        _differences(result["differences"]),
        f"![Accuracy of each probe with its interval, and the differences to the controls]({figure})",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _list(title: str, sentences: list[str]) -> str:
    return "\n".join([f"## {title}", "", *(f"- {sentence}" for sentence in sentences)]) if sentences else ""


def _probes(result: Result) -> str:
    controls = result["controls"]
    rows = [
        [measure, _accuracy(of)] + [_accuracy(one["measures"][measure]) for one in controls.values()]
        for measure, of in result["measures"].items()
    ]
    return table(["macro accuracy", result["arm"]["name"], *controls], rows)


def _classes(result: Result) -> str:
    rows = [
        [measure, *(f"{one['accuracy']:.3f}{'*' if one['chance'] else ''}" for one in of["classes"].values())]
        for measure, of in result["measures"].items()
    ]
    note = "\\*: the interval (Wilson, 95%) does not lie above 0.5. The intervals are in the JSON."
    return f"{table(['accuracy', *result['classes']], rows)}\n\n{note}"


def _control(result: Result, control: str) -> str:
    what, pairs = (result["controls"][control][key] for key in ("what", "pairs"))
    over = [
        [
            measure,
            f"{of['arm']:.3f}",
            f"{of['control']:.3f}",
            f"{of['difference']:+.3f} {interval(of['ci95'])}",
            _p(of["p"]),
        ]
        for measure, of in pairs.items()
    ]
    classes = [
        [
            measure,
            label,
            f"{one['arm']:.3f}",
            f"{one['control']:.3f}",
            f"{one['difference']:+.3f} {interval(one['ci95'])}",
            str(one["only_arm"]),
            str(one["only_control"]),
            _p(one["p"]),
            _p(one["q"]),
        ]
        for measure, of in pairs.items()
        for label, one in of["classes"].items()
    ]
    return "\n\n".join(
        [
            f"## Against {control}",
            f"A coder by the same recipe, {what}, on the same test texts: bootstrap of the paired difference over "
            "texts, p of McNemar's test (over classes, all answers of a text change sides at once), q adjusted over "
            "the classes of a probe.",
            table(["over classes", "arm", "control", "difference", "p"], over),
            table(
                ["probe", "class", "arm", "control", "difference", "only arm right", "only control right", "p", "q"],
                classes,
                words=2,
            ),
        ]
    )


def _differences(differences: Mapping[str, Any]) -> str:
    rows = [[name, f"{of['macro']:+.3f} {interval(of['ci95'])}"] for name, of in differences.items()]
    return table(["macro accuracy", "difference"], rows)


def _accuracy(of: Mapping[str, Any]) -> str:
    return f"{of['macro']:.3f} {plain_interval(of['ci95'])}"


def _p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
