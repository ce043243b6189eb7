import subprocess
import sys

import pytest

from sparring.coders.recipe import Arm, Recipe
from sparring.errors import SparringError

GOOD = {"width": 64, "k": 4, "tokens": 4096, "lr": 1e-3}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"k": 65}, "k = 65 exceeds width = 64"),
        ({"width": 0}, "width is 0"),
        ({"tokens": 100}, "less than one batch of 2048"),
        ({"lr": 0.0}, "lr = 0.0"),
        ({"lr": float("nan")}, "lr = nan"),
        ({"warmup": 1.0}, "warmup = 1.0"),
    ],
)
def test_a_bad_recipe_is_one_line_naming_the_value(change, says):
    with pytest.raises(SparringError, match=says) as error:
        Recipe(**(GOOD | change))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("kind", "read", "write"),
    [("sae", "a", "b"), ("skip-transcoder", "a", "a")],
)
def test_an_arm_whose_kind_and_sites_disagree_is_refused(kind, read, write):
    with pytest.raises(SparringError, match="arm x: "):
        Arm("x", kind, read, write)


def test_rows_that_fill_no_batch_make_no_step():
    assert Recipe(**(GOOD | {"tokens": 2048 * 3 + 2047})).steps == 3


def test_a_study_can_be_checked_without_torch():
    subprocess.run(
        [sys.executable, "-c", "import sys, sparring.coders.recipe; assert 'torch' not in sys.modules"], check=True
    )
