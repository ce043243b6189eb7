"""Explanations without a language model: the tokens a latent fires on, each with how reliably, and firings in context.

Two kinds of each: `real` is read off the explainer pool, `oracle` off the scorer pool itself (the latent's true top
tokens on the text it is judged on), the ceiling for this form of explanation. The oracle's contexts keep clear of the
windows that are judged: a context cut from one would be found again word for word.
"""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from sparring.autointerp.examples import Examples, Protocol, draw_examples
from sparring.autointerp.plan import ExplainPlan, draw_plan_of
from sparring.autointerp.text import TokenText
from sparring.canonical import pretty_json
from sparring.errors import SparringError
from sparring.latent_cache import LatentCache
from sparring.progress import progress


class Explainer:
    """Writes explanations from the firings in one pool of documents."""

    def __init__(self, protocol: Protocol, pool: frozenset[int], text: TokenText, plan: ExplainPlan) -> None:
        cache = protocol.cache
        self._protocol, self._text, self._plan = protocol, text, plan
        self._inside: Bool[np.ndarray, " sequences"] = np.isin(cache.document, sorted(pool))
        counted = cache.counted.astype(bool) & self._inside[:, None]
        self._vocabulary = int(cache.tokens.max()) + 1
        self._seen = np.bincount(cache.tokens[counted], minlength=self._vocabulary)

    def explain(self, latent: int, *, avoid: Examples | None = None) -> dict[str, Any]:
        """{"text", "tokens": [[string, share]], "contexts": [{"left", "token", "share", "document"}]} for `latent`.

        A token's share is how much of the time the latent fires on it, shrunk towards 0 where seen seldom:
        fired^2 / (seen (fired + 1)). Tokens are ranked by share times the activation they carry. No context comes from
        a positive window of `avoid`.
        """
        cache = self._protocol.cache
        sequence, position, value = cache.of(latent)
        here = self._inside[sequence]
        used = np.zeros(len(sequence), dtype=bool) if avoid is None else _used(self._protocol, latent, avoid)
        token = cache.tokens[sequence, position].astype(np.int64)
        fired = np.bincount(token[here], minlength=self._vocabulary)
        mass = np.bincount(token[here], weights=value[here].astype(np.float64), minlength=self._vocabulary)
        share = fired**2 / (np.maximum(self._seen, 1) * (fired + 1.0))
        listed = self._list(mass * share, share)
        contexts = self._contexts(sequence, position, value, np.flatnonzero(here & ~used), share[token])
        return {"text": _text(listed, contexts), "tokens": listed, "contexts": contexts}

    def _list(self, rank: Float[np.ndarray, " v"], share: Float[np.ndarray, " v"]) -> list[list[Any]]:
        listed: dict[str, float] = {}
        for token in np.argsort(-rank, kind="stable"):
            if rank[token] <= 0 or len(listed) == self._plan.tokens:
                break
            if word := self._text.word(int(token)):
                listed.setdefault(word, round(float(share[token]), 4))
        return [[word, weight] for word, weight in listed.items()]

    def _contexts(
        self,
        sequence: Int[np.ndarray, " n"],
        position: Int[np.ndarray, " n"],
        value: Float[np.ndarray, " n"],
        allowed: Int[np.ndarray, " m"],
        share: Float[np.ndarray, " n"],
    ) -> list[dict[str, Any]]:
        """One firing a document, its strongest, then evenly down from the strongest over the plan's `upper` share."""
        document = self._protocol.cache.document[sequence]
        first: dict[int, int] = {}
        for firing in allowed[np.argsort(-value[allowed], kind="stable")].tolist():
            first.setdefault(int(document[firing]), firing)
        found = list(first.values())
        if len(found) > self._plan.contexts:
            reach = (len(found) - 1) * self._plan.upper
            found = [found[int(i)] for i in np.linspace(0, reach, self._plan.contexts)]
        return [self._context(int(sequence[i]), int(position[i]), float(share[i])) for i in found]

    def _context(self, sequence: int, position: int, share: float) -> dict[str, Any]:
        start = max(0, position - self._plan.context)
        text, bounds = self._text.window(self._protocol.cache.tokens[sequence, start : position + 1].astype(np.int64))
        cut = int(bounds[-2])
        document = int(self._protocol.cache.document[sequence])
        return {"left": text[:cut], "token": text[cut:], "share": round(share, 4), "document": document}


