"""The workflow that a test runs, with a cloud of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flows import SECRET, Flow
from loopback import Loopback


@pytest.fixture
def flow(tmp_path: Path) -> Iterator[Flow]:
    folder = tmp_path / "flow"
    folder.mkdir()
    (folder / "env.lock").write_text("snakemake==9.27.1 --hash=sha256:00\n")
    with Loopback(tmp_path / "cloud", secrets={"hub": {"HUB_TOKEN": SECRET}}) as cloud:
        yield Flow(folder, cloud)
