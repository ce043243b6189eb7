"""The miniature study's whole graph through `--profile modal`, with the real client against the plugin's loopback."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from checkout import Checkout
from edits import ALL, HEADLINE, MINI
from modal_checkout import OnModal


@pytest.fixture
def on_modal(tmp_path: Path) -> Iterator[OnModal]:
    with OnModal.entered(tmp_path) as checkout:
        yield checkout


def _results(work: Path) -> dict[str, bytes]:
    # Benchmark records hold seconds; the plan, the run's id; actions are sent along from a store that is away alone.
    paths = [path for path in (work / "results").rglob("*") if path.is_file() and path.name != "plan.json"]
    paths = [path for path in paths if not {"benchmarks", "actions"}.intersection(path.parts)]
    return {path.relative_to(work).as_posix(): path.read_bytes() for path in paths}


@pytest.mark.e2e
@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_the_whole_graph_as_a_local_run(mini: Checkout, on_modal: OnModal) -> None:
    ran = on_modal.run(HEADLINE, "--profile", "modal", *MINI, timeout=1800)
    assert ran.status == 0, ran.output
    assert ran.computed == ALL
    assert not on_modal.cloud.running()
    assert len(on_modal.cloud.boxes) == len(ALL)
    results = _results(on_modal.work)
    assert results.keys() == _results(mini.work).keys()
    assert results == _results(mini.work)
    assert {path.name for path in on_modal.store.glob("objects/*/*")} == {
        path.name for path in mini.store.glob("objects/*/*")
    }
    assert not list(on_modal.work.glob("store/objects/*"))  # big objects stayed there
    again = on_modal.run(HEADLINE, "--profile", "modal", *MINI)
    assert (again.status, again.launched) == (0, frozenset()), again.output
    asked = {box.tags["snakemake-job"].rpartition("-")[0]: box.request.definition for box in on_modal.cloud.boxes}
    assert asked["activations"].resources.gpu_config.gpu_type == "L4"
    assert not asked["corpus"].resources.gpu_config.gpu_type


def test_sweep_by_the_sparring_command(on_modal: OnModal) -> None:
    asked = on_modal.sparring("modal", "sweep", "--all")
    assert (asked.returncode, asked.stderr.strip()) == (1, "sparring modal: Modal knows no app 'snakemake'")
