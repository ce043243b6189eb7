"""Retraction takes back what is about to be re-derived and all that derives from it, in and beyond the run's jobs."""

from pathlib import Path

import pytest

from sparring.records import derived_from, retract, write_record

GRAPH = {
    "results/tokens.json": [],
    "results/coders/sae.json": ["results/tokens.json"],
    "results/coders/tc.json": ["results/tokens.json"],
    "results/scores/sae.json": ["results/coders/sae.json"],
    "results/headline.json": ["results/scores/sae.json", "results/coders/tc.json"],
}


@pytest.fixture(autouse=True)
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for target, inputs in GRAPH.items():
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        Path(target).write_text("{}")
        write_record(Path(target), "0" * 64, {str(i): Path(path) for i, path in enumerate(inputs)})
    return tmp_path


def there() -> set[str]:
    return {target for target in GRAPH if Path(target).exists()}


def test_all_that_derives_goes_and_nothing_else() -> None:
    gone = retract(["results/coders/sae.json"])
    assert set(gone) == {"results/coders/sae.json", "results/scores/sae.json", "results/headline.json"}
    assert there() == {"results/tokens.json", "results/coders/tc.json"}


def test_the_derived_go_first_so_that_a_cut_leaves_no_headline_without_its_ground() -> None:
    gone = retract(["results/tokens.json"])
    assert (
        gone.index("results/headline.json") < gone.index("results/scores/sae.json") < gone.index("results/tokens.json")
    )


def test_a_target_that_is_not_there_yet_is_no_error() -> None:
    assert retract(["results/new.json"]) == []


def test_a_record_cut_short_counts_as_derived() -> None:
    Path("results/.sparring/results/headline.json.json").write_text('{"targ')
    assert "results/headline.json" in derived_from(["results/coders/sae.json"])
