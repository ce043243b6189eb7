"""Latents whose meaning is known, planted in the real news: do right explanations score far above wrong ones?

    snakemake results/headtohead_autointerp.json && python benchmarks/known_answers.py docs/benchmarks/known_answers.md

and the same by a language model with `--configfile config/studies/default-llm.yaml` and that file as second argument.

A planted latent fires on the words of a concept (days of the week, numbers, colours, ...), wherever they stand in the
evaluated news. Its explanations are judged by the default study's scorer on the default study's windows: one that names
all its words, one that names half of them and shows three contexts of its own, the ones our explainer writes from the
explainer's documents and (the oracle) from the scorer's, and, for the floor, those of all other concepts in turn.
"""

import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from sparring.autointerp.asked import Asked, Scorer
from sparring.autointerp.embedded import read_embedded
from sparring.autointerp.examples import Protocol, draw_examples
from sparring.autointerp.explain import Explainer
from sparring.autointerp.judge import Judge
from sparring.autointerp.plan import METRICS, AskPlan, DrawPlan, ExplainPlan, ScorePlan
from sparring.autointerp.scorers.embedder import Embedder
from sparring.autointerp.scorers.llm import LlmScorer
from sparring.autointerp.text import TokenText
from sparring.autointerp.windows import fired_windows
from sparring.llm.answers import Asker
from sparring.llm.engines import open_gguf
from sparring.llm.plan import LlmPlan
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
FEW = ("named", "oracle", "shuffled")  # of a language model, which takes most of a second an example


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
    """By kind, then latent."""
    made: dict[str, dict[str, dict[str, Any]]] = {kind: {} for kind in ("named", "half named, shown")}
    words = list(CONCEPTS.values())
    for latent in latents:
        listed = [f" {word}" for word in words[latent].split()]
        shown = Explainer(protocol, protocol.pools.explainer, text, ExplainPlan(contexts=3)).explain(latent)["contexts"]
        made["named"][str(latent)] = {"tokens": [[word, 1.0] for word in listed], "contexts": [], "text": ""}
        half = {
            "tokens": [[word, 1.0] for word in listed[::2]],
            "text": "",
            "contexts": [c | {"share": 1.0} for c in shown],
        }
        made["half named, shown"][str(latent)] = half
    for kind, pool in (("explained", protocol.pools.explainer), ("oracle", protocol.pools.scorer)):
        explainer = Explainer(protocol, pool, text, ExplainPlan())
        avoid = {i: draw_examples(protocol, i) if kind == "oracle" else None for i in latents}
        made[kind] = {str(i): explainer.explain(i, avoid=avoid[i]) for i in latents}
    return made


def judged(
    results: Path, store: Store, draw: DrawPlan, score: ScorePlan, model: Asker | None = None
) -> dict[tuple[str, str, int], float]:
    """AUROC by metric, kind of explanation and latent, of the concepts that stand in enough windows of both pools.

    By the embedding scorer, or by the language model `model` where there is one (fewer kinds, and one other concept).
    """
    with tempfile.TemporaryDirectory() as name:
        cache, folders = planted(results, store, Path(name))
        protocol, text = Protocol.of(cache, draw), TokenText(folders["subject"])
        latents = [latent for latent in range(len(CONCEPTS)) if often(protocol, latent)]
        made = explanations(protocol, text, latents)
        scorer: Scorer
        if model is None:
            embedder = Embedder(folders["scorer"], layer=score.layer, batch=score.batch)
            scorer = Judge(protocol, read_embedded(folders["windows"]), embedder, score)
        else:
            scorer = LlmScorer(protocol, text, model, AskPlan())
        keys, asked = [], []
        for latent in latents:
            examples = draw_examples(protocol, latent)
            for kind in KINDS if model is None else FEW:
                others = [other for other in latents if other != latent][: None if model is None else 1]
                for by in others if kind == "shuffled" else [latent]:
                    said = made["explained" if kind == "shuffled" else kind][str(by)]
                    for metric in METRICS:
                        keys.append((metric, kind, latent))
                        asked.append(Asked.of(metric, examples, said))
        areas = defaultdict(list)
        for key, one, scores in zip(keys, asked, scorer.score(asked, desc="known answers"), strict=True):
            areas[key].append(auroc(np.arange(len(scores)) < one.positives, scores).value)
    return {key: float(np.mean(found)) for key, found in areas.items()}


def main(page: Path, study: Path) -> int:
    config = yaml.safe_load(study.read_text())
    score = {key: value for key, value in config["score"].items() if key in ("layer", "sharpness", "weight", "batch")}
    draw, store, results = DrawPlan(**config["draw"]), open_store(), Path("results")
    with tempfile.TemporaryDirectory() as name:
        model = None
        if "llm" in config:
            manifest = read_manifest(results / "llm.json")
            assert manifest is not None, "llm.json is no manifest"
            engine = open_gguf(manifest.link_into(store, Path(name)), LlmPlan(**config["llm"]["model"]))
            model = Asker(engine, store.root / "answers")
        found = judged(results, store, draw, ScorePlan(**score), model)
    kinds = FEW if model else KINDS
    by = config["llm"]["model"]["name"] if model else "the default study's scorer (MiniLM)"
    lines = [
        f"## Judged by {by}",
        "",
        f"{draw.positives} + {draw.negatives} windows of a latent; AUROC in detection / fuzz.",
        "",
        f"| concept | {' | '.join(kinds)} |",
        f"| --- |{' ---: |' * len(kinds)}",
    ]
    latents = sorted({latent for *_, latent in found})
    for latent in latents:
        cells = [f"{found['detection', kind, latent]:.2f} / {found['fuzz', kind, latent]:.2f}" for kind in kinds]
        lines.append(f"| {list(CONCEPTS)[latent]} | {' | '.join(cells)} |")
    means = [
        " / ".join(f"{np.mean([found[metric, kind, latent] for latent in latents]):.2f}" for metric in METRICS)
        for kind in kinds
    ]
    lines.append(f"| **mean** | {' | '.join(means)} |")
    # A section a scorer: the others stay as they are.
    head = "# Latents of known meaning\n\nConcepts planted in the news of the default study, judged on its windows; "
    head += "written by `benchmarks/known_answers.py`, which says what each column is.\n"
    old = page.read_text().split("\n## ")[1:] if page.exists() else []
    kept = {section.split("\n")[0]: section.rstrip("\n") for section in old}
    kept[lines[0].removeprefix("## ")] = "\n".join(lines).removeprefix("## ")
    page.write_text("\n## ".join([head, *(f"{section}\n" for section in kept.values())]))
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    study = Path(sys.argv[2] if len(sys.argv) > 2 else "config/config.yaml")
    raise SystemExit(main(Path(sys.argv[1]), study))