def _used(protocol: Protocol, latent: int, examples: Examples) -> Bool[np.ndarray, " firings"]:
    """Which of the latent's firings lie in its positive examples."""
    sequence, position, _ = protocol.cache.of(latent)
    slot = position.astype(np.int64) // protocol.windows.size
    slots = protocol.windows.lookup.shape[1]
    row = protocol.windows.lookup[sequence, np.minimum(slot, slots - 1)]
    return (slot < slots) & np.isin(row, examples.positive)


def _text(listed: list[list[Any]], contexts: list[dict[str, Any]]) -> str:
    """What a person reads."""
    words = ", ".join(f"{word.strip() or repr(word)} ({share:.0%})" for word, share in listed)
    shown = " | ".join(f"{c['left'].strip()} <<{c['token'].strip() or repr(c['token'])}>>" for c in contexts)
    return f"fires on: {words}; as in: {shown}" if listed or contexts else ""


def explain(
    latents: Path, subject: Path, draw: Mapping[str, Any], arm: str, *, plan: ExplainPlan, out: Path
) -> dict[str, Any]:
    """Write explanations.json, {"real": {latent: explanation}, "oracle": {...}}, for the drawn latents of `arm`.

    Raises SparringError if a real explanation shows text of a scorer document.
    """
    protocol = Protocol.of(LatentCache(latents), draw_plan_of(draw))
    text = TokenText(subject)
    explainers = {
        "real": Explainer(protocol, protocol.pools.explainer, text, plan),
        "oracle": Explainer(protocol, protocol.pools.scorer, text, plan),
    }
    written: dict[str, dict[str, Any]] = {kind: {} for kind in explainers}
    drawn = draw["latents"]
    with progress(len(drawn), desc=f"explain {arm}", unit="latent") as bar:
        for latent in drawn:
            avoid = {"real": None, "oracle": draw_examples(protocol, latent)}
            for kind, explainer in explainers.items():
                written[kind][str(latent)] = explainer.explain(latent, avoid=avoid[kind])
            bar.update(1)
    require_no_leak(written["real"], protocol.pools.scorer)
    (out / "explanations.json").write_bytes(pretty_json(written))
    return {
        "explainer": {"name": "token list and contexts", **asdict(plan)},
        "pools": protocol.pools.meta(),
        "draw_digest": draw["digest"],
        "explanations": {kind: len(made) for kind, made in written.items()},
        **repeated({latent: made["text"] for latent, made in written["real"].items()}),
    }


def require_no_leak(explanations: Mapping[str, Mapping[str, Any]], scorer: frozenset[int]) -> None:
    """SparringError if any context of any explanation was cut from a document of the scorer pool."""
    for latent, made in explanations.items():
        for context in made["contexts"]:
            if context["document"] in scorer:
                raise SparringError(
                    f"the explanation of latent {latent} shows document {context['document']}, which is in the scorer "
                    "pool: explain again from the explainer pool alone"
                )


def repeated(texts: Mapping[str, str]) -> dict[str, int]:
    """How many texts stand for several latents, and how many latents carry such a text: an explainer that copies."""
    latents_of: dict[str, int] = {}
    for text in texts.values():
        latents_of[text] = latents_of.get(text, 0) + 1
    shared = [count for count in latents_of.values() if count > 1]
    return {"duplicate_explanations": len(shared), "copied_explanations": sum(shared)}
