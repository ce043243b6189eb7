"""The parts that need no cloud: requests, settings, sources, the runner."""

import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
from flows import PLUGIN
from snakemake_executor_plugin_modal import runner, sources
from snakemake_executor_plugin_modal.request import known_gpus, read_request
from snakemake_executor_plugin_modal.settings import ExecutorSettings, variables
from snakemake_executor_plugin_modal.sources import pack
from snakemake_interface_common.exceptions import WorkflowError


def _asked(folder: Path, lock: str | None = "env.lock", threads: int = 1, **resources: Any) -> Any:
    (folder / "env.lock").touch()
    settings = ExecutorSettings(lock=lock, apt="gcc, git", venvs="/opt/one=env.lock")
    return read_request("a", threads, resources, settings, folder)


def test_request(tmp_path: Path) -> None:
    asked = _asked(tmp_path, threads=3, gpu=1, gpu_model="a100-40gb", mem_mb=2000, runtime=5)
    assert (asked.gpu, asked.cpu, asked.memory, asked.timeout) == ("A100-40GB:1", 3.0, 2000, 300)
    assert asked.image.locks == (tmp_path / "env.lock",)
    assert asked.image.packages == ("gcc", "git")
    assert asked.image.venvs == (("/opt/one", tmp_path / "env.lock"),)
    (tmp_path / "other.lock").touch()
    other = _asked(tmp_path, modal_venvs="/opt/two=other.lock,/opt/three=env.lock").image.venvs
    assert other == (("/opt/two", tmp_path / "other.lock"), ("/opt/three", tmp_path / "env.lock"))
    assert _asked(tmp_path).gpu is None
    assert _asked(tmp_path, gpu=0, gpu_model="nonsense").gpu is None
    assert _asked(tmp_path, runtime=10**6).timeout == 24 * 3600
    assert _asked(tmp_path, modal_image="python:3.12").image.reference == "python:3.12"


@pytest.mark.parametrize(
    ("resources", "line"),
    [
        ({"gpu": 1, "gpu_model": "A1000"}, "a: gpu_model='A1000' is not known to Modal, which has "),
        ({"gpu": 1}, "a: gpu=1 without gpu_model; Modal has "),
        ({"gpu": 9, "gpu_model": "L4"}, "a: gpu=9; a sandbox has 1 to 8 of L4"),
        ({"modal_lock": "nowhere.lock"}, "nowhere.lock is not here"),
        ({"lock": None}, "a: no image; name a lock file"),
        ({"modal_venvs": "scorer.lock"}, "a: --modal-venvs: scorer.lock is not /FOLDER=LOCKFILE"),
        (
            {"modal_venvs": "/opt/x=nowhere.lock"},
            "nowhere.lock is not here; mend --modal-venvs or resource modal_venvs",
        ),
    ],
)
def test_refused(tmp_path: Path, resources: dict[str, Any], line: str) -> None:
    with pytest.raises(WorkflowError) as refused:
        _asked(tmp_path, **resources)
    assert line in str(refused.value)
    if "Modal h" in line:
        assert str(refused.value).endswith(", ".join(known_gpus()))


def test_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OURS", "3")
    assert variables("A=1, B={volume}/x=y ,OURS,NOBODYS") == {"A": "1", "B": "{volume}/x=y", "OURS": "3"}
    with pytest.raises(WorkflowError, match="a b=1 is neither NAME=VALUE nor NAME"):
        variables("a b=1")


def _workflow(folder: Path) -> Path:
    (folder / "rules").mkdir(parents=True)
    (folder / "Snakefile").write_text("include: 'rules/a.smk'\n")
    (folder / "rules" / "a.smk").write_text("rule a\n")
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    (folder / "link").symlink_to("rules")
    return folder


def _packed(folder: Path, outputs: tuple[str, ...] = (), extra: tuple[Path, ...] = ()) -> tuple[set[str], Any]:
    packed = pack(folder / "Snakefile", folder, extra, [Path(path) for path in outputs])
    with tarfile.open(fileobj=io.BytesIO(packed.archive)) as tar:
        return set(tar.getnames()), packed


WORKFLOW = {"Snakefile", "rules/a.smk", "run.sh", "link"}


