"""The best affine map from one site to another: the floor that a skip transcoder starts from.

Ridge regression of y on x with an intercept, fitted on the train rows by the normal equations in float64:

    A = (Xc^T Xc + lambda I)^-1 Xc^T Yc,    y_hat = mean_y + (x - mean_x) A,    lambda = 1e-6 tr(Xc^T Xc) / d

lambda only keeps the solve stable; it is far too small to shrink the map.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

_RIDGE = 1e-6


@dataclass(frozen=True)
class AffineMap:
    """y_hat = shift + x @ matrix, in float64."""

    matrix: Float[Tensor, "d_in d_out"]
    shift: Float[Tensor, " d_out"]

    def __call__(self, x: Float[Tensor, "rows d_in"]) -> Float[Tensor, "rows d_out"]:
        """Predictions for rows."""
        return self.shift + x.to(self.matrix) @ self.matrix


class AffineFit:
    """Gathers the sums of the normal equations block by block."""

    def __init__(self) -> None:
        self._rows = 0
        self._origin: Tensor | None = None
        self._sum: Tensor
        self._products: Tensor

    def add(self, x: Float[Tensor, "rows d_in"], y: Float[Tensor, "rows d_out"]) -> None:
        """Add rows of both sites."""
        both = torch.cat([x, y], dim=1).double()
        if self._origin is None:
            self._origin = both.mean(0)  # about a point near the mean, so that centring later loses no digits
            self._sum = torch.zeros_like(self._origin)
            self._products = both.new_zeros(x.shape[1], both.shape[1])
        both -= self._origin
        self._rows += len(both)
        self._sum += both.sum(0)
        self._products += both[:, : x.shape[1]].T @ both

    def solve(self) -> AffineMap:
        """The map that fits the rows added."""
        if self._origin is None:
            raise ValueError("no rows were added")
        d_in = len(self._products)
        mean = self._sum / self._rows
        centred = self._products - self._rows * torch.outer(mean[:d_in], mean)
        gram, cross = centred[:, :d_in], centred[:, d_in:]
        ridge = _RIDGE * gram.diagonal().mean() * torch.eye(d_in, dtype=gram.dtype, device=gram.device)
        matrix = torch.linalg.solve(gram + ridge, cross)
        centre = self._origin + mean
        return AffineMap(matrix, centre[d_in:] - centre[:d_in] @ matrix)
