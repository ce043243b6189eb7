"""Reconstruction figures from sums over rows, all in float64, with an interval by resampling documents.

With y a row of the target, y_hat its prediction, e = y - y_hat, N rows and mu the mean row over all N:

    VE = 1 - FVU,   FVU = sum ||e||^2 / sum ||y - mu||^2
    relative bias = sum ||y_hat||^2 / sum <y, y_hat>
    cosine = mean over rows of <y, y_hat> / (||y|| ||y_hat||)
    mse = sum ||e||^2 / N

The residual is not re-centred, and mu is that of all rows, not of a batch. The interval is the percentile interval of
VE over resamples of whole documents, mu taken anew in each.
"""

import numpy as np
from jaxtyping import Float, Int

from sparring.errors import SparringError

_RESAMPLES_AT_ONCE = 256


class ReconSums:
    """Running sums per document; `figures` turns them into metrics."""

    def __init__(self, documents: Int[np.ndarray, " rows"], d: int) -> None:
        """`documents`: the document of every row that will come, in order, so that sums can be kept by document."""
        self._names, self._of_row = np.unique(documents, return_inverse=True)
        n = len(self._names)
        self._seen = 0
        self._rows = np.zeros(n)
        self._error = np.zeros(n)
        self._square = np.zeros(n)
        self._sum = np.zeros((n, d))
        self._origin: np.ndarray | None = None
        self._predicted = self._inner = self._cosine = 0.0

    def add(self, target: Float[np.ndarray, "rows d"], prediction: Float[np.ndarray, "rows d"]) -> None:
        """Add the next rows, in the order of the documents given at the start."""
        y, y_hat = target.astype(np.float64), prediction.astype(np.float64)
        if self._origin is None:
            self._origin = y.mean(axis=0)  # sums about a point near the mean lose no digits to cancellation
        of_row = self._of_row[self._seen : self._seen + len(y)]
        self._seen += len(y)
        centred = y - self._origin
        n = len(self._names)
        self._rows += np.bincount(of_row, minlength=n)
        self._error += np.bincount(of_row, weights=np.square(y - y_hat).sum(axis=1), minlength=n)
        self._square += np.bincount(of_row, weights=np.square(centred).sum(axis=1), minlength=n)
        present, place = np.unique(of_row, return_inverse=True)
        self._sum[present] += (place == np.arange(len(present))[:, None]) @ centred  # np.add.at is 10 times slower
        inner = (y * y_hat).sum(axis=1)
        norms = np.linalg.norm(y, axis=1) * np.linalg.norm(y_hat, axis=1)
        self._predicted += float(np.square(y_hat).sum())
        self._inner += float(inner.sum())
        self._cosine += float(np.divide(inner, norms, out=np.zeros_like(inner), where=norms > 0).sum())

    @property
    def fvu(self) -> float:
        """Fraction of variance unexplained over all rows added."""
        return float(self._fvu(np.ones((1, len(self._names))))[0])

    def figures(self, *, seed: int, resamples: int = 10_000) -> dict[str, float | int | list[float]]:
        """ve, ve_ci95, fvu, cosine, relative_bias, mse (per row), rows, documents."""
        rows = float(self._rows.sum())
        return {
            "ve": 1 - self.fvu,
            "ve_ci95": self.interval(seed=seed, resamples=resamples),
            "fvu": self.fvu,
            "cosine": self._cosine / rows,
            "relative_bias": self._predicted / self._inner,
            "mse": float(self._error.sum()) / rows,
            "rows": int(rows),
            "documents": len(self._names),
        }

    def interval(self, *, seed: int, resamples: int) -> list[float]:
        """95% percentile interval of VE over `resamples` draws of as many documents as there are, with replacement."""
        n = len(self._names)
        rng = np.random.default_rng(seed)
        ve = np.empty(resamples)
        for start in range(0, resamples, _RESAMPLES_AT_ONCE):
            size = min(_RESAMPLES_AT_ONCE, resamples - start)
            times = rng.multinomial(n, np.full(n, 1 / n), size=size).astype(np.float64)
            ve[start : start + size] = 1 - self._fvu(times)
        low, high = np.percentile(ve, [2.5, 97.5])
        return [float(low), float(high)]

    def _fvu(self, times: Float[np.ndarray, "samples documents"]) -> Float[np.ndarray, " samples"]:
        """FVU when document j counts `times[:, j]` times: sum ||y - mu||^2 = sum ||y||^2 - ||sum y||^2 / N."""
        total = times @ self._sum
        variance = times @ self._square - np.square(total).sum(axis=1) / (times @ self._rows)
        if not (variance > 0).all():
            raise SparringError("the target does not vary over the rows evaluated; evaluate on more text")
        return (times @ self._error) / variance
