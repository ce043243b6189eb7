"""Run in a sandbox, from the Volume: sets one job up on the sandbox's own disk, runs it, keeps what it gave.

Needs nothing but Python. All paths it is told are relative to the Volume or to the job's folder.

    python MOUNT/runner/DIGEST.py MOUNT jobs/RUN/JOB.json
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path


def main(mount: str, spec_path: str) -> int:
    """Returns the exit status of the job's command; `result` of the spec names where the outcome is written."""
    volume = Path(mount).resolve()
    spec = json.loads((volume / spec_path).read_text())
    with tempfile.TemporaryDirectory(prefix="snakemake-job-") as folder:
        base = Path(folder).resolve()
        with tarfile.open(volume / spec["sources"]) as tar:
            tar.extractall(base)
        work = base / spec["workdir"]
        work.mkdir(parents=True, exist_ok=True)
        for path, content in spec["inputs"].items():
            (work / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(volume / content, work / path)
        places = {"{volume}": str(volume), "{sources}": str(base / spec["root"]), "{disk}": folder}
        environment = {name: _placed(value, places) for name, value in spec["env"].items()}
        done = subprocess.run(
            ["/bin/bash", "-c", spec["command"]],
            cwd=work,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr,
        )
        names = spec["always"] + (spec["outputs"] if done.returncode == 0 else [])
        globs = [found for pattern in spec["collect"] for found in work.glob(pattern)]
        kept = {}
        for path in [work / name for name in names] + globs:
            for file in path.rglob("*") if path.is_dir() else [path]:
                if file.is_file():
                    kept[file.relative_to(work).as_posix()] = _keep(volume, file)
        _place(volume / spec["result"], json.dumps({"status": done.returncode, "files": kept}).encode())
    if os.path.ismount(volume):
        subprocess.run(["sync", str(volume)])  # commits a Volume
    return done.returncode if done.returncode >= 0 else 128 - done.returncode


def _placed(text: str, places: dict[str, str]) -> str:
    for name, place in places.items():
        text = text.replace(name, place)
    return text


def _keep(volume: Path, file: Path) -> list[object]:
    digest = hashlib.sha256()
    with file.open("rb") as opened:
        while block := opened.read(1 << 20):
            digest.update(block)
    name = digest.hexdigest()
    target = volume / "files" / name[:2] / name
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{name}.{os.urandom(4).hex()}")
        shutil.copyfile(file, temporary)
        temporary.replace(target)
    return [name, file.stat().st_size, file.stat().st_mode & 0o777]


def _place(target: Path, data: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.part")
    temporary.write_bytes(data)
    temporary.replace(target)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
