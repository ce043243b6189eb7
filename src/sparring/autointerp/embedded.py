"""The windows stage: every window of the scorer pool, its tokens as strings and their vectors in context.

What the scorer reads does not depend on any coder, so all arms share it, and a fix to a coder leaves it as it is.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from safetensors.numpy import load_file, save_file

from sparring.autointerp.plan import WindowsPlan
from sparring.autointerp.scorers.embedder import Embedder
from sparring.autointerp.text import TokenText
from sparring.autointerp.windows import cut_windows, pool_mask, split_pools
from sparring.token_file import read_tokens


class EmbeddedWindows(NamedTuple):
    """Windows by the sequence they are cut from (its index among all sequences of the tokens) and the position of
    their first token; a token's word is its own characters of the window's text."""

    sequence: Int[np.ndarray, " windows"]
    start: Int[np.ndarray, " windows"]
    words: Sequence[Sequence[str]]
    vectors: Float[np.ndarray, "windows window width"]


def embed_windows(
    subject: Path, tokens: Path, scorer: Path, *, split: str, plan: WindowsPlan, out: Path
) -> dict[str, Any]:
    """Write vectors.safetensors and words.json for the scorer pool of `split` into `out`; the stage's meta.

    float32: 49 kB a window of 32 tokens at the default model's width, some 130 MB for 2,600 of them.
    """
    held = read_tokens(tokens)
    own = held.of(split)
    windows = cut_windows(held.counted[own], held.document[own], plan.window)
    pools = split_pools(held.document[own], share=plan.explainer_share, seed=plan.seed)
    mine = np.flatnonzero(pool_mask(windows, pools.scorer))
    sequence, start = own[windows.sequence[mine]], windows.start[mine]
    ids = held.tokens[sequence[:, None], start[:, None] + np.arange(plan.window)]
    text = TokenText(subject)
    shown = [text.window(row.astype(np.int64)) for row in ids]
    embedder = Embedder(scorer, layer=plan.layer, batch=plan.batch)
    vectors = np.stack(embedder.embed([whole for whole, _ in shown], [cut for _, cut in shown]))
    named = {"sequence": sequence.astype(np.int32), "start": start.astype(np.int32), "vectors": vectors}
    save_file(named, out / "vectors.safetensors")
    words = [[whole[a:b] for a, b in pairwise(cut)] for whole, cut in shown]
    (out / "words.json").write_text(json.dumps(words, ensure_ascii=False), encoding="utf-8")
    return {"split": split, "windows": len(mine), "plan": asdict(plan), "pools": pools.meta(), **embedder.meta}


def read_embedded(folder: Path) -> EmbeddedWindows:
    """The windows of a folder that `embed_windows` wrote."""
    words = json.loads((folder / "words.json").read_text(encoding="utf-8"))
    return EmbeddedWindows(**load_file(folder / "vectors.safetensors"), words=words)
