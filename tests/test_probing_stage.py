"""The probing stage: a planted direction is found, an absent one not claimed; controls are paired; bad input speaks."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from coders_data import PLAIN as TRANSCODER_ARM
from coders_data import READ, SAE, WRITE, D, random_coder, save_coder

from sparring.activation_file import RowFile, Rows
from sparring.coders.recipe import Arm
from sparring.errors import SparringError
from sparring.jobview import Job
from sparring.probing.in_words import against, name_of
from sparring.probing.labelled import write_task
from sparring.probing.measures import Measured
from sparring.probing.pairs import paired
from sparring.probing.plan import ProbingPlan
from sparring.probing.report import write_probing
from sparring.probing.stage import probing
from sparring.probing.vectors import ArmFiles
from sparring.registry.files import RunInputs
from sparring.registry.labelled import probing as figures_of
from sparring.stats.bootstrap import bootstrap_diff_of_means
from sparring.stats.macro import Answers, macro_flips
from sparring.stats.mcnemar import mcnemar
from sparring.stats.share import share_interval
from sparring.store import Store
from sparring.testplan import TestPlan

PLAN = ProbingPlan(ks=[1, 3], seed=0, resamples=400)
TRAIN, TEST, LENGTH = 40, 50, 5  # texts of a class, tokens of a text
PLANTED = 5  # the latent that reads the direction, where it is there
DIRECTION = np.random.default_rng(99).standard_normal(D)
DIRECTION /= np.linalg.norm(DIRECTION)
TWIN = Arm("sae_random", "sae", WRITE, WRITE)


def task_of(folder: Path, classes: str = "ab", *, train: int = TRAIN, test: int = TEST) -> tuple[Path, list[str]]:
    """A task's folder and the label of each text."""
    rows = {
        split: [(f"{split}{label}{n}", label, f"{split} {label} {n}") for label in classes for n in range(size)]
        for split, size in (("train", train), ("test", test))
    }
    folder.mkdir()
    write_task(folder, rows)
    return folder, [label for split in rows.values() for _, label, _ in split]


def rows_of(folder: Path, labels: list[str], strength: float = 0.0, *, seed: int = 0, tokens: Any = None) -> Path:
    """Noise at both sites, and `strength` of one fixed direction added to every row of the texts of class a."""
    rng = np.random.default_rng(seed)
    text = np.repeat(np.arange(len(labels)), LENGTH)
    values = rng.standard_normal((len(text), D))
    values[np.array(labels)[text] == "a"] += strength * DIRECTION
    ids = np.random.default_rng(7).integers(0, 50, len(text)) if tokens is None else tokens
    index = Rows(text, np.tile(np.arange(1, LENGTH + 1), len(labels)), text, ids)
    folder.mkdir()
    with RowFile(
        folder / "evaluation.h5", rows={"evaluation": index}, widths={READ: D, WRITE: D}, dtype="float32"
    ) as f:
        for site in (READ, WRITE):
            f.write("evaluation", site, np.arange(len(text)), torch.from_numpy(values).float())
    return folder


def coder_of(folder: Path, arm: Arm = SAE, *, seed: int = 0, dead: bool = False) -> Path:
    folder.parent.mkdir(exist_ok=True)
    coder = random_coder(arm, seed=seed)
    coder.encoder.weight[PLANTED] = 6 * torch.from_numpy(DIRECTION).float()
    if dead:
        coder.encoder.bias -= 1e3
    return save_coder(coder, arm, folder)


def arm_of(root: Path, labels: list[str], strength: float, *, arm: Arm = SAE, seed: int = 0, **coder: Any) -> ArmFiles:
    made = coder_of(root / f"coder-{arm.name}", arm, seed=seed, **coder)
    return ArmFiles(arm, made, rows_of(root / f"rows-{arm.name}", labels, strength, seed=seed))


def probed(root: Path, strength: float, *, arm: Arm = SAE, **task: Any) -> dict[str, Any]:
    made, labels = task_of(root / "task", **task)
    return probing(arm_of(root, labels, strength, arm=arm), [], made, plan=PLAN)


# Planted truth


@pytest.mark.parametrize("arm", [SAE, TRANSCODER_ARM], ids=lambda arm: arm.kind)
def test_an_injected_direction_is_found(tmp_path: Path, arm: Arm) -> None:
    found = probed(tmp_path, 4.0, arm=arm)
    for name in ("sae_all", "sae_top_1", "residual_all", "difference_of_means", "logistic_direction"):
        assert found["measures"][name]["ci95"][0] > 0.8, name
        assert not any(one["chance"] for one in found["measures"][name]["classes"].values())
    assert found["measures"]["bag_of_words"]["classes"]["a"]["chance"]  # the tokens know nothing of it
    assert found["latents"]["a"][0] == PLANTED
    assert found["doubts"] == []
    json.dumps(found, allow_nan=False)


