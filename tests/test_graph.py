"""The whole graph on the miniature study: the real packaged model and news, run by Snakemake as a user would."""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from checkout import Checkout
from edits import HEADLINE, MINI

from sparring.runs import hold_folder

pytestmark = pytest.mark.e2e


def test_the_headline_has_what_readers_and_programs_use(mini: Checkout) -> None:
    result = json.loads(mini.result("headtohead_autointerp.json"))
    assert set(result["arms"]) == {"sae", "transcoder"}
    for arm in result["arms"].values():
        assert {"read_site", "write_site", "n_latents"} <= set(arm)
    for name in ("detection", "fuzz"):
        metric = result["metrics"][name]
        assert "not_measured" in metric or {"diff", "ci95", "p", "n", "mde", "method", "seed", "resamples"} <= set(
            metric
        )
    assert {"scorer", "floor", "ceiling", "reliability", "parse_rate", "tell_auroc"} <= set(result["instrument"])
    assert result["verdict"] and result["reasons"] and result["provenance"]
    for name in ("md", "svg", "png"):
        assert mini.result(f"headtohead_autointerp.{name}")


def test_nothing_to_be_done_and_nothing_computed_without_results(copy: Checkout, mini: Checkout) -> None:
    assert "Nothing to be done" in copy.run(HEADLINE, *MINI).output
    shutil.rmtree(copy.work / "results")
    ran = copy.run(HEADLINE, *MINI)
    assert ran.status == 0, ran.output
    assert not ran.computed
    assert copy.result("headtohead_autointerp.json") == mini.result("headtohead_autointerp.json")


def test_a_comment_a_docstring_and_a_touch_trigger_nothing(copy: Checkout) -> None:
    for path in [*(copy.code / "src").rglob("*.py"), *(copy.code / "workflow").rglob("*.py")]:
        path.write_text(path.read_text() + "\n# a remark\n")
    copy.edit("src/sparring/tokens.py", "def tokenize(", "def  tokenize(")
    assert "Nothing to be done" in copy.run(HEADLINE, *MINI).output


def test_a_fix_in_the_latent_reader_leaves_activations_and_coders_alone(copy: Checkout) -> None:
    copy.edit("src/sparring/latent_cache.py", "if not 0 <= latent <", "if not -1 < latent <")
    ran = copy.run(HEADLINE, *MINI, "-n")
    assert ran.status == 0
    for job in ("Training", "Activations", "Tokens", "Subject model"):
        assert job not in ran.output
    assert "Drawing" in ran.output


def test_another_kind_of_coder_runs_no_forward_pass(copy: Checkout) -> None:
    arm = "coders={plain: {kind: transcoder, read: mlp.in, write: mlp.out}}"
    ran = copy.run("results/recon/plain.json", *MINI, "--config", arm, "recipe={tokens: 8192}")
    assert ran.status == 0, ran.output
    assert ran.computed == {"coder-plain", "recon-plain"}
    assert not ran.recalled


def test_a_second_run_in_the_same_folder_is_refused(copy: Checkout) -> None:
    with hold_folder(copy.work):
        ran = copy.run("results/coders/sae.json", *MINI, "--config", "recipe={seed: 9}")
    assert ran.status != 0
    assert f"another run (process {os.getpid()}) is at work in {copy.work}" in ran.output
    assert (copy.work / HEADLINE).exists()


def test_the_dag_can_be_drawn(copy: Checkout) -> None:
    done = subprocess.run(
        copy.command(HEADLINE, *MINI, "--dag"), env=copy.environment(), cwd=copy.code, capture_output=True, text=True
    )
    assert done.stdout.startswith("digraph snakemake_dag"), done.stdout[:200]


def test_a_failure_leaves_no_headline_of_the_old_code(copy: Checkout) -> None:
    before = copy.result("headtohead_autointerp.json")
    copy.edit(
        "workflow/scripts/recon.py", "    spec = job.spec\n", "    spec = job.spec\n    raise MemoryError('planted')\n"
    )
    ran = copy.run(HEADLINE, *MINI)
    assert ran.status != 0
    assert "planted" in ran.output
    assert not (copy.work / HEADLINE).exists()
    ran = copy.run(HEADLINE, *MINI)
    assert ran.status != 0  # Snakemake alone would now say "Nothing to be done"
    copy.edit("workflow/scripts/recon.py", "    raise MemoryError('planted')\n", "")
    ran = copy.run(HEADLINE, *MINI)
    assert ran.status == 0
    assert not ran.computed
    assert copy.result("headtohead_autointerp.json") == before


def test_killed_in_the_middle_of_training_the_same_command_finishes(tmp_path: Path, copy: Checkout) -> None:
    seed = ("--config", "recipe={seed: 7, tokens: 200000}")
    target = "results/coders/sae.json"
    run = subprocess.Popen(
        copy.command(target, *MINI, *seed),
        env=copy.environment(),
        cwd=copy.code,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    scratch = copy.store / "scratch"
    deadline = time.monotonic() + 120
    while not any(scratch.rglob("*/out")) and time.monotonic() < deadline:
        time.sleep(0.2)
    time.sleep(2)
    assert run.poll() is None
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    ran = copy.run(target, *MINI, *seed)
    assert ran.status == 0, ran.output
    assert ran.computed == {"coder-sae"}
    other = copy.copy(tmp_path / "clean", tmp_path / "clean-store")
    other.forget(target)
    again = other.run(target, *MINI, *seed)
    assert again.computed == {"coder-sae"}
    assert other.result("coders/sae.json") == copy.result("coders/sae.json")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("recipe={k: 5000}", "k = 5000 exceeds width = 512"),
        ("layer=30", "layers.30"),
        ("lyer=3", "did you mean 'layer'"),
        ("draw={latents: 5000}", "draw.latents: 5000 is more than the 512 latents"),
        ("subject={source: {sha256: 12}}", "is not a sha256"),
        ("corpus={column: 7, format: doc}", "corpus.format is 'doc'"),
    ],
)
def test_a_mistake_in_the_study_is_one_line_before_any_job(copy: Checkout, change: str, said: str) -> None:
    ran = copy.run(HEADLINE, *MINI, "--config", change)
    assert ran.status != 0
    assert said in ran.output
    assert "Traceback" not in ran.output
    assert not ran.launched
    assert (copy.work / HEADLINE).exists()


def test_a_wrong_hash_is_named_with_the_found_one(copy: Checkout) -> None:
    ran = copy.run("results/corpus.json", *MINI, "--config", f"corpus={{source: {{member_sha256: {'0' * 64}}}}}")
    assert ran.status != 0
    assert "0" * 64 in ran.output
    assert "5b95851c5cc736ce561da7508cdeca4627f4aa08aa3815ecc1c45b2c6dc8163d" in ran.output


@pytest.mark.slow
def test_twice_from_nothing_is_byte_equal(tmp_path: Path, mini: Checkout) -> None:
    again = Checkout.make(tmp_path, tmp_path / "store")
    ran = again.run(HEADLINE, *MINI)
    assert ran.status == 0, ran.output
    assert not ran.recalled
    for name in ("json", "md", "svg", "png"):
        assert again.result(f"headtohead_autointerp.{name}") == mini.result(f"headtohead_autointerp.{name}")
