"""The small packaged model on llama.cpp, in this process and over its own server, and on vLLM; bad endpoints."""

import http.server
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from checkout import ROOT
from llm_data import NAME, SMOL, smol, smol_folder  # noqa: F401 (a fixture)

from sparring.errors import SparringError
from sparring.llm.answers import Asker
from sparring.llm.endpoint import Endpoint
from sparring.llm.engine import Answer, Engine, Question
from sparring.llm.llamacpp import LlamaCpp
from sparring.llm.plan import LlmPlan
from sparring.llm.vllm import Vllm
from sparring.sources.served import prepare_served
from sparring.sources.source import Source

HEAD = "A feature fires on the names of days: Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday. "
TEXTS = ("We met on Monday", "The red car is fast", "Come on Friday at noon", "Nobody knew the answer")


def yes_no(*texts: str) -> list[Question]:
    return [Question((("system", "Answer Yes or No."), ("user", f"{HEAD}Text: {t}")), 1, top=10) for t in texts]


@pytest.fixture(scope="module")
def engine(smol_folder: Path) -> LlamaCpp:  # noqa: F811
    return smol(smol_folder)


NO_VLLM = pytest.mark.skipif("SPARRING_SCORER_PYTHON" not in os.environ, reason="SPARRING_SCORER_PYTHON names no vLLM")