def test_an_absent_direction_is_not_claimed_and_that_is_said(tmp_path: Path) -> None:
    found = probed(tmp_path, 0.0)
    for of in found["measures"].values():
        assert of["ci95"][0] <= 0.5
    (classes, macro) = found["doubts"]
    assert (
        classes.startswith("The probe on all latents cannot tell these classes from the others: a (0.")
        and ", b (0." in classes
    )
    assert "at chance over all classes: 0." in macro
    assert any(note.startswith("A bag of words does as well as the probe on all latents") for note in found["notes"])
    assert any(note.startswith("The probe on the best latent cannot tell") for note in found["notes"])


def test_permuted_labels_are_at_chance(tmp_path: Path) -> None:
    made, labels = task_of(tmp_path / "task")
    rng = np.random.default_rng(0)
    cut = 2 * TRAIN
    shuffled = [*rng.permutation(labels[:cut]), *rng.permutation(labels[cut:])]
    found = probing(arm_of(tmp_path, shuffled, 4.0), [], made, plan=PLAN)
    assert all(of["ci95"][0] <= 0.5 for of in found["measures"].values()) and found["doubts"]


# Against controls


def test_a_control_that_knows_less_is_beaten_on_the_same_texts(tmp_path: Path) -> None:
    made, labels = task_of(tmp_path / "task")
    arm, twin = arm_of(tmp_path, labels, 4.0), arm_of(tmp_path, labels, 0.0, arm=TWIN, seed=1)
    found = probing(arm, [twin], made, plan=PLAN)
    pairs = found["controls"]["sae_random"]["pairs"]
    assert set(pairs) == {
        "sae_top_1",
        "sae_top_3",
        "sae_all",
        "residual_all",
        "difference_of_means",
        "logistic_direction",
    }
    for of in pairs.values():
        assert of["ci95"][0] > 0.2 and of["p"] < 0.01
        for one in of["classes"].values():
            assert one["p"] <= one["q"] < 0.01 and one["only_arm"] > one["only_control"]
            assert one["difference"] == pytest.approx((one["only_arm"] - one["only_control"]) / (2 * TEST), abs=1e-6)
    assert found["doubts"] == []
    turned = probing(twin, [arm._replace(what="as it is")], made, plan=PLAN)
    assert any(
        "of the control sae (as it is) does better than that of sae_random" in doubt for doubt in turned["doubts"]
    )


def test_a_control_that_does_as_well_is_said_in_words(tmp_path: Path) -> None:
    made, labels = task_of(tmp_path / "task")
    controls = [arm_of(tmp_path, labels, 4.0, arm=TWIN, seed=1)._replace(what="of a random model")]
    found = probing(arm_of(tmp_path, labels, 4.0), controls, made, plan=PLAN)
    (doubt,) = found["doubts"]
    assert doubt.startswith("The probe on all latents of the control sae_random (of a random model) ")
    assert "does as well as" in doubt or "cannot be told from" in doubt
    assert any("coordinates of the read site of the control sae_random" in note for note in found["notes"])
    write_probing(found | {"task": "topics"}, tmp_path)
    assert f"- {doubt}" in (tmp_path / "page").read_text()


def test_a_control_of_the_coder_alone_is_compared_by_its_latents_alone(tmp_path: Path) -> None:
    made, labels = task_of(tmp_path / "task")
    arm = arm_of(tmp_path, labels, 2.0)
    frozen = ArmFiles(TWIN, coder_of(tmp_path / "frozen", TWIN, seed=5), arm.task_rows)
    pairs = probing(arm, [frozen], made, plan=PLAN)["controls"]["sae_random"]["pairs"]
    assert set(pairs) == {"sae_top_1", "sae_top_3", "sae_all"}


def test_a_control_on_other_texts_is_no_pair(tmp_path: Path) -> None:
    made, labels = task_of(tmp_path / "task")
    arm = arm_of(tmp_path, labels, 4.0)
    other = np.random.default_rng(8).integers(0, 50, LENGTH * len(labels))
    twin = ArmFiles(TWIN, coder_of(tmp_path / "t", TWIN), rows_of(tmp_path / "r", labels, 4.0, tokens=other))
    with pytest.raises(SparringError, match="its control sae_random was run on other texts or other tokens"):
        probing(arm, [twin], made, plan=PLAN)
    short = ArmFiles(TWIN, twin.coder, rows_of(tmp_path / "short", labels[:-1], 4.0))
    with pytest.raises(SparringError, match=r"sae_random: rows of 179 texts where the task has 180"):
        probing(arm, [short], made, plan=PLAN)
    answers: Measured = {"sae_all": [Answers(np.arange(4), np.ones(4, bool))]}
    moved: Measured = {"sae_all": [Answers(np.arange(1, 5), np.ones(4, bool))]}
    with pytest.raises(SparringError, match="class 'a' was tested on other texts"):
        paired(answers, moved, ["a"], ["sae_all"], resamples=10, seed=0)


