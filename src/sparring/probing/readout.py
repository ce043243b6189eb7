"""What a set is faithful to: where texts lie along one direction, late in the model.

The direction is that of a logistic regression on mean rows of the training texts, the model being as it is; it is
fitted once and stays. A text's logit is its place along it, in units of the training texts' spread.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from torch import Tensor

from sparring.errors import SparringError
from sparring.probing.probe import Figures, Labels, logistic_direction


class Readout(NamedTuple):
    """A direction, and the place on it half way between the class and the others."""

    direction: Float[Tensor, " d"]
    middle: float

    def logits(self, rows: Float[Tensor, "text d"]) -> Float[np.ndarray, " text"]:
        """Of mean rows; the class's side is above 0."""
        return np.asarray(rows.double().numpy() @ self.direction.numpy() - self.middle)


def fit_readout(rows: Figures, positive: Labels) -> Readout:
    """From the training texts' mean rows. Raises SparringError where they do not differ between texts."""
    direction = logistic_direction(rows, positive).double()
    places = rows.double() @ direction
    spread = float(places.std())
    if not spread > 0:
        raise SparringError("readout: the rows there are the same for every text; name another site")
    middle = float(places[positive].mean() + places[~positive].mean()) / 2
    return Readout(direction / spread, middle / spread)
