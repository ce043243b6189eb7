"""What a model answered is kept: nothing is asked twice, nothing is lost, and another model is not taken for it."""

from pathlib import Path

import pytest
from llm_data import Broken, ByRule, yes_if

from sparring.errors import SparringError
from sparring.llm.answers import Asker
from sparring.llm.engine import Answer, Question


def questions(*texts: str) -> list[Question]:
    return [Question((("user", text),), max_tokens=1, top=2) for text in texts]


ALWAYS = yes_if(lambda _: True)


def test_nothing_is_asked_twice_not_even_by_the_next_job(tmp_path: Path) -> None:
    engine = ByRule(yes_if(lambda said: "a" in said))
    first = Asker(engine, tmp_path).ask(questions("a", "b", "a"), desc="")
    assert [answer.text for answer in first if answer] == ["Yes", "No", "Yes"]
    assert len(engine.asked) == 2
    again = Asker(engine, tmp_path)
    assert again.ask(questions("b", "a", "c"), desc="")[:2] == [first[1], first[0]]
    assert (again.asked, len(engine.asked), again.count()) == (1, 3, 3)


@pytest.mark.parametrize(
    "other",
    [
        Question((("user", "b"),), 1, top=2),
        Question((("system", "a"),), 1, top=2),
        Question((("user", "a"),), 2, top=2),
        Question((("user", "a"),), 1, top=3),
        Question((("user", "a"),), 1, bits=2),
    ],
)
def test_whatever_changes_the_question_is_another_question(other: Question) -> None:
    assert other.digest != questions("a")[0].digest


def test_other_weights_share_no_answers(tmp_path: Path) -> None:
    Asker(ByRule(ALWAYS), tmp_path).ask(questions("a"), desc="")
    other = ByRule(yes_if(lambda _: False), weights="other")
    answer = Asker(other, tmp_path).ask(questions("a"), desc="")[0]
    assert answer is not None and answer.text == "No"


@pytest.mark.parametrize("parallel", [1, 4])
def test_a_dead_engine_stops_the_job_and_loses_nothing(tmp_path: Path, parallel: int) -> None:
    dying = ByRule(Broken(5, SparringError("no answer in 6 tries: start it again")), parallel=parallel)
    with pytest.raises(SparringError, match=r"start it again; 5 answers are kept, the same command goes on"):
        Asker(dying, tmp_path).ask(questions(*map(str, range(12))), desc="")
    alive = ByRule(ALWAYS)
    assert all(Asker(alive, tmp_path).ask(questions(*map(str, range(12))), desc=""))
    assert len(alive.asked) == 7


def test_a_question_without_an_answer_is_put_again_next_time(tmp_path: Path) -> None:
    assert Asker(ByRule(lambda _: None), tmp_path).ask(questions("a"), desc="") == [None]
    assert Asker(ByRule(ALWAYS), tmp_path).ask(questions("a"), desc="") != [None]


def test_a_model_swapped_under_its_name_is_noticed(tmp_path: Path) -> None:
    Asker(ByRule(ALWAYS), tmp_path).ask(questions("a", "b"), desc="")
    same = ByRule(ALWAYS)
    Asker(same, tmp_path).ask(questions("a", "b"), desc="", anew=True)
    assert len(same.asked) == 2
    with pytest.raises(SparringError, match=r"'by rule' answers otherwise than when .* llm\.model\.weights"):
        Asker(ByRule(yes_if(lambda _: True, sure=3.0)), tmp_path).ask(questions("a", "b"), desc="", anew=True)
    with pytest.raises(SparringError, match="answers otherwise"):  # and goes on being noticed
        Asker(ByRule(yes_if(lambda _: True, sure=3.0)), tmp_path).ask(questions("a"), desc="", anew=True)
    Asker(same, tmp_path).ask(questions("a", "b"), desc="", anew=True)


def test_lists_are_compared_by_their_text(tmp_path: Path) -> None:
    asked = [Question((("user", "a"),), 10, bits=2)]
    Asker(ByRule(lambda _: Answer("[0, 1]")), tmp_path).ask(asked, desc="")
    with pytest.raises(SparringError, match="answers otherwise"):
        Asker(ByRule(lambda _: Answer("[1, 1]")), tmp_path).ask(asked, desc="", anew=True)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    asker = Asker(ByRule(ALWAYS), tmp_path)
    asker.ask(questions("a"), desc="")
    path = next(tmp_path.glob("*.sqlite"))
    path.write_bytes(b"not a database, whatever its name says" * 40)
    with pytest.raises(SparringError, match=rf"{path.name} cannot be read .* delete the file to ask anew"):
        Asker(ByRule(ALWAYS), tmp_path).ask(questions("a"), desc="")
