"""A checkout whose `snakemake` and `sparring` find the plugin's loopback."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from checkout import ROOT, Checkout
from loopback import Loopback

PLUGIN = ROOT / "plugins" / "snakemake-executor-plugin-modal"


class OnModal(Checkout):
    """Its `store` is the one on the Volume."""

    cloud: Loopback

    @classmethod
    @contextlib.contextmanager
    def entered(cls, folder: Path) -> "Iterator[OnModal]":
        checkout = cls.make(folder, folder / "cloud" / "volumes" / "snakemake" / "store")
        with Loopback(folder / "cloud") as cloud:
            object.__setattr__(checkout, "cloud", cloud)
            yield checkout

    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in super().environment().items() if name != "SPARRING_STORE"}
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        return {**kept, **self.cloud.environment(), "PATH": path, "PYTHONPATH": f"{self.code / 'src'}:{PLUGIN}"}
