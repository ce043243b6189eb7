"""What ends early: no sandbox is left, and no job is lost to what was not its fault."""

import signal

import pytest
from flows import Flow, run_id, until

LONG = """
rule a:
    output: "a"
    shell: "for i in 1 2 3 4 5 6; do echo line $i >&2; sleep 0.5; done; echo done > {output}"
"""
ENDLESS = 'rule a:\n  output: "a"\n  shell: "echo begun >&2; sleep 1000; touch {output}"\n'


def _begun(flow: Flow) -> bool:
    return any("begun" in text or "line 1" in text for box in flow.cloud.running() for _, text in box.log)


def test_preempted(flow: Flow) -> None:
    flow.write(Snakefile=LONG)
    run = flow.start()
    until(lambda: _begun(flow))
    flow.cloud.preempt(flow.cloud.boxes[0])
    said, _ = run.communicate(timeout=100)
    assert run.returncode == 0, said
    assert "Modal ended the sandbox" in said
    assert len(flow.cloud.boxes) == 2
    assert (flow.folder / "a").read_text() == "done\n"


def test_preempted_too_often(flow: Flow) -> None:
    flow.write(Snakefile=ENDLESS)
    run = flow.start("--modal-preemptions", "0")
    until(lambda: _begun(flow))
    flow.cloud.preempt(flow.cloud.boxes[0])
    said, _ = run.communicate(timeout=100)
    assert run.returncode == 1
    assert "its sandbox was ended by Modal 1 times" in said


def test_dropped_connection(flow: Flow) -> None:
    flow.write(Snakefile=LONG)
    run = flow.start()
    until(lambda: _begun(flow))
    flow.cloud.drop()
    said, _ = run.communicate(timeout=100)
    assert run.returncode == 0, said
    assert len(flow.cloud.boxes) == 1
    assert [line for line in said.splitlines() if "| line" in line] == [f"a-0 | line {i}" for i in range(1, 7)]


def test_past_its_runtime(flow: Flow) -> None:
    flow.cloud.longest = 3
    flow.write(Snakefile=ENDLESS)
    done = flow.run()
    assert done.returncode == 1
    assert "Modal: it ran longer than its runtime" in done.stdout
    assert not flow.cloud.running()


@pytest.mark.parametrize("scheduled", [True, False])
def test_interrupted(flow: Flow, scheduled: bool) -> None:
    flow.cloud.hold = not scheduled
    flow.write(Snakefile=ENDLESS)
    run = flow.start()
    until((lambda: _begun(flow)) if scheduled else flow.cloud.running)
    run.send_signal(signal.SIGINT)
    said, _ = run.communicate(timeout=100)
    assert run.returncode != 0
    assert len(flow.cloud.boxes) == 1, said
    assert not flow.cloud.running()


@pytest.mark.parametrize("everything", [True, False])
def test_killed_then_swept(flow: Flow, everything: bool) -> None:
    flow.write(Snakefile=ENDLESS)
    run = flow.start()
    until(lambda: _begun(flow))
    run.kill()
    said, _ = run.communicate(timeout=100)
    assert len(flow.cloud.running()) == 1
    assert "0 sandboxes ended" in flow.sweep("another").stdout
    assert len(flow.cloud.running()) == 1
    swept = flow.sweep("--all" if everything else run_id(said))
    assert swept.stdout.splitlines() == ["1 sandboxes ended", flow.cloud.boxes[0].id], swept.stderr
    assert not flow.cloud.running()


def test_without_a_token(flow: Flow) -> None:
    flow.write(Snakefile=ENDLESS)
    none = {"MODAL_TOKEN_ID": "", "MODAL_TOKEN_SECRET": "", "MODAL_CONFIG_PATH": "/dev/null"}
    done = flow.run(**none)
    assert done.returncode == 1
    assert "Modal does not let us in" in done.stdout
    assert "run `modal token new`" in done.stdout
    assert "Traceback" not in done.stdout
