"""After each edit exactly the dependents run, and of them only those whose inputs changed compute."""

from pathlib import Path

import pytest
from checkout import Checkout
from edits import EDITS, Edit
from partial_rerun import try_edit

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize(
    "edit", [pytest.param(edit, id=edit.name, marks=[pytest.mark.slow] if edit.slow else []) for edit in EDITS]
)
def test_after_an_edit(edit: Edit, mini: Checkout, tmp_path: Path) -> None:
    ran = try_edit(edit, mini, tmp_path)
    assert bool(ran.status) == bool(edit.status), ran.output
    assert ran.computed == edit.computed
    assert ran.recalled == edit.recalled
    if not ran.launched and not edit.status:
        assert "Nothing to be done" in ran.output
