"""Latents whose meaning is known, planted in the real news: do right explanations score far above wrong ones?

    snakemake results/headtohead_autointerp.json && python benchmarks/known_answers.py docs/benchmarks/known_answers.md

A planted latent fires on the words of a concept (days of the week, numbers, colours, ...), wherever they stand in the
evaluated news. Its explanations are judged by the default study's scorer on the default study's windows: one that names
all its words, one that names half of them and shows three contexts of its own, the ones our explainer writes from the
explainer's documents and (the oracle) from the scorer's, and, for the floor, those of all other concepts in turn.
"""

import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from sparring.autointerp.embedded import read_embedded
from sparring.autointerp.examples import Protocol, draw_examples
from sparring.autointerp.explain import Explainer
from sparring.autointerp.judge import Judge
from sparring.autointerp.plan import DrawPlan, ExplainPlan, ScorePlan
from sparring.autointerp.rows import latent_rows
from sparring.autointerp.scorers.embedder import Embedder
from sparring.autointerp.text import TokenText
from sparring.autointerp.windows import fired_windows
from sparring.manifest import read_manifest
from sparring.stats.auroc import auroc
from sparring.store import Store, open_store
from sparring.token_file import read_tokens

CONCEPTS = {
    "days": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
    "months": "January February March April June July August September October November December",
    "numbers": "two three four five six seven eight nine ten twelve twenty hundred",
    "colours": "red blue green yellow black white brown orange purple pink",
    "countries": "China Russia France Germany India Syria Iran Iraq Israel Turkey Japan Canada",
    "family": "father mother son daughter wife husband brother sister family parents",
    "sports": "football tennis rugby cricket goal match player players team league",
    "money": "dollars pounds euros money price prices cost costs tax bank",
}
KINDS = ("named", "half named, shown", "explained", "oracle", "shuffled")


