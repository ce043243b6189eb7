"""One run at a time in a working directory, and what it planned: what a job asks before it computes and publishes.

Snakemake's own lock outlives a killed run and has to be taken away by hand; ours is the system's and dies with its
process, so that after `kill -9` the same command goes on. A job that outlives its run must publish nothing any more.
"""

import fcntl
import json
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from sparring.canonical import digest, pretty_json
from sparring.errors import SparringError
from sparring.memo import Action
from sparring.records import RECORDS

RUN_VARIABLE = "SPARRING_RUN"
_PLAN = "SPARRING_PLAN"


def hold_folder(folder: Path) -> IO[str]:
    """Makes this process the one run in the working directory `folder` while the returned file is open.

    Raises SparringError, naming the other process, where there is one.
    """
    path = folder / ".snakemake" / "run.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        raise SparringError(
            f"another run (process {file.read() or 'unknown'}) is at work in {folder.resolve()}; wait for it or stop it"
        ) from None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


def write_plan(specs: Mapping[str, Mapping[str, Any]]) -> None:
    """Notes a new run and the specs its jobs were planned with; the jobs find it through the environment."""
    path = RECORDS / "plan.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    run = uuid.uuid4().hex
    temporary = path.with_suffix(".part")
    temporary.write_bytes(pretty_json({"run": run, "specs": {job: digest(dict(spec)) for job, spec in specs.items()}}))
    temporary.replace(path)
    os.environ |= {_PLAN: str(path.resolve()), RUN_VARIABLE: run}


def check_planned(action: Action) -> None:
    """Refuses a job of a run that is no more, or whose code or study was edited since: it would mix two versions.

    Each job parses the Snakefile anew. Where no plan was named (a job started by hand) nothing is checked.
    """
    if _PLAN not in os.environ:
        return
    try:
        plan = json.loads(Path(os.environ[_PLAN]).read_bytes())
    except FileNotFoundError:
        raise SparringError("results/ was taken away during this run; run the same command again") from None
    if plan["run"] != os.environ.get(RUN_VARIABLE):
        raise SparringError("another run began in this folder since; this job's result is kept in the store alone")
    if plan["specs"].get(action.name) != digest(dict(action.spec)):
        raise SparringError("code or study was edited after this run began; run the same command again")
