"""Progress bars with rates for long work: drawn on a terminal, silent elsewhere."""

import os
import sys
from typing import Any

from tqdm import tqdm


def progress(total: int | None, *, desc: str, unit: str) -> "tqdm[Any]":
    """A bar over `total` units (tokens, rows, latents), to be used as a context manager with `.update(n)`.

    Quiet when standard error is not a terminal, so logs and pipes hold no control characters.
    """
    quiet = not sys.stderr.isatty() or os.environ.get("SPARRING_QUIET") == "1"
    return tqdm(total=total, desc=desc, unit=unit, unit_scale=True, disable=quiet, leave=False, dynamic_ncols=True)
