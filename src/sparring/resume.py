"""Forward passes that begin at a block: what leaves the blocks before it is known from an earlier pass.

Where many passes differ from some block on alone, the blocks before it need to run once.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from jaxtyping import Float
from torch import Tensor

from sparring.hooks import site_module, visit_site
from sparring.sites import Site


@contextmanager
def resumed(model: Any, block: int, entered: Float[Tensor, "batch position d"]) -> Iterator[None]:
    """Within it, forward passes of the texts whose rows entered `block` as `entered` skip the blocks before it."""
    start = Site(block, "resid_pre")
    with ExitStack() as stack:
        for number in range(block):
            skipped = site_module(model, Site(number, "resid_post"))
            skipped.forward = _pass_on
            stack.callback(delattr, skipped, "forward")
        stack.callback(visit_site(site_module(model, start), start, lambda _: entered).remove)
        yield


def _pass_on(hidden_states: Tensor, *_: Any, **__: Any) -> Tensor:
    return hidden_states
