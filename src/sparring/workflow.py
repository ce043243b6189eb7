"""What the Snakefile asks of the library: read the study, and take back what is about to be re-derived.

The only module that knows Snakemake's own objects; nothing here prints, since `--dag` writes to standard output.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from snakemake.exceptions import WorkflowError
from snakemake_interface_executor_plugins.settings import ExecMode

from sparring.errors import SparringError
from sparring.memo import job_name
from sparring.records import retract
from sparring.runs import hold_folder, write_plan
from sparring.specs import Specs
from sparring.study import Study, read_study


def open_study(config: Mapping[str, Any], workflow: Any) -> tuple[Study, Specs]:
    """The validated study and its rules' specs. A mistake in the study ends the run before any job, in one line."""
    try:
        study = read_study(config)
    except SparringError as error:
        raise WorkflowError(str(error)) from None
    return study, Specs(study, Path(workflow.basedir))


def start(workflow: Any) -> None:
    """Before the first job: retract every result about to be re-derived, with all that derives from it.

    Only in the process that the user started (each job parses the Snakefile too), and not under --touch.
    """
    if workflow.exec_mode != ExecMode.DEFAULT or workflow.touch:
        return
    try:
        workflow.held_by_this_run = hold_folder(Path.cwd())  # for as long as the process lives
    except SparringError as error:
        raise WorkflowError(str(error)) from None
    jobs = [job for job in workflow.dag.needrun_jobs() if not job.rule.norun]
    retract(str(path) for job in jobs for path in job.output)
    write_plan({job_name(job.rule.name, job.wildcards_dict): job.params.spec for job in jobs})
