"""Probes with known answers, the baselines, and the interval over texts."""

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from sparring.errors import SparringError
from sparring.probing.contrasts import Contrast, Examples, draw_contrasts
from sparring.probing.labelled import LabelledTexts
from sparring.probing.measures import differences, measure, summarise
from sparring.probing.pooling import pooled
from sparring.probing.probe import along, logistic_direction, mean_difference, on_columns, right, strongest
from sparring.probing.words import bags_of, words_right
from sparring.stats.macro import Answers, macro_accuracy, macro_interval


def labelled(train: int = 60, test: int = 40, classes: int = 3) -> LabelledTexts:
    """Texts in the order of a task: train, then test, each by class."""
    sizes = [
        (split, label)
        for split, size in ((True, train), (False, test))
        for label in "abc"[:classes]
        for _ in range(size)
    ]
    texts = [str(n) for n in range(len(sizes))]
    return LabelledTexts(texts, [label for _, label in sizes], np.array([split for split, _ in sizes]))


def planted(task: LabelledTexts, *, latents: int = 30, seed: int = 0) -> torch.Tensor:
    """Noise, but for latents 4, 9, 14 that fire in the class a, b, c alone."""
    values = torch.rand(len(task.texts), latents, generator=torch.Generator().manual_seed(seed)) * 0.1
    for number, label in enumerate("abc"):
        values[torch.tensor([one == label for one in task.labels]), 5 * number + 4] += 3.0
    return values


def test_a_planted_latent_is_found_and_scores_one() -> None:
    task = labelled()
    latents, rows = planted(task), torch.randn(len(task.texts), 8, generator=torch.Generator().manual_seed(1))
    measured, chosen = measure(latents, rows, draw_contrasts(task, seed=0), ks=[1, 2])
    assert {label: picked[0] for label, picked in chosen.items()} == {"a": 4, "b": 9, "c": 14}
    found = summarise(measured, task.classes, resamples=200, seed=0)
    for name in ("sae_top_1", "sae_top_2", "sae_all"):
        assert found[name]["macro"] == 1.0 and found[name]["ci95"] == [1.0, 1.0]
    for name in ("residual_top_1", "residual_all", "difference_of_means", "logistic_direction"):
        assert found[name]["macro"] == pytest.approx(0.5, abs=0.1)
    apart = differences(measured, resamples=200, seed=0)
    assert apart["sae_top_1 - difference_of_means"]["ci95"][0] > 0.3


def test_permuted_labels_are_near_chance() -> None:
    task, rng = labelled(200, 200), np.random.default_rng(0)
    shuffled = task._replace(
        labels=[task.labels[n] for part in (600, 1200) for n in rng.permutation(np.arange(part - 600, part))]
    )
    latents = planted(task)
    measured, _ = measure(latents, latents, draw_contrasts(shuffled, seed=0), ks=[1, 5])
    for name, classes in measured.items():
        assert macro_accuracy(classes) == pytest.approx(0.5, abs=0.07), name


def test_a_latent_that_never_varies_says_nothing() -> None:
    y = np.arange(40) < 20
    x = torch.full((40, 3), 2.0)
    assert right(x, y, x, y).mean() == 0.5
    assert along(mean_difference(x, y), x, y, x, y).mean() == 0.5
    assert along(logistic_direction(x, y), x, y, x, y).mean() == 0.5
    x[:, 1] += torch.from_numpy(y).float()
    assert strongest(x, y, 1).tolist() == [1]
    assert on_columns(x, y, x, y, strongest(x, y, 3)).all()


def test_columns_come_by_absolute_difference_of_means_strongest_first() -> None:
    y = np.array([True, True, False, False])
    x = torch.tensor([[1.0, 0, 9, 5], [1, 0, 9, 5], [2, 0, 4, 8], [2, 0, 4, 8]])
    assert strongest(x, y, 4).tolist() == [2, 3, 0, 1]  # 5, -3, -1, 0
    assert mean_difference(x, y).tolist() == [-1, 0, 5, -3]
    assert strongest(torch.zeros(4, 3), y, 2).tolist() == [0, 1]  # of equal ones the first
    with pytest.raises(SparringError, match="5 is more than the 4 columns"):
        strongest(x, y, 5)