def test_sources_are_named_by_content(tmp_path: Path) -> None:
    first, second = _workflow(tmp_path / "x"), _workflow(tmp_path / "y" / "z")
    os.utime(second / "Snakefile", (1, 1))
    names, packed = _packed(first)
    assert names == WORKFLOW
    assert packed.digest == _packed(second)[1].digest
    (second / "rules" / "a.smk").write_text("rule b\n")
    assert packed.digest != _packed(second)[1].digest


def test_sources_without_what_jobs_make_or_git_ignores(tmp_path: Path) -> None:
    folder = _workflow(tmp_path / "x")
    (folder / "made.txt").touch()
    assert _packed(folder, ("made.txt",))[0] == WORKFLOW
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    (folder / ".gitignore").write_text("ignored\n")
    (folder / "ignored").touch()
    (folder / "deleted").touch()
    subprocess.run(["git", "add", "."], cwd=folder, check=True)
    (folder / "deleted").unlink()
    (folder / "new.py").touch()
    assert _packed(folder, ("made.txt",))[0] == WORKFLOW | {".gitignore", "new.py"}


def test_sources_with_a_config_file_from_elsewhere(tmp_path: Path) -> None:
    folder = _workflow(tmp_path / "x")
    (tmp_path / "study.yaml").touch()
    names, packed = _packed(folder, extra=(tmp_path / "study.yaml",))
    assert names == {f"x/{name}" for name in WORKFLOW} | {"study.yaml"}
    assert (packed.root, packed.workdir) == ("x", "x")


def test_data_is_no_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = _workflow(tmp_path / "x")
    (folder / "data.bin").write_bytes(bytes(1000))
    monkeypatch.setattr(sources, "_LARGEST", 900)
    with pytest.raises(WorkflowError, match=r"data\.bin is the largest"):
        _packed(folder)


def test_runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner.tempfile, "tempdir", str(tmp_path))
    volume = tmp_path / "volume"
    volume.mkdir()
    (volume / "in").write_text("4")
    (volume / "sources.tar").write_bytes(_packed(_workflow(tmp_path / "x"))[1].archive)
    spec = {
        "command": 'test $PLACE = $PWD && mkdir more && cp deep/in out && echo x > more/m && exit "$(cat out)"',
        "sources": "sources.tar",
        "root": ".",
        "workdir": ".",
        "inputs": {"deep/in": "in"},
        "outputs": ["out"],
        "always": ["a.log"],
        "collect": ["more/*"],
        "env": {"PLACE": "{sources}"},
        "result": "jobs/1.result.json",
    }
    (volume / "job.json").write_text(json.dumps(spec))
    assert runner.main(str(volume), "job.json") == 4
    result = json.loads((volume / "jobs" / "1.result.json").read_text())
    assert result["status"] == 4
    assert list(result["files"]) == ["more/m"]  # a failed job's outputs stay behind
    digest, size, _ = result["files"]["more/m"]
    assert (volume / "files" / digest[:2] / digest).read_text() == "x\n"
    assert size == 2


def test_pip_fills_an_environment_beside_its_own(tmp_path: Path) -> None:
    """What cloud.py builds images with: a package that pip's own environment has lands in the other one, too."""
    wheel, lock = tmp_path / "wheels" / "modal-9-py3-none-any.whl", tmp_path / "own.lock"
    wheel.parent.mkdir()
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("modal.py", "mine = True")
        archive.writestr("modal-9.dist-info/METADATA", "Metadata-Version: 2.1\nName: modal\nVersion: 9\n")
        archive.writestr("modal-9.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("modal-9.dist-info/RECORD", "")
    lock.write_text(f"modal==9 --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n")
    own = tmp_path / "own"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", own], check=True)
    options = ["--require-hashes", "--no-deps", "--ignore-installed", "--prefix", own, "--no-index", "-f", wheel.parent]
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", "-r", lock, *options], check=True)
    asked = [own / "bin" / "python", "-c", "import modal; assert modal.mine"]
    subprocess.run(asked, check=True, env={"PATH": os.environ["PATH"]})


def test_modal_is_imported_for_jobs_alone() -> None:
    # Snakemake imports every plugin at every start; Modal's client takes a second.
    code = "import sys, snakemake_executor_plugin_modal; sys.exit('modal' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(PLUGIN)}, check=True)
