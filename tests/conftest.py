"""Shape and type annotations of the whole library are checked while the tests run; the miniature study is run once."""

import fcntl
import os
from pathlib import Path

import pytest
from checkout import Checkout
from edits import HEADLINE, MINI
from jaxtyping import install_import_hook

# Nothing in the fast tests may reach a hub; real hub code is exercised with its network call replaced.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("SPARSIFY_DISABLE_TRITON", "1")
# Two workers share the cores: threads that wait without spinning leave them to each other (12% less processor time).
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

install_import_hook("sparring", "beartype.beartype")


@pytest.fixture(scope="session")
def mini(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Checkout:
    """The miniature study, computed once from nothing, whichever of pytest's workers comes first."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "mini"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (folder / "done").exists():
            return Checkout(folder / "code", folder / "work", folder / "store")
        checkout = Checkout.make(folder, folder / "store")
        ran = checkout.run(HEADLINE, *MINI)
        assert ran.status == 0, ran.output
        assert not ran.recalled
        (folder / "done").touch()
    return checkout


@pytest.fixture
def copy(tmp_path: Path, mini: Checkout) -> Checkout:
    """A checkout and a store of one's own after the miniature study."""
    return mini.copy(tmp_path, tmp_path / "store")
