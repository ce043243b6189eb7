"""However Snakemake is called and whatever happened to the folders: no result of other code stands as up to date."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from checkout import Checkout
from edits import HEADLINE, MINI
from edits import TEXT as PAGE
from fault_kinds import can_mount

pytestmark = pytest.mark.e2e

SCORING = ("src/sparring/autointerp/scorers/embedding.py", "share = 0.2 +", "share = 0.25 +")


def page(checkout: Checkout) -> str:
    return checkout.result("headtohead_autointerp.md").decode()


def test_touch_passes_nothing_off_as_up_to_date(copy: Checkout) -> None:
    copy.edit(*PAGE)
    assert copy.run(HEADLINE, *MINI, "--touch").status == 0
    assert "0.5 is chance" in page(copy)
    ran = copy.run(HEADLINE, *MINI)
    assert ran.computed == {"headtohead"}
    assert "chance is 0.5" in page(copy)


@pytest.mark.parametrize("triggers", [("--rerun-triggers", "mtime"), ("--rerun-triggers", "input")])
def test_weaker_triggers_and_a_lost_memory_change_nothing(copy: Checkout, triggers: tuple[str, ...]) -> None:
    shutil.rmtree(copy.work / ".snakemake")
    copy.edit(*PAGE)
    assert copy.run(HEADLINE, *MINI, *triggers).computed == {"headtohead"}


def test_a_dry_run_takes_nothing_away(copy: Checkout) -> None:
    before = sorted(path for path in (copy.work / "results").rglob("*") if path.is_file())
    copy.edit(*SCORING)
    assert copy.run(HEADLINE, *MINI, "-n").status == 0
    assert sorted(path for path in (copy.work / "results").rglob("*") if path.is_file()) == before


def test_until_a_stage_and_a_failing_arm_leave_no_old_headline(copy: Checkout) -> None:
    # The same explanations by other code: what follows from them comes from the memo, and the test is quick.
    copy.edit("src/sparring/autointerp/explain.py", 'drawn = draw["latents"]', 'drawn = list(draw["latents"])')
    head = "def compute(job: Job) -> Mapping[str, Any]:\n"
    copy.edit("workflow/scripts/explain.py", head, f"{head}    raise MemoryError('planted')\n")
    ran = copy.run(HEADLINE, *MINI, "-k")
    assert ran.status != 0
    assert ran.launched == {"explain-sae", "explain-transcoder"}
    assert not (copy.work / HEADLINE).exists()
    copy.edit("workflow/scripts/explain.py", f"{head}    raise MemoryError('planted')\n", head)
    ran = copy.run(HEADLINE, *MINI, "--until", "explain")
    assert ran.computed == {"explain-sae", "explain-transcoder"}
    assert not (copy.work / HEADLINE).exists()
    assert copy.run(HEADLINE, *MINI).recalled == {"score-sae", "score-transcoder", "headtohead"}


@pytest.mark.parametrize("name", ["results/scores/sae.json", HEADLINE])
def test_a_result_edited_by_hand_is_named_and_kept(copy: Checkout, name: str) -> None:
    path = copy.work / name
    edited = path.read_text().replace("sae", "saE", 1)
    path.write_text(edited)
    ran = copy.run(HEADLINE, *MINI)
    assert ran.status != 0
    assert f"{name} was edited" in ran.output
    assert "Traceback" not in ran.output
    assert path.read_text() == edited
    path.rename(path.with_suffix(".mine"))
    assert copy.run(HEADLINE, *MINI).status == 0


def test_a_damaged_object_is_remade_by_the_same_command(copy: Checkout) -> None:
    before = copy.result("headtohead_autointerp.json")
    sha256 = json.loads((copy.work / "results/explanations/sae.json").read_bytes())["files"]["explanations.json"][
        "sha256"
    ]
    damaged = copy.store / "objects" / sha256[:2] / sha256
    text = damaged.read_bytes()
    damaged.unlink()
    damaged.write_bytes(text[:-2] + b"x\n")
    copy.forget(HEADLINE)
    ran = copy.run(HEADLINE, *MINI)
    assert ran.status == 0, ran.output
    assert f"damaged, now in quarantine: {sha256}" in ran.output
    assert {"explain-sae", "headtohead"} <= ran.computed
    assert (copy.store / "quarantine" / sha256).exists()
    assert damaged.read_bytes() == text
    assert copy.result("headtohead_autointerp.json") == before


def test_code_that_cannot_be_followed_is_named_before_any_job(copy: Checkout) -> None:
    hidden = "import importlib\n\n\ndef terms(name: str) -> object:\n    return importlib.import_module(name)\n"
    (copy.code / "src/sparring/words/__init__.py").write_text(hidden)
    ran = copy.run(HEADLINE, *MINI, "-n")
    assert ran.status != 0
    assert "words/__init__.py:5: an import of a computed name cannot be followed" in ran.output
    assert "Traceback" not in ran.output


def test_a_store_that_cannot_be_used_is_one_line_before_any_job(copy: Checkout, tmp_path: Path) -> None:
    newer = tmp_path / "newer"
    newer.mkdir()
    (newer / "format").write_text("sparring-store-9\n")
    nowhere = tmp_path / "file"
    nowhere.write_text("")
    for store, said in ((newer, "has format 'sparring-store-9'"), (nowhere, "name a writable folder")):
        ran = Checkout(copy.code, copy.work, store).run(HEADLINE, *MINI)
        assert ran.status != 0
        assert said in ran.output
        assert "Traceback" not in ran.output
        assert (copy.work / HEADLINE).exists()


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="needs a second file system")
def test_a_store_on_another_file_system_works(copy: Checkout) -> None:
    store = Path(f"/dev/shm/sparring-{os.getpid()}")
    try:
        shutil.copytree(copy.store / "objects", store / "objects", ignore=lambda _, names: _large(copy.store, names))
        ran = Checkout(copy.code, copy.work, store).run("results/corpus.json", *MINI, "--forcerun", "corpus")
        assert ran.status == 0, ran.output
    finally:
        shutil.rmtree(store, ignore_errors=True)


def _large(store: Path, names: list[str]) -> list[str]:
    paths = {name: store / "objects" / name[:2] / name for name in names if len(name) == 64}
    return [name for name, path in paths.items() if path.stat().st_size > 1 << 24]


@pytest.mark.skipif(not can_mount(), reason="needs the right to mount")
def test_results_that_cannot_be_renewed_are_one_line(copy: Checkout) -> None:
    copy.edit(*PAGE)
    results = str(copy.work / "results")
    subprocess.run(["mount", "--bind", results, results], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", results], check=True)
        ran = copy.run(HEADLINE, *MINI)
    finally:
        subprocess.run(["umount", results], check=True)
    assert ran.status != 0
    assert "Write-protected output files" in ran.output or "make the folder writable" in ran.output
    assert not ran.launched
    assert copy.run(HEADLINE, *MINI).computed == {"headtohead"}
