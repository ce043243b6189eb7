"""The canary tells a scorer that works from one that does not; the bag of words finds what is in the words."""

import numpy as np
import pytest
from autointerp_data import GROUPS, planted

from sparring.autointerp.baseline import bag_of_words
from sparring.autointerp.canary import canary
from sparring.autointerp.examples import Protocol, draw_examples
from sparring.autointerp.plan import DrawPlan
from sparring.stats.auroc import auroc

PLAN = DrawPlan(latents=4, strata=1, positives=12, negatives=12)


def each(ask):
    """A scorer of one explanation and its texts, asked about several."""
    return lambda questions: [ask(explanation, texts) for explanation, texts in questions]


@each
def by_word(explanation, texts):
    listed = {token.strip() for token, _ in explanation["tokens"]}
    return [float(bool(listed & set(text.split()))) for text in texts]


def test_a_scorer_that_reads_words_passes_the_canary():
    found = canary(by_word)
    assert found["items"] == 50
    assert found["auroc"] == 1
    assert found["scores"][:10] == [1.0] * 5 + [0.0] * 5


def test_one_that_does_not_read_fails_it():
    assert canary(each(lambda explanation, texts: [1.0] * len(texts)))["auroc"] == 0.5
    rng = np.random.default_rng(0)
    assert canary(each(lambda explanation, texts: rng.normal(size=len(texts)).tolist()))["auroc"] < 0.8
    silent = canary(each(lambda explanation, texts: [float("nan")] * len(texts)))
    assert silent["auroc"] is None
    assert silent["scores"] == [None] * 50


def test_no_text_shows_another_concept_or_repeats_a_context():
    asked = []
    canary(each(lambda explanation, texts: asked.append((explanation, texts)) or [0.0] * len(texts)))
    texts = [text for _, shown in asked for text in shown[:5]]
    assert len(set(texts)) == 25
    for explanation, _ in asked:
        listed = {token.strip().lower() for token, _ in explanation["tokens"]}
        assert sum(bool(listed & set(text.lower().split())) for text in texts) == 5
        assert all(context["left"] not in text for context in explanation["contexts"] for text in texts)


@pytest.mark.parametrize("latent", range(len(GROUPS)))
def test_a_bag_of_words_finds_latents_that_are_words(latent):
    cache, _ = planted()
    protocol = Protocol.of(cache, PLAN)
    examples = draw_examples(protocol, latent)
    scores = bag_of_words(protocol, examples, latent)
    labels = np.arange(24) < 12
    assert auroc(labels, scores).value > 0.8
    np.testing.assert_array_equal(scores, bag_of_words(protocol, examples, latent))


def test_it_is_trained_on_the_explainers_documents_alone():
    # The scorer's documents are all changed to one word but for the windows asked about: nothing about them was learnt.
    cache, words = planted()
    protocol = Protocol.of(cache, PLAN)
    examples = draw_examples(protocol, 0)
    scores = bag_of_words(protocol, examples, 0)
    asked = np.zeros(len(protocol.windows), dtype=bool)
    asked[np.concatenate([examples.positive, examples.negative])] = True
    for window in np.flatnonzero(protocol.in_scorer & ~asked):
        start = protocol.windows.start[window]
        cache.tokens[protocol.windows.sequence[window], start : start + 32] = words.index("Monday")
    np.testing.assert_array_equal(scores, bag_of_words(protocol, examples, 0))
