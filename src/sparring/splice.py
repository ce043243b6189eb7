"""A coder, or any map of rows, in a model's place: what it makes of the read site stands at the write site."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from jaxtyping import Bool, Float
from torch import Tensor

from sparring.errors import SparringError
from sparring.hooks import site_module, visit_site
from sparring.sites import parse_site

Edit = Callable[[Float[Tensor, "rows d"]], Float[Tensor, "rows d"]]
EditOfBoth = Callable[[Float[Tensor, "rows d"], Float[Tensor, "rows d"]], Float[Tensor, "rows d"]]


@contextmanager
def spliced(model: Any, edit: Edit, *, read: str, write: str, where: Bool[Tensor, "batch position"]) -> Iterator[None]:
    """Within it, forward passes carry `edit(rows of read)` at `write`, at the positions of `where`; the others stay.

    As `replaced`, of an edit that does not look at what stands at `write`.
    """
    with replaced(model, lambda x, _: edit(x), read=read, write=write, where=where):
        yield


@contextmanager
def replaced(
    model: Any, edit: EditOfBoth, *, read: str, write: str, where: Bool[Tensor, "batch position"]
) -> Iterator[None]:
    """Within it, forward passes carry `edit(rows of read, rows of write)` at `write`, at the positions of `where`.

    Positions that are masked in every metric (specials, padding, position 0) are so never spliced: no coder is made
    for them. Raises SparringError if the model reaches `write` before `read`.
    """
    rows: list[Tensor] = []

    def see(value: Tensor) -> None:
        rows[:] = [value[where]]

    def put(value: Tensor) -> Tensor:
        if read == write:
            see(value)
        if not rows:
            raise SparringError(f"a coder that reads {read} cannot write {write}: the model comes there first")
        new = value.clone()
        new[where] = edit(rows.pop(), value[where]).to(value)
        return new

    handles = []
    if read != write:
        handles.append(visit_site(site_module(model, parse_site(read)), parse_site(read), see))
    handles.append(visit_site(site_module(model, parse_site(write)), parse_site(write), put))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