@pytest.fixture(scope="module", params=["llama.cpp", pytest.param("vllm", marks=[pytest.mark.slow, NO_VLLM])])
def served(request: pytest.FixtureRequest, engine: LlamaCpp, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """An engine that is a server: llama.cpp's own, or vLLM's CPU build."""
    if request.param == "llama.cpp":
        yield Endpoint(LlmPlan("openai", NAME, url=f"{engine.url}/v1", weights="test", parallel=2, wait=0.01))
        return
    model = tmp_path_factory.mktemp("vllm")
    prepare_served(Source(**SMOL), out=model)
    plan = LlmPlan("vllm", NAME, context=2048, parallel=2)
    vllm = Vllm(model, plan, lock=ROOT / "envs" / "scorer-cpu.lock", weights="test", log=model / "log")
    yield vllm
    vllm.close()


def close(one: Answer, other: Answer, *, nats: float) -> bool:
    shared = one.first.keys() & other.first.keys()
    return len(shared) > 4 and all(abs(one.first[token] - other.first[token]) < nats for token in shared)


def test_the_first_token_comes_with_its_rivals(engine: LlamaCpp) -> None:
    answer = engine.answer(yes_no(TEXTS[0])[0])
    assert answer is not None
    assert len(answer.first) == 10
    assert {token.strip().lower() for token in answer.first} >= {"yes", "no"}
    assert max(answer.first, key=answer.first.__getitem__) == answer.text


def test_a_kept_prefix_changes_no_answer(engine: LlamaCpp, smol_folder: Path) -> None:  # noqa: F811
    in_a_row = [engine.answer(question) for question in yes_no(*TEXTS)]
    for question, answer in zip(yes_no(*TEXTS), in_a_row, strict=True):
        alone = smol(smol_folder).answer(question)
        assert answer and alone and close(answer, alone, nats=engine.noise)


def test_the_server_answers_as_the_process_does(engine: LlamaCpp, served: Engine, tmp_path: Path) -> None:
    asked = Asker(served, tmp_path).ask(yes_no(*TEXTS), desc="")
    for question, answer in zip(yes_no(*TEXTS), asked, strict=True):
        here = engine.answer(question)
        assert answer and here and answer.first
        # What llama.cpp reads in 4 bits, with 8 bits of what flows through it, vLLM reads in float32.
        assert close(answer, here, nats=engine.noise if isinstance(served, Endpoint) else 1.0)


@pytest.mark.parametrize("bits", [1, 5])
def test_lists_have_the_length_asked_for(engine: LlamaCpp, served: Engine, bits: int) -> None:
    listed = "\n".join(f"Text {i}: {text}" for i, text in enumerate((*TEXTS, "")[:bits], 1))
    question = Question((("user", f"{HEAD}For each text 1 or 0, as a list.\n{listed}"),), 4 * bits + 2, bits=bits)
    for one in (engine, served):
        answer = one.answer(question)
        assert answer is not None
        found = json.loads(answer.text)
        assert len(found) == bits and set(found) <= {0, 1}


def test_a_question_beyond_the_context_is_unreadable_and_the_engine_lives(engine: LlamaCpp, served: Engine) -> None:
    for one in (engine, served):
        assert one.answer(Question((("user", "word " * 5000),), 1)) is None
        assert one.answer(yes_no(TEXTS[0])[0]) is not None


def test_a_file_that_is_no_model_is_named(tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(SparringError, match=r"llama\.cpp cannot load small .* give a GGUF that it knows"):
        LlamaCpp(tmp_path / "model.gguf", LlmPlan("llama.cpp", "small"), weights="0")


class Failing(http.server.BaseHTTPRequestHandler):
    """Answers with the server's list of status codes, one a request, then with a completion; counts requests."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append(dict(self.headers))  # type: ignore[attr-defined]
        codes = self.server.codes  # type: ignore[attr-defined]
        self.reply(codes.pop(0) if codes else 200)

    def do_GET(self) -> None:
        self.reply(200)

    def reply(self, code: int) -> None:
        body = json.dumps({"choices": [{"message": {"content": "Yes"}}]}).encode() if code == 200 else b"no"
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def failing() -> Iterator[http.server.ThreadingHTTPServer]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Failing)
    server.codes, server.seen = [], []  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


def endpoint(server: http.server.ThreadingHTTPServer, **changed: object) -> Endpoint:
    url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    plan = {"name": "m", "url": url, "weights": "w", "tries": 4, "wait": 0.01, **changed}
    return Endpoint(LlmPlan("openai", **plan))  # type: ignore[arg-type]


def test_a_busy_endpoint_is_asked_again(failing: http.server.ThreadingHTTPServer) -> None:
    failing.codes = [503, 429, 500]  # type: ignore[attr-defined]
    answer = endpoint(failing).answer(yes_no("a")[0])
    assert answer == Answer("Yes")
    assert len(failing.seen) == 4  # type: ignore[attr-defined]


def test_one_question_that_always_fails_is_unreadable(failing: http.server.ThreadingHTTPServer) -> None:
    failing.codes = [500] * 4  # type: ignore[attr-defined]
    assert endpoint(failing).answer(yes_no("a")[0]) is None


def test_a_refused_question_is_not_put_again(failing: http.server.ThreadingHTTPServer) -> None:
    failing.codes = [404, 200]  # type: ignore[attr-defined]
    with pytest.raises(SparringError, match=r"refuses the question for model 'm': HTTP 404, 'no'"):
        endpoint(failing).answer(yes_no("a")[0])
    assert len(failing.seen) == 1  # type: ignore[attr-defined]


def test_a_dead_endpoint_is_named(failing: http.server.ThreadingHTTPServer, tmp_path: Path) -> None:
    one = endpoint(failing)
    asker = Asker(one, tmp_path)
    asker.ask(yes_no("a"), desc="")
    failing.shutdown()
    failing.server_close()
    with pytest.raises(SparringError, match=r"http://127.* gave no answer in 4 tries .*; 1 answers are kept"):
        asker.ask(yes_no("a", "b"), desc="")


def test_the_key_comes_from_a_variable_and_stays_out_of_sight(
    failing: http.server.ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SparringError, match=r"llm\.key_env is 'MY_KEY', but that variable is not set"):
        endpoint(failing, key_env="MY_KEY")
    monkeypatch.setenv("MY_KEY", "secret-7")
    one = endpoint(failing, key_env="MY_KEY")
    one.answer(yes_no("a")[0])
    assert failing.seen[0]["Authorization"] == "Bearer secret-7"  # type: ignore[attr-defined]
    assert "secret-7" not in json.dumps(dict(one.identity))


MISTAKES = {
    "no url": ({"engine": "openai", "weights": "w"}, "llm.model.url is missing"),
    "no weights": ({"engine": "openai", "url": "http://h/v1"}, "llm.model.weights is missing"),
    "no address": ({"engine": "openai", "url": "h:80", "weights": "w"}, "llm.model.url is 'h:80'"),
    "a key in the url": (
        {"engine": "openai", "url": "http://me:pw@h/v1", "weights": "w"},
        "holds a key or a query: name the key's variable",
    ),
    "a url for llama.cpp": ({"engine": "llama.cpp", "url": "http://h/v1"}, "are an endpoint's"),
    "a lock for llama.cpp": ({"engine": "llama.cpp", "lock": "a.lock"}, "llm.model.lock: llama.cpp has no environment"),
    "a url for vllm": ({"engine": "vllm", "url": "http://h/v1"}, "are an endpoint's"),
    "no start": ({"engine": "vllm", "start": 0.0}, "llm.model.start is 0"),
    "no tries": ({"engine": "llama.cpp", "tries": 0}, "llm.model.tries is 0"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_named(mistake: str) -> None:
    plan, said = MISTAKES[mistake]
    with pytest.raises(SparringError, match=said) as error:
        LlmPlan(name="m", **plan)  # type: ignore[arg-type]
    assert "pw" not in str(error.value)
