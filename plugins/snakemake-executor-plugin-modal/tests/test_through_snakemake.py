"""What comes of jobs: outputs, failures, retries, secrets; each by the real client against the loopback."""

import hashlib
import os
from pathlib import Path

import pytest
from flows import SECRET, Flow
from loopback import TOKEN

STEPS = """
rule all:
    input: "joined.txt", "parts"

rule one:
    input: "data/words.txt"
    output: "counts/{name}.txt"
    log: "logs/{name}.log"
    benchmark: "benchmarks/{name}.tsv"
    threads: 1
    shell:
        "wc -w {input} > {output}; echo {wildcards.name} counted 2> {log} >&2; "
        "mkdir -p traces; echo left by {wildcards.name} > traces/{wildcards.name}"

rule joined:
    input: expand("counts/{name}.txt", name=["a", "b"])
    output: "joined.txt"
    script: "join.py"

rule parts:
    input: "joined.txt"
    output: directory("parts")
    shell: "mkdir -p {output}/deep; cp {input} {output}/x; cp notes/n {output}/deep/y; chmod +x {output}/deep/y"
"""
JOIN = """
import helper
open(snakemake.output[0], "w").write(helper.joined(snakemake.input))
"""
HELPER = "def joined(paths): return '|'.join(open(path).read() for path in paths)"


def _contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    names = ["joined.txt", *(f"counts/{name}.txt" for name in "ab"), "parts/x", "parts/deep/y", "logs/a.log"]
    return {name: ((folder / name).read_bytes(), (folder / name).stat().st_mode) for name in names}


def test_as_a_local_run(flow: Flow) -> None:
    (flow.folder / "data").mkdir()
    (flow.folder / "data" / "words.txt").write_text("a few words\n")
    flow.write(Snakefile=STEPS, join_py=JOIN, helper_py=HELPER)
    (flow.folder / "notes").mkdir()
    (flow.folder / "notes" / "n").write_text("read by a job that does not say so\n")
    done = flow.run("--modal-carry", "notes/*", "--modal-collect", "traces/*")
    assert done.returncode == 0, done.stdout
    assert not flow.cloud.running()
    assert len(flow.cloud.boxes) == 4
    assert (flow.folder / "traces" / "b").read_text() == "left by b\n"
    assert len(list(flow.cloud.volume().glob("sources/*"))) == 1
    assert (flow.folder / "benchmarks" / "a.tsv").is_file()
    remote = _contents(flow.folder)
    assert "Nothing to be done" in flow.run("-n").stdout
    again = flow.run("--forceall", local=True)
    assert again.returncode == 0, again.stdout
    assert _contents(flow.folder) == remote


def test_remote_traceback(flow: Flow) -> None:
    flow.write(
        Snakefile='rule a:\n  output: "a"\n  script: "fail.py"\n',
        fail_py="def inner():\n    raise ValueError('as I told you')\n\ninner()\n",
    )
    done = flow.run()
    assert done.returncode == 1
    assert "a-0 | ValueError: as I told you" in done.stdout
    assert "in inner" in done.stdout
    assert "Modal: its command ended with status 1" in done.stdout
    assert not flow.cloud.running()


def test_retries(flow: Flow) -> None:
    flow.write(
        Snakefile='rule a:\n  output: "a"\n  resources: turn=lambda w, attempt: attempt\n'
        '  shell: "test {resources.turn} = 2 && echo done > {output}"\n'
    )
    done = flow.run("--retries", "2")
    assert done.returncode == 0, done.stdout
    assert len(flow.cloud.boxes) == 2
    assert (flow.folder / "a").read_text() == "done\n"


def test_80_megabytes_up_and_down(flow: Flow) -> None:
    data = os.urandom(1 << 20) * 79 + bytes(1 << 20)  # its end is zeros, which Modal's client does not send
    (flow.folder / "big").write_bytes(data)
    flow.write(Snakefile='rule a:\n  input: "big"\n  output: "copy"\n  shell: "(cat {input}; echo) > {output}"\n')
    done = flow.run()
    assert done.returncode == 0, done.stdout
    digest = hashlib.sha256(data + b"\n").hexdigest()
    assert hashlib.sha256((flow.folder / "copy").read_bytes()).hexdigest() == digest


