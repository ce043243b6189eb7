"""What the Snakefile asks of the library: read the study, and take back what is about to be re-derived.

The only module that knows Snakemake's own objects; nothing here prints, since `--dag` writes to standard output.
"""

import contextlib
import json
import os
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from snakemake.exceptions import WorkflowError
from snakemake_interface_executor_plugins.settings import ExecMode, SharedFSUsage

from sparring.errors import SparringError
from sparring.failures import failure
from sparring.memo import job_name
from sparring.order import note_order
from sparring.outdated import mark, outdated
from sparring.planned import named_files
from sparring.records import retract
from sparring.registry.keys import RULE
from sparring.runs import hold_folder, write_plan
from sparring.specs import Specs
from sparring.specs_base import reached_by
from sparring.store import open_store
from sparring.study import Study, read_study

_TRIES = "SPARRING_TRIES"
_MOST_TRIES = 3


def open_study(config: Mapping[str, Any], workflow: Any) -> tuple[Study, Specs]:
    """The validated study and its rules' specs. A mistake in the study ends the run before any job, in one line."""
    try:
        study = read_study(config)
    except SparringError as error:
        raise WorkflowError(str(error)) from None
    specs = Specs(study, Path(workflow.basedir))
    if workflow.exec_mode == ExecMode.DEFAULT:
        try:
            specs.follow_code()
            here = SharedFSUsage.INPUT_OUTPUT in workflow.storage_settings.shared_fs_usage
            mark(outdated(specs, open_store() if here else None))
        except SparringError as error:
            raise WorkflowError(str(error)) from None
    return study, specs


def known_runs(study: Study, workflow: Any) -> list[str]:
    """The results of the study's runs that are there, or asked for together with whatever asks. One that another study
    left under the same name is not there."""
    paths = [f"results/runs/{run}.json" for run in study.runs]
    wanted = set(workflow.dag_settings.targets)
    return [path for path in paths if path in wanted or _study_of(Path(path)) == study.name]


def _study_of(result: Path) -> str | None:
    try:
        return str(json.loads(result.read_bytes())["study"])
    except (OSError, ValueError, KeyError):
        return None


def one_of(names: Collection[str]) -> str:
    """A wildcard constraint that any of `names` meets, and nothing where there are none."""
    return "|".join(names) or "(?!)"


def start(workflow: Any) -> None:
    """Before the first job: retract every result about to be re-derived, with all that derives from it.

    Only in the process that the user started (each job parses the Snakefile too), and not under --touch.
    """
    if workflow.exec_mode != ExecMode.DEFAULT or workflow.touch:
        return
    jobs = [job for job in workflow.dag.needrun_jobs() if not job.rule.norun]
    try:
        workflow.held_by_this_run = hold_folder(Path.cwd())  # for as long as the process lives
        workflow.quarantined_before = open_store().quarantined()
        if any(job.resources.get("bigger_gpus") for job in jobs):
            from sparring.given_cards import give_cards  # imports more than a run on this machine needs

            give_cards(workflow, lambda line: print(line, file=sys.stderr))
        retract(str(path) for job in jobs for path in job.output)
        write_plan({job_name(job.rule.name, job.wildcards_dict): job.params.spec for job in jobs})
        note_order({str(path): _waits_for(job) for job in jobs for path in job.output})
    except SparringError as error:
        raise WorkflowError(str(error)) from None
    except OSError as error:
        raise WorkflowError(f"results/ cannot be renewed ({error}); make the folder writable") from None


def _waits_for(job: Any) -> list[str]:
    read = set(named_files(job.input).values())
    return [str(path) for path in job.input if Path(path) not in read]


def mend(workflow: Any) -> None:
    """After a failed run: if a job met a damaged object, the same command once more, which makes the object anew.

    What the run computed is in the store, so nothing of it is computed twice. Otherwise each of the study's runs that
    could not be made gets its row.
    """
    if workflow.exec_mode != ExecMode.DEFAULT:
        return
    damaged = open_store().quarantined() - getattr(workflow, "quarantined_before", frozenset())
    tries = int(os.environ.get(_TRIES, "0"))
    # Snakemake inside another program is not ours to start again.
    ours = "snakemake" in (Path(sys.argv[0]).name, Path(sys.argv[0]).parent.name)
    if not damaged or tries == _MOST_TRIES or not ours:
        with contextlib.suppress(OSError):  # a full disk has stopped the run already
            _keep_failed(workflow)
        return
    print(
        f"\ndamaged, now in quarantine: {', '.join(sorted(damaged))}; starting over to make it anew\n", file=sys.stderr
    )
    sys.stderr.flush()
    os.environ[_TRIES] = str(tries + 1)
    os.chdir(workflow.rundir)  # where the command was typed: its relative paths hold there
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def _keep_failed(workflow: Any) -> None:
    """Keeps a row for each of the study's runs that was to be made and whose jobs failed, with their reasons."""
    for job in workflow.dag.needrun_jobs():
        if job.rule.name != RULE or Path(job.output.result).is_file():
            continue
        before = _upstream(workflow.dag, job)
        names = [job_name(one.rule.name, one.wildcards_dict) for one in (*before, job)]
        reasons = [f"{name}: {reason}" for name in names if (reason := failure(name))]
        if reasons:
            from sparring.registry.failed import keep_failed  # imports more than a parse needs

            # As the memo's records name them, whose wildcards are sorted.
            specs = {
                job_name(one.rule.name, dict(sorted(one.wildcards_dict.items()))): dict(one.params.spec)
                for one in before
            }
            root = Path(workflow.basedir)
            reached = [reached_by(root, spec["script"]) for spec in specs.values()]
            code = {name: digest for one in reached for name, digest in one.items()}
            keep_failed(open_store(), dict(job.params.spec), specs, reasons, code=code, checkout=root)


def _upstream(dag: Any, job: Any) -> list[Any]:
    """All jobs whose results `job` rests on: not those that only have to come first."""
    found: list[Any] = []
    wanted = [job]
    while wanted:
        one = wanted.pop()
        read = {str(path) for path in named_files(one.input).values()}
        more = [up for up, files in dag.dependencies[one].items() if read.intersection(map(str, files))]
        found += (fresh := [up for up in more if up not in found])
        wanted += fresh
    return sorted(found, key=lambda one: (one.rule.name, *one.wildcards))
