"""One run a folder, and jobs that outlive their run or meet edited code publish nothing."""

from pathlib import Path

import pytest

from sparring.errors import SparringError
from sparring.memo import Action
from sparring.runs import check_planned, hold_folder, write_plan

ACTION = Action("coder", {"k": 16}, {"arm": "sae"}, {})


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for variable in ("SPARRING_PLAN", "SPARRING_RUN"):  # set, so that they are restored
        monkeypatch.setenv(variable, "")
        monkeypatch.delenv(variable)
    return tmp_path


def test_a_second_run_is_named_and_refused_until_the_first_ends(folder: Path) -> None:
    with hold_folder(folder), pytest.raises(SparringError, match=r"another run \(process \d+\)"):
        hold_folder(folder)
    hold_folder(folder).close()


def test_a_planned_job_may_publish() -> None:
    write_plan({"coder-sae": {"k": 16}})
    check_planned(ACTION)


def test_without_a_plan_nothing_is_checked() -> None:
    check_planned(ACTION)


@pytest.mark.parametrize("planned", [{"coder-sae": {"k": 8}}, {}])
def test_an_edit_during_the_run_is_refused(planned: dict[str, dict[str, int]]) -> None:
    write_plan(planned)
    with pytest.raises(SparringError, match="edited after this run began"):
        check_planned(ACTION)


def test_a_job_that_outlives_its_run_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    write_plan({"coder-sae": {"k": 16}})
    monkeypatch.setenv("SPARRING_RUN", "of before")
    with pytest.raises(SparringError, match="another run began"):
        check_planned(ACTION)


def test_results_taken_away_during_a_run_are_named(folder: Path) -> None:
    write_plan({"coder-sae": {"k": 16}})
    (folder / "results/.sparring/plan.json").unlink()
    with pytest.raises(SparringError, match="results/ was taken away"):
        check_planned(ACTION)
