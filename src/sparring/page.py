"""The head-to-head on one page of Markdown: verdict, figures, instrument, examples, provenance."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sparring.controls.page import controls_section
from sparring.perlatent import ArmScores
from sparring.verdict import sentence
from sparring.words import interval, plain_interval, table, terms

_TEXT = 160  # characters of an explanation shown
_DIGEST = re.compile(r"\b[0-9a-f]{64}\b")


@dataclass(frozen=True)
class Example:
    """One latent of an arm with its explanation; `rank` says why it is shown: best, median or worst."""

    rank: str
    latent: int
    auroc: float
    text: str


def pick_examples(scores: ArmScores, texts: Mapping[int, str], *, metric: str) -> list[Example]:
    """The best, the median and the worst latent of an arm by AUROC; `texts` are the explanations by latent."""
    table = scores.table(metric, "real")
    order = np.argsort(-table.values, kind="stable")
    if not order.size:
        return []
    places = {"best": order[0], "median": order[order.size // 2], "worst": order[-1]}
    return [
        Example(rank, int(table.latents[i]), float(table.values[i]), texts[int(table.latents[i])])
        for rank, i in places.items()
    ]


def render_page(result: Mapping[str, Any], *, examples: Mapping[str, Sequence[Example]], figure: str) -> str:
    """The page of a head-to-head result. `figure` is the figure's path relative to the page; `examples` are by arm."""
    first, second = result["order"]
    parts = [
        f"# Head-to-head: {second} against {first}",
        f"**{sentence(result)}**",
        f"![Scores of latents between floor and ceiling, and the difference with its interval]({figure})",
        "## Interpretability",
        _metrics(result),
        "\n".join(f"- {reason}" for reason in result["reasons"]),
        _registration(result["preregistration"]),
        "## Arms",
        _arms(result),
        _unlike(result),
        "## Instrument",
        _instrument(result),
        _scorer(result["instrument"]),
        *_controls(result),
        "## Latents",
        _latents(result),
        *_examples(examples),
        "## Gates",
        _gates(result),
        "## How to read this",
        terms(),
        "## Provenance",
        _provenance(result),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _metrics(result: Mapping[str, Any]) -> str:
    first, second = result["order"]
    rows, notes = [], []
    for metric, found in result["metrics"].items():
        name = f"{metric} (primary)" if metric == result["primary"] else metric
        if "not_measured" in found:
            rows.append([name, *["not measured"] * 7])
            continue
        bca, matched = found["ci95_bca"], found["matched_by_firing_rate"]
        means = [f"{found['means'][arm]:.3f} (n {found['n'][arm]})" for arm in (first, second)]
        bounds = [interval(found["ci95"]), "" if bca is None else interval(bca)]
        rows.append([name, *means, f"{found['diff']:+.3f}", *bounds, f"{found['p']:.4f}", f"{found['mde']:.3f}"])
        needed = ", ".join(f"{n} for {effect}" for effect, n in found["latents_needed"].items())
        notes.append(
            f"{metric.capitalize()}, 95% interval corrected for few latents: {interval(found['ci95_expanded'])}; "
            f"with examples resampled within latents too: "
            f"{interval(found['ci95_two_level'])}; with documents resampled: {interval(found['ci95_documents'])}. "
            f"Latents an arm to find a difference with 80% power: {needed}."
        )
        if seeds := found.get("coder_seeds"):
            notes.append(
                f"{metric.capitalize()} over {seeds['n']} seeds of the coders, resampled above their latents: "
                f"{seeds['diff']:+.3f} {interval(seeds['ci95'])}."
            )
        if "not_measured" not in matched:
            notes.append(
                f"Matched by firing rate, {metric}: {matched['diff']:+.3f} {interval(matched['ci95'])} "
                f"over {matched['pairs']} pairs."
            )
    header = ["mean AUROC per latent", first, second, f"{second} - {first}", "95% interval", "BCa", "p", "detectable"]
    return table(header, rows) + "".join(f"\n\n{note}" for note in notes)


def _registration(found: Mapping[str, Any] | None) -> str:
    if found is None or not found["before_scores"]:
        return "**Not pre-registered**: the scores are older than the plan of the comparison."
    said = "".join(f"\n- {hypothesis}" for hypothesis in found["hypotheses"])
    written = f"Pre-registered as `{found['digest'][:12]}`, before any of the scores existed"
    return f"{written}. Hypotheses:\n{said}" if said else f"{written}."


def _arms(result: Mapping[str, Any]) -> str:
    header = ["arm", "kind", "reads", "writes", "latents", "variance explained", "affine floor", "L0", "dead"]
    return table(header, [_arm(name, arm) for name, arm in result["arms"].items()], words=4)


def _arm(name: str, arm: Mapping[str, Any]) -> list[str]:
    ve, ci, floor, dead = arm["ve"], arm["ve_ci95"], arm["affine_floor"], arm["dead_fraction"]
    explained = "not measured" if ve is None else f"{ve:.3f}" + (f" {plain_interval(ci)}" if ci else "")
    return [
        name, arm["kind"], f"`{arm['read_site']}`", f"`{arm['write_site']}`", str(arm["n_latents"]), explained,
        _plain(floor), _plain(arm["l0"], 1), "" if dead is None else f"{dead:.1%}",
    ]  # fmt: skip


def _unlike(result: Mapping[str, Any]) -> str:
    """In what the arms differ that a comparison would rather have equal."""
    arms = result["arms"].values()
    said = []
    if len({arm["write_site"] for arm in arms}) > 1:
        said.append("**Sites differ**: the arms write different places, so they explain different things.")
    counts = [arm["l0"] for arm in arms if arm["l0"] is not None]
    if len(counts) == 2 and max(counts) > 1.05 * min(counts):
        said.append("Realised L0 is not matched between the arms: part of a difference may come from sparsity.")
    return " ".join(said)


def _instrument(result: Mapping[str, Any]) -> str:
    check = result["instrument"]
    rows = []
    for metric in result["metrics"]:
        for arm in (*result["order"], "pooled"):
            kinds = [_estimate(check[kind][metric][arm]) for kind in ("floor", "empty", "ceiling")]
            gains = [_estimate(check[kind][metric][arm], sign="+") for kind in ("margin", "lift")]
            ends = [_plain(check[kind][metric].get(arm)) for kind in ("normalised", "reliability", "parse_rate")]
            rows.append([f"{metric}, {arm}", *kinds, *gains, *ends])
    header = ["", "floor (shuffled)", "floor (empty)", "ceiling (oracle)", "oracle - shuffled", "real - shuffled"]
    return table([*header, "normalised", "reliability", "parsed"], rows)


def _scorer(check: Mapping[str, Any]) -> str:
    scorer = check["scorer"]
    model = f" ({scorer['model']} by {scorer['engine']})" if "model" in scorer else ""
    said = [f"Scorer: {scorer.get('name')}{model}, weights `{str(scorer.get('weights'))[:12]}`."]
    if any(check["shown_to_explainer"].values()):
        said.append(
            f"The explainer had been shown of the scored firing windows: {_by_arm(check['shown_to_explainer'])}."
        )
    said.append(f"Mark positions alone tell fuzz examples apart with AUROC {_by_arm(check['tell_auroc'])}.")
    said.append(f"On the canary, plain questions of known answer, it reaches AUROC {_by_arm(check['canary'])}.")
    bags = {
        name: None if found is None else found["mean"] for name, found in check["bag_of_words"]["detection"].items()
    }
    said.append(f"A bag of words trained on the explainer's documents reaches {_by_arm(bags)} in detection;")
    said.append(f"the entropy of a latent's tokens is, in bits, {_by_arm(check['token_entropy'])}.")
    said.append(f"Explanations that stand for several latents: {_by_arm(check['duplicate_explanations'])};")
    said.append(f"copied from the prompt: {_by_arm(check['copied_explanations'])}.")
    return " ".join(said)


def _controls(result: Mapping[str, Any]) -> list[str]:
    return ["## Against a randomised model", controls_section(result["controls"])] if "controls" in result else []


def _latents(result: Mapping[str, Any]) -> str:
    lines = []
    for arm in result["order"]:
        found = result["latents"][arm]
        ends = [f"{n} scored in {metric}" for metric, n in found["scored"].items()]
        ends += [f"{n} unreadable in {metric}" for metric, n in found["unreadable"].items() if n]
        ends += [f"{n} dropped, {reason}" for reason, n in found["dropped"].items()]
        population = ", ".join(f"{n} {fate}" for fate, n in found["population"].items())
        lines.append(f"- {arm}: {found['drawn']} drawn ({', '.join(ends)}); in the whole coder {population}")
    hashes = ", ".join(f"{arm} `{result['latents'][arm]['draw'][:12]}`" for arm in result["order"])
    return "\n".join(lines) + f"\n\nThe lists were hashed before any score existed: {hashes}."


def _examples(examples: Mapping[str, Sequence[Example]]) -> list[str]:
    rows = [
        [arm, example.rank, _cell(example.text), str(example.latent), f"{example.auroc:.3f}"]
        for arm, chosen in examples.items()
        for example in chosen
    ]
    return [table(["arm", "", "explanation", "latent", "AUROC"], rows, words=3)] if rows else []


def _gates(result: Mapping[str, Any]) -> str:
    failed = [f"- **failed**: {gate['name']} ({gate['detail']})" for gate in result["gates"] if not gate["passed"]]
    passed = [gate["name"] for gate in result["gates"] if gate["passed"]]
    return "\n".join([*failed, f"- passed: {', '.join(passed)}"] if passed else failed)


def _provenance(result: Mapping[str, Any]) -> str:
    flat = _flat(result["provenance"])
    flat |= {f"coder {name}": arm["digest"] for name, arm in result["arms"].items()}
    return "\n".join(f"- {key}: `{_DIGEST.sub(lambda found: found[0][:12], value)}`" for key, value in flat.items())


def _flat(value: Any, path: str = "") -> dict[str, str]:
    if not isinstance(value, Mapping):
        return {path: ", ".join(map(str, value)) if isinstance(value, list) else str(value)}
    found: dict[str, str] = {}
    for key, entry in value.items():
        found |= _flat(entry, f"{path} {key}".strip())
    return found


def _estimate(found: Mapping[str, Any] | None, *, sign: str = "") -> str:
    if found is None:
        return ""
    low, high = found["ci95"]
    return f"{found['mean']:{sign}.3f} [{low:{sign}.3f}, {high:{sign}.3f}]"


def _plain(value: float | None, digits: int = 3) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _by_arm(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {_said(value)}" for name, value in values.items())


def _said(value: Any) -> str:
    return "unknown" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)


def _cell(text: str) -> str:
    flat = " ".join(text.split()).replace("|", "\\|")
    return flat if len(flat) <= _TEXT else flat[: _TEXT - 1].rstrip("\\ ") + "…"
