"""Probes of one class: which columns, which direction, and what a logistic regression makes of them.

Columns are those with the largest |mean of the class - mean of the others| on the training texts (Gurnee et al. 2023,
as SAEBench does); the classifier is scikit-learn's logistic regression, L2, C = 1. Figures stay float32, as there: a
fit in float64 takes other steps.
"""

from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sparring.errors import SparringError

Figures = Float[Tensor, "text column"]
Labels = Bool[np.ndarray, " text"]
TestFigures = Float[Tensor, "test column"]
TestLabels = Bool[np.ndarray, " test"]


def strongest(x: Figures, positive: Labels, k: int) -> Int[np.ndarray, " k"]:
    """The k columns with the largest difference of means, strongest first; of equal ones the first.

    Raises SparringError where there are fewer than k columns.
    """
    if k > x.shape[1]:
        raise SparringError(f"probing.ks: {k} is more than the {x.shape[1]} columns there are")
    gap = mean_difference(x, positive).abs()
    return torch.sort(gap, descending=True, stable=True).indices[:k].numpy()


def mean_difference(x: Figures, positive: Labels) -> Float[Tensor, " column"]:
    """Mean of the class minus mean of the others."""
    mask = torch.from_numpy(positive)
    return x[mask].mean(dim=0) - x[~mask].mean(dim=0)


def right(train: Figures, train_labels: Labels, test: TestFigures, test_labels: TestLabels) -> TestLabels:
    """Whether the regression fitted on `train` is right about each text of `test`.

    Raises SparringError for figures that are not finite: a text without tokens has no mean.
    """
    if not (torch.isfinite(train).all() and torch.isfinite(test).all()):
        raise SparringError("probing: a text's figures are not finite; it has no token that counts")
    return _fitted(train, train_labels).predict(test.numpy()) == test_labels


def on_columns(
    train: Figures, train_labels: Labels, test: TestFigures, test_labels: TestLabels, columns: Int[np.ndarray, " k"]
) -> TestLabels:
    """The same on some columns alone, in ascending order (the fit depends on the order in its last bits)."""
    some = np.sort(columns)
    return right(train[:, some], train_labels, test[:, some], test_labels)


def along(
    direction: Float[Tensor, " column"],
    train: Figures,
    train_labels: Labels,
    test: TestFigures,
    test_labels: TestLabels,
) -> TestLabels:
    """The same on one number a text, its place along `direction`, in units of the training texts' spread."""
    a, b = train @ direction, test @ direction
    middle, spread = a.mean(), a.std().clamp(min=torch.finfo(a.dtype).tiny)
    return right(((a - middle) / spread)[:, None], train_labels, ((b - middle) / spread)[:, None], test_labels)


def logistic_direction(x: Figures, positive: Labels) -> Float[Tensor, " column"]:
    """The direction of the logistic regression on all columns, each in units of its spread (a constant one is 0)."""
    spread = x.std(dim=0)
    scale = torch.where(spread > 0, 1 / spread.clamp(min=torch.finfo(x.dtype).tiny), 0.0)
    fitted = _fitted((x - x.mean(dim=0)) * scale, positive)
    return torch.from_numpy(fitted.coef_[0]).to(x.dtype) * scale


def _fitted(x: Figures, positive: Labels) -> Any:
    from sklearn.linear_model import LogisticRegression  # takes a second to import

    return LogisticRegression(C=1.0, max_iter=1000).fit(x.numpy(), positive)