def test_a_control_is_not_doubted_for_being_at_chance(tmp_path: Path) -> None:
    made, labels = task_of(tmp_path / "task")
    found = probing(arm_of(tmp_path, labels, 0.0, arm=TWIN), [], made, plan=PLAN, is_control=True)
    assert found["doubts"] == [] and found["is_control"]
    assert any(note.startswith("The probe on all latents cannot tell") for note in found["notes"])


def test_pairs_are_narrower_than_two_samples_where_the_answers_go_together() -> None:
    rng = np.random.default_rng(0)
    hard = rng.random(400) < 0.3  # for both
    a, b = ~hard & (rng.random(400) < 0.99), ~hard & (rng.random(400) < 0.95)
    texts = np.arange(400)
    found = paired(
        {"sae_all": [Answers(texts, a)]}, {"sae_all": [Answers(texts, b)]}, ["x"], ["sae_all"], resamples=2000, seed=0
    )
    one = found["sae_all"]["classes"]["x"]
    unpaired = bootstrap_diff_of_means(b.astype(float), a.astype(float), resamples=2000).ci
    assert one["ci95"][1] - one["ci95"][0] < 0.5 * (unpaired[1] - unpaired[0])
    assert one["p"] == one["q"] == mcnemar(a, b).p
    assert found["sae_all"]["p"] == pytest.approx(one["p"], abs=0.03)


def test_flips_of_one_class_are_mcnemars_and_of_a_class_twice_no_less_likely() -> None:
    rng = np.random.default_rng(1)
    a, b, texts = rng.random(60) < 0.8, rng.random(60) < 0.6, np.arange(60)
    one, other = [Answers(texts, a)], [Answers(texts, b)]
    p = macro_flips(one, other, resamples=20_000)
    assert p == pytest.approx(mcnemar(a, b).p, abs=0.01)
    assert macro_flips(one * 2, other * 2, resamples=20_000) == pytest.approx(p, abs=1e-9)  # the same texts again
    assert macro_flips(one, one) == 1.0
    assert macro_flips(one, [Answers(texts, ~a)], resamples=99) >= 0.01


def test_flips_under_no_difference_are_uniform() -> None:
    rng = np.random.default_rng(2)
    found = []
    for _ in range(200):
        classes = [[Answers(np.arange(30) + 15 * n, rng.random(30) < 0.7) for n in range(3)] for _ in range(2)]
        found.append(macro_flips(*classes, resamples=200))
    assert np.mean(np.array(found) < 0.1) == pytest.approx(0.1, abs=0.06)


def test_wilson_by_hand() -> None:
    z2 = 1.959964**2
    assert share_interval([True] * 10) == pytest.approx((10 / (10 + z2), 1.0), abs=1e-6)
    assert share_interval([False] * 10) == pytest.approx((0.0, z2 / (10 + z2)), abs=1e-6)
    low, high = share_interval([True, False] * 5)
    assert low + high == pytest.approx(1.0) and high - low == pytest.approx((z2 / (10 + z2)) ** 0.5, abs=1e-6)
    with pytest.raises(ValueError, match="at least one answer"):
        share_interval([])


# Bad input


def test_a_dead_coder_is_called_one(tmp_path: Path) -> None:
    made, labels = task_of(tmp_path / "task")
    found = probing(arm_of(tmp_path, labels, 4.0, dead=True), [], made, plan=PLAN)
    assert found["doubts"][0] == "None of the 64 latents fires in any text: their probes guess."
    assert found["never_fire"] == {"number": 64, "of": 64}
    assert found["measures"]["sae_all"]["macro"] == 0.5 and found["measures"]["residual_all"]["macro"] > 0.9
    assert any("at chance over all classes: 0.500" in doubt for doubt in found["doubts"])


def test_latents_that_never_fire_are_counted_and_a_best_one_that_says_nothing_is_named(tmp_path: Path) -> None:
    made, labels = task_of(tmp_path / "task")
    coder = random_coder(SAE)
    coder.encoder.bias[2:] -= 1e3  # two latents are left
    arm = ArmFiles(SAE, save_coder(coder, SAE, tmp_path / "coder"), rows_of(tmp_path / "rows", labels, 4.0))
    found = probing(arm, [], made, plan=PLAN)
    assert found["never_fire"] == {"number": 62, "of": 64}
    assert any("Only 2 latents differ on average between the training texts of a" in one for one in found["doubts"])