@dataclass(frozen=True)
class Planted:
    """What the protocol needs of a cache of latents; latent i fires on the tokens of concept i."""

    tokens: np.ndarray
    counted: np.ndarray
    document: np.ndarray
    sequence: np.ndarray
    fires_on: tuple[list[int], ...]

    @property
    def n_latents(self) -> int:
        return len(self.fires_on)

    def of(self, latent: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        sequence, position = np.nonzero(np.isin(self.tokens, self.fires_on[latent]) & self.counted)
        return sequence, position, np.ones(len(sequence), dtype=np.float32)


def planted(results: Path, store: Store, folder: Path) -> tuple[Planted, Mapping[str, Path]]:
    """The concepts in the news of a finished study, and the folders of the artifacts that judging them needs."""
    folders, metas = {}, {}
    for name in ("tokens", "subject", "scorer", "windows"):
        manifest = read_manifest(results / f"{name}.json")
        assert manifest is not None, f"{name}.json is no manifest"
        folders[name], metas[name] = manifest.link_into(store, folder / name), manifest.meta
    held = read_tokens(folders["tokens"])
    own = held.of(metas["windows"]["split"])
    text = TokenText(folders["subject"])
    word = {int(token): text.word(int(token)) for token in np.unique(held.tokens[own])}
    fires_on = tuple(
        [token for token, said in word.items() if said.startswith(" ") and said[1:] in words.split()]
        for words in CONCEPTS.values()
    )
    counted = held.counted[own].astype(bool)
    return Planted(held.tokens[own], counted, held.document[own], own, fires_on), folders


def often(protocol: Protocol, latent: int) -> bool:
    """Whether it fires in as many windows of each pool as are judged."""
    fired = fired_windows(protocol.cache, protocol.windows, latent).window
    inside = protocol.in_scorer[fired]
    return min(int(inside.sum()), int((~inside).sum())) >= protocol.plan.positives


def explanations(protocol: Protocol, text: TokenText, latents: Sequence[int]) -> dict[str, dict[str, dict[str, Any]]]:
    """By kind and latent; "real" and "oracle" are the names under which the judge keeps two kinds at a time."""
    made: dict[str, dict[str, dict[str, Any]]] = {kind: {} for kind in ("named", "half named, shown")}
    words = list(CONCEPTS.values())
    for latent in latents:
        listed = [f" {word}" for word in words[latent].split()]
        shown = Explainer(protocol, protocol.pools.explainer, text, ExplainPlan(contexts=3)).explain(latent)["contexts"]
        made["named"][str(latent)] = {"tokens": [[word, 1.0] for word in listed], "contexts": []}
        half = {"tokens": [[word, 1.0] for word in listed[::2]], "contexts": [c | {"share": 1.0} for c in shown]}
        made["half named, shown"][str(latent)] = half
    for kind, pool in (("explained", protocol.pools.explainer), ("oracle", protocol.pools.scorer)):
        explainer = Explainer(protocol, pool, text, ExplainPlan())
        avoid = {i: draw_examples(protocol, i) if kind == "oracle" else None for i in latents}
        made[kind] = {str(i): explainer.explain(i, avoid=avoid[i]) for i in latents}
    return made


def judged(results: Path, store: Store, draw: DrawPlan, score: ScorePlan) -> dict[tuple[str, str, int], float]:
    """AUROC by metric, kind of explanation and latent, of the concepts that stand in enough windows of both pools."""
    with tempfile.TemporaryDirectory() as name:
        cache, folders = planted(results, store, Path(name))
        protocol = Protocol.of(cache, draw)
        latents = [latent for latent in range(len(CONCEPTS)) if often(protocol, latent)]
        made = explanations(protocol, TokenText(folders["subject"]), latents)
        examples = {latent: draw_examples(protocol, latent) for latent in latents}
        embedder = Embedder(folders["scorer"], layer=score.layer, batch=score.batch)
        windows = read_embedded(folders["windows"])
        found = {}
        for real, oracle in (("named", "half named, shown"), ("explained", "oracle")):
            both = {"real": made[real], "oracle": made[oracle]}
            judge = Judge(protocol, windows, embedder, examples, both, score)
            for latent in examples:
                asked = {real: ("real", [latent]), oracle: ("oracle", [latent])}
                if real == "explained":
                    asked["shuffled"] = ("real", [other for other in examples if other != latent])
                for kind, (held, by) in asked.items():
                    for metric in ("detection", "fuzz"):
                        areas = []
                        for explained in by:
                            fit = judge.fit(latent, held, explained)
                            rows = latent_rows(protocol, examples[latent], fit, metric=metric)
                            areas.append(auroc([row["label"] for row in rows], [row["score"] for row in rows]).value)
                        found[metric, kind, latent] = float(np.mean(areas))
    return found


def main(page: Path) -> int:
    config = yaml.safe_load(Path("config/config.yaml").read_text())
    score = {key: value for key, value in config["score"].items() if key in ("layer", "sharpness", "weight", "batch")}
    found = judged(Path("results"), open_store(), DrawPlan(**config["draw"]), ScorePlan(**score))
    lines = [
        "# Latents of known meaning",
        "",
        "Concepts planted in the news of the default study, judged by its scorer on its windows (20 + 20 for each).",
        "AUROC in detection / fuzz; written by `benchmarks/known_answers.py`, which says what each column is.",
        "",
        f"| concept | {' | '.join(KINDS)} |",
        f"| --- |{' ---: |' * len(KINDS)}",
    ]
    latents = sorted({latent for *_, latent in found})
    for latent in latents:
        name = list(CONCEPTS)[latent]
        cells = [f"{found['detection', kind, latent]:.2f} / {found['fuzz', kind, latent]:.2f}" for kind in KINDS]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    means = [
        " / ".join(
            f"{np.mean([found[metric, kind, latent] for latent in latents]):.2f}" for metric in ("detection", "fuzz")
        )
        for kind in KINDS
    ]
    lines.append(f"| **mean** | {' | '.join(means)} |")
    page.write_text("\n".join(lines) + "\n")
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
