"""A class read off by one fixed direction, late in the model.

The direction is fitted once, on mean rows of the clean model's training texts, and stays; a text's logit is its place
along it, in units of the training texts' spread.
"""

from typing import NamedTuple

from jaxtyping import Bool, Float
from numpy import ndarray
from torch import Tensor

from sparring.probing.probe import logistic_direction


class Readout(NamedTuple):
    """A direction and the place on it between the class and the others."""

    direction: Float[Tensor, " d"]
    middle: float

    def logits(self, rows: Float[Tensor, "text d"]) -> Float[Tensor, " text"]:
        """Of mean rows; above 0 is the class's side."""
        return rows @ self.direction.to(rows) - self.middle


def fit_readout(rows: Float[Tensor, "text d"], positive: Bool[ndarray, " text"]) -> Readout:
    """From the mean rows of training texts."""
    direction = logistic_direction(rows, positive)
    places = rows @ direction
    spread = places.std().clamp(min=1e-12)
    middle = (places[positive].mean() + places[~positive].mean()) / 2
    return Readout(direction / spread, float(middle / spread))