def test_one_class_and_too_few_texts_are_refused(tmp_path: Path) -> None:
    made, labels = task_of(tmp_path / "one", "a")
    arm = arm_of(tmp_path, labels, 1.0)
    with pytest.raises(SparringError, match="every text is of class 'a'; a probe needs two"):
        probing(arm, [], made, plan=PLAN)
    made, labels = task_of(tmp_path / "few", test=1)
    with pytest.raises(SparringError, match="class 'a' has 1 texts in the test split and needs at least 2"):
        probing(arm, [], made, plan=PLAN)


def test_few_texts_that_cannot_tell_anything_are_doubted(tmp_path: Path) -> None:
    found = probed(tmp_path, 4.0, train=20, test=2)
    assert "a is tested on 4 texts, too few to tell any probe from chance: raise the test." in found["doubts"]


def test_a_class_of_one_text_is_doubted_and_texts_that_begin_alike_are_counted(tmp_path: Path) -> None:
    made, labels = task_of(tmp_path / "task")
    tokens = np.random.default_rng(7).integers(0, 50, (len(labels), LENGTH))
    tokens[np.array(labels) == "a"] = 3
    rows = rows_of(tmp_path / "rows", labels, 4.0, tokens=tokens.reshape(-1))
    found = probing(ArmFiles(SAE, coder_of(tmp_path / "coder"), rows), [], made, plan=PLAN)
    for split, size in (("train", TRAIN), ("test", TEST)):
        assert f"All {size} {split} texts of a hold the same tokens: its figures rest on one text." in found["doubts"]
    assert found["notes"][0].startswith(f"{TEST} test texts begin like a training text")


def test_rows_that_are_not_finite_are_named(tmp_path: Path) -> None:
    made, labels = task_of(tmp_path / "task")
    arm = arm_of(tmp_path, labels, float("nan"))
    said = (
        rf"sae: the activations at {WRITE} are not finite in {TRAIN + TEST} of 180 texts, the first of them 'train a 0'"
    )
    with pytest.raises(SparringError, match=said):
        probing(arm, [], made, plan=PLAN)
    coder = random_coder(SAE)
    coder.encoder.bias[3] = float("nan")
    broken = ArmFiles(SAE, save_coder(coder, SAE, tmp_path / "nan"), rows_of(tmp_path / "fine", labels, 1.0))
    with pytest.raises(SparringError, match="sae: the latents are not finite in"):
        probing(broken, [], made, plan=PLAN)


# What is written


def test_the_files_repeat_byte_by_byte_and_hold_what_a_run_reports(tmp_path: Path) -> None:
    made, labels = task_of(tmp_path / "task", "abc")
    arm, twin = arm_of(tmp_path, labels, 3.0), arm_of(tmp_path, labels, 0.0, arm=TWIN, seed=1)
    for out in ("first", "second"):
        (tmp_path / out).mkdir()
        write_probing(probing(arm, [twin], made, plan=PLAN) | {"task": "topics"}, tmp_path / out)
    for name in ("result", "page", "svg"):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()
    page = (tmp_path / "first" / "page").read_text()
    assert "# Probing of sae on topics" in page and "## Against sae_random" in page and "](sae.svg)" in page
    found = json.loads((tmp_path / "first" / "result").read_bytes())
    reported = figures_of(inputs_of(tmp_path / "first" / "result"), "sae", TestPlan())
    pair = found["controls"]["sae_random"]["pairs"]["sae_all"]
    assert reported.figures["accuracy"]["value"] == pair["arm"] and reported.figures["accuracy"]["n"] == 3 * TEST
    assert reported.figures["accuracy"]["ci95"] == found["measures"]["sae_all"]["ci95"]
    assert reported.figures["sae_random_accuracy"]["value"] == pair["control"]
    assert reported.figures["sae_random_difference"]["ci95"] == pair["ci95"]
    assert reported.figures["sae_random_mcnemar_p"]["value"] == pair["p"]
    assert list(reported.doubts) == found["doubts"]


def inputs_of(path: Path) -> RunInputs:
    job = Job("study_run", {}, {}, 1, path.parent, path.parent, Store(path.parent / "store"), {"x": path}, {}, path)
    return RunInputs(job, {("probing", "sae"): "x"})


def test_the_words_follow_the_interval() -> None:
    def said(a: float, b: float, ci95: list[float]) -> list[str]:
        pair = {"sae_top_2": {"arm": a, "control": b, "difference": a - b, "ci95": ci95}}
        return against("sae", "twin", "of a random model", pair).get("sae_top_2", [])

    assert said(0.9, 0.8, [0.05, 0.15]) == []
    assert "cannot be told from" in said(0.9, 0.88, [-0.01, 0.05])[0]
    assert "does as well as" in said(0.9, 0.9, [-0.02, 0.02])[0]
    assert "does better than" in said(0.8, 0.9, [-0.15, -0.05])[0]
    assert "both are right about every text" in said(1.0, 1.0, [0.0, 0.0])[0]
    assert name_of("residual_top_1") == "the probe on the best coordinate"
