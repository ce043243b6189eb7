"""`sparring why` says before a run what it will do and why; `sparring diff` says what told two runs apart."""

import json

import pytest
from checkout import Checkout
from edits import ADAPTER, ALL, HEADLINE, MINI, RIGHT, WRONG

pytestmark = pytest.mark.e2e


def why(checkout: Checkout, *arguments: str) -> str:
    study = str(checkout.code / "config/studies/mini.yaml")
    snakefile = str(checkout.code / "Snakefile")
    done = checkout.sparring("why", HEADLINE, "--snakefile", snakefile, "--configfile", study, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_reason_is_the_function_and_nothing_runs(copy: Checkout) -> None:
    assert why(copy) == f"{len(ALL)} up to date\n"
    copy.edit(ADAPTER, RIGHT, WRONG)
    said = why(copy)
    assert "latents-sae: computes\n    code: sparring.coders.encoding.Encoder changed\n" in said
    assert "latents-transcoder: computes" in said
    assert "headtohead: memo if upstream stays equal" in said
    assert said.endswith("2 computes, 8 memo if upstream stays equal, 10 up to date\n")
    assert (copy.work / HEADLINE).exists()
    dot = why(copy, "--dot")
    assert dot.startswith("digraph") and dot.rstrip().endswith("}")
    assert '"latents-sae" -> "draw-sae";' in dot


def test_the_reason_is_the_key_of_the_study(copy: Checkout) -> None:
    said = why(copy, "--config", "explain={tokens: 10}")
    assert "explain-sae: computes\n    study: plan.tokens: 20 -> 10\n" in said


def test_the_reason_is_a_missing_object(copy: Checkout) -> None:
    manifest = json.loads((copy.work / "results/latents/sae.json").read_bytes())
    sha256 = next(iter(manifest["files"].values()))["sha256"]
    (copy.store / "objects" / sha256[:2] / sha256).unlink()
    assert "latents-sae: computes\n    an object of its result is missing from the store" in why(copy)


def test_two_runs_by_revision_and_by_digest(copy: Checkout) -> None:
    copy.git("init", "-b", "main")
    copy.git("add", ".")
    copy.git("commit", "-m", "one")
    copy.git("checkout", "-b", "other")
    copy.edit("src/sparring/stats/permutation.py", "(extreme + 1) /", "(extreme + 2) /")
    copy.git("commit", "-am", "other")
    missing = copy.sparring("diff", "main", "other", "--repository", str(copy.code))
    assert missing.returncode == 1
    assert "no head-to-head made by the code of other" in missing.stderr
    key = json.loads((copy.work / "results/.sparring" / f"{HEADLINE}.json").read_bytes())["action"]
    assert copy.run(HEADLINE, *MINI).status == 0
    by_revision = copy.sparring("diff", "main", "other", "--repository", str(copy.code))
    assert by_revision.returncode == 0, by_revision.stderr
    assert "headtohead:\n    code: sparring.stats.permutation.permutation_p changed" in by_revision.stdout
    assert "score-sae:" not in by_revision.stdout
    assert "metrics.detection.p" in by_revision.stdout
    assert "metrics.detection.diff" not in by_revision.stdout
    same = copy.sparring("diff", key[:12], "main", "--repository", str(copy.code))
    assert "the same jobs, code, study and inputs" in same.stdout, same.stdout
    assert "every figure is the same" in same.stdout
    nonsense = copy.sparring("diff", "main", "nonsense", "--repository", str(copy.code))
    assert nonsense.returncode == 1
    assert "nonsense is neither a digest in the store nor a git revision" in nonsense.stderr