def test_what_a_job_asks_for(flow: Flow) -> None:
    (flow.folder / "other.lock").write_text("snakemake==9.27.1\n")
    flow.write(
        Snakefile='rule all:\n  input: "a", "b"\n'
        'rule a:\n  output: "a"\n  threads: 3\n  resources: gpu=2, gpu_model="A100-40GB", mem_mb=3000, runtime=7\n'
        '  shell: "touch {output}"\n'
        'rule b:\n  output: "b"\n  resources: modal_lock="other.lock", modal_venvs="/opt/own=env.lock"\n'
        '  shell: "touch {output}"\n'
    )
    done = flow.run("--modal-apt", "gcc,libc6-dev")
    assert done.returncode == 0, done.stdout
    asked = {box.tags["snakemake-job"].partition("-")[0]: box.request.definition for box in flow.cloud.boxes}
    resources = asked["a"].resources
    assert (resources.gpu_config.gpu_type, resources.gpu_config.count) == ("A100-40GB", 2)
    assert (resources.milli_cpu, resources.memory_mb, asked["a"].timeout_secs) == (3000, 3000, 420)
    assert not asked["b"].resources.gpu_config.gpu_type
    hashed, beside = (flow.cloud.images[asked[name].image_id].dockerfile_commands[-1] for name in "ab")
    assert hashed.startswith("RUN python -m pip install -r ")
    assert hashed.endswith("--require-hashes --no-deps")
    assert beside.endswith("--require-hashes --no-deps --ignore-installed --prefix /opt/own")
    built = "\n".join(line for image in flow.cloud.images.values() for line in image.dockerfile_commands)
    assert "RUN python -m venv --without-pip /opt/own" in built
    assert "apt-get install -y gcc libc6-dev" in built
    assert any("pip install" in line and "--require-hashes" not in line for line in built.splitlines())


@pytest.mark.parametrize(
    ("resources", "secrets", "line"),
    [
        ('gpu=1, gpu_model="A1000"', "hub", "a: gpu_model='A1000' is not known to Modal, which has T4, L4"),
        ("mem_mb=1", "hub,nobody", "Modal knows no secret 'nobody'"),
        ("mem_mb=1", "locked", "the secret 'locked' is refused: no access"),
    ],
)
def test_refused_in_one_line_before_anything_starts(flow: Flow, resources: str, secrets: str, line: str) -> None:
    flow.cloud.refused.add("locked")
    flow.write(Snakefile=f'rule a:\n  output: "a"\n  resources: {resources}\n  shell: "touch {{output}}"\n')
    done = flow.run("--modal-secrets", secrets)
    assert done.returncode == 1
    assert [said for said in done.stdout.splitlines() if line in said], done.stdout
    assert "Traceback" not in done.stdout
    assert not flow.cloud.boxes


def test_secrets_reach_the_job_and_nothing_else(flow: Flow) -> None:
    own = "a-value-of-ones-own"
    flow.write(
        Snakefile='envvars: "OWN_TOKEN"\nrule a:\n  output: "a"\n  log: "a.log"\n'
        '  shell: "printf %s $HUB_TOKEN $OWN_TOKEN | sha256sum > {output}; echo $OWN_TOKEN >&2"\n'
    )
    done = flow.run("--modal-secrets", "hub", "--verbose", OWN_TOKEN=own)
    assert done.returncode == 0, done.stdout
    assert (flow.folder / "a").read_text().split()[0] == hashlib.sha256((SECRET + own).encode()).hexdigest()
    said = [done.stdout, flow.cloud.asked()]
    for folder in (flow.folder, flow.cloud.volume(), flow.cloud.folder / "disks"):
        said += [path.read_bytes().decode(errors="replace") for path in folder.rglob("*") if path.is_file()]
    for value in (SECRET, own, *TOKEN.values()):
        assert not any(value in text for text in said)
    assert "a-0 | ***" in done.stdout  # the job itself printed it
