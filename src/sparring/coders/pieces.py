"""Into how many pieces sparsify's batch is cut, so that its backward stays small. Light: the preflight asks too."""

_BACKWARD_BYTES = 256 << 20  # upstream's encoder backward holds rows x k x d floats; larger batches go in pieces


def pieces(rows: int, row_bytes: int) -> int:
    """The smallest divisor of `rows` that brings a piece's backward under the bound (equal pieces, equal weights)."""
    wanted = -(-rows * row_bytes // _BACKWARD_BYTES)
    return next(n for n in range(min(wanted, rows), rows + 1) if rows % n == 0)