def test_one_good_direction_beats_the_best_coordinate() -> None:
    generator = torch.Generator().manual_seed(0)
    y = np.arange(400) % 2 == 0
    x = torch.randn(400, 16, generator=generator) + torch.from_numpy(y)[:, None] * 0.9
    train, test = slice(0, 200), slice(200, 400)
    given = (x[train], y[train], x[test], y[test])
    coordinate = on_columns(*given, strongest(x[train], y[train], 1)).mean()
    assert coordinate < 0.75
    for direction in (mean_difference, logistic_direction):
        assert along(direction(x[train], y[train]), *given).mean() > 0.92
        assert along(1e-4 * direction(x[train], y[train]), *given).mean() > 0.92  # whatever its length


def test_a_text_without_tokens_has_no_mean_and_is_refused() -> None:
    values = torch.arange(12.0).view(2, 3, 2)
    means = pooled(values, torch.tensor([[True, False, True], [False, False, False]]))
    assert means[0].tolist() == [2.0, 3.0] and means[1].isnan().all()
    y = np.array([True, False])
    with pytest.raises(SparringError, match="not finite; it has no token that counts"):
        right(means, y, torch.zeros(2, 2), y)


def test_bags_hold_each_token_once_and_tell_texts_apart() -> None:
    bags = bags_of(np.array([7, 7, 9, 5, 9], np.int32), np.array([0, 0, 0, 1, 1], np.int32))
    assert isinstance(bags, csr_array) and bags.toarray().tolist() == [[0, 1, 1], [1, 0, 1]]
    tokens = np.concatenate([[n % 2, 2 + n % 5] for n in range(40)]).astype(np.int32)
    bags = bags_of(tokens, np.repeat(np.arange(40, dtype=np.int32), 2))
    even = np.arange(40) % 2 == 0
    contrast = Contrast("even", Examples(np.arange(20), even[:20]), Examples(np.arange(20, 40), even[20:]))
    assert words_right(bags, contrast).all()


def test_a_macro_accuracy_and_its_interval_over_texts() -> None:
    rng = np.random.default_rng(0)
    classes = [Answers(np.arange(300), rng.random(300) < share) for share in (0.6, 0.9)]
    assert macro_accuracy(classes) == pytest.approx((classes[0].right.mean() + classes[1].right.mean()) / 2)
    low, high = macro_interval(classes, resamples=2000)
    assert low < macro_accuracy(classes) < high
    each = (classes[0].right + 1.0 * classes[1].right) / 2  # the same texts in both: resampled together
    assert high - low == pytest.approx(2 * 1.96 * each.std() / np.sqrt(300), rel=0.1)
    assert macro_interval(classes, minus=classes, resamples=50) == (0.0, 0.0)
    few = [Answers(np.array([0]), np.array([True])), Answers(np.array([1]), np.array([True]))]
    assert macro_interval(few, resamples=200) == (1.0, 1.0)


def test_each_class_meets_as_many_of_the_others_in_equal_shares() -> None:
    task = labelled(9, 6)
    contrasts = draw_contrasts(task, seed=3)
    assert [one.label for one in contrasts] == ["a", "b", "c"]
    for one in contrasts:
        for part, split, size in ((one.train, "train", 9), (one.test, "test", 6)):
            assert set(part.texts[part.positive]) == set(task.of(one.label, split))
            others = [task.labels[n] for n in part.texts[~part.positive]]
            assert len(others) == size == len(set(part.texts[~part.positive])) and one.label not in others
            assert max(others.count(label) for label in "abc") <= -(-size // 2)
    again, other = draw_contrasts(task, seed=3), draw_contrasts(task, seed=4)
    assert all((a.train.texts == b.train.texts).all() for a, b in zip(contrasts, again, strict=True))
    assert any((a.train.texts != b.train.texts).any() for a, b in zip(contrasts, other, strict=True))
