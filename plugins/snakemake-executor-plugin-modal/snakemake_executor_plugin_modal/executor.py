"""The executor: Snakemake's jobs to sandboxes, one thread each, and no sandbox left behind."""

import hashlib
import threading
import time
import uuid
from collections.abc import AsyncGenerator
from concurrent.futures import Future
from importlib.resources import files
from pathlib import Path
from typing import Any

from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.executors.real import RealExecutor
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor

from snakemake_executor_plugin_modal.cloud import Cloud
from snakemake_executor_plugin_modal.remote_job import JobFailed, Order, RemoteJob
from snakemake_executor_plugin_modal.request import read_request
from snakemake_executor_plugin_modal.settings import listed, variables
from snakemake_executor_plugin_modal.sources import pack

_PATIENCE = 60  # seconds for threads to notice that their sandboxes have been ended


class Executor(RemoteExecutor):
    """One run. Before the first job everything that can be checked is: cards, lock files, secrets, the way to Modal."""

    def __post_init__(self) -> None:
        self.next_seconds_between_status_checks = 0.5  # only looks whether a thread has ended
        self._running: dict[threading.Thread, RemoteJob] = {}
        self._started = 0
        self._beside = Path(self.workflow.main_snakefile).parent
        variables(self.executor_settings.env)
        self._secret_values = [value for value in self.envvars().values() if len(value) > 5]
        jobs = [job for job in self.workflow.dag.needrun_jobs() if not job.is_local]
        for job in jobs:
            read_request(job.name, 1, _known(job), self.executor_settings, self._beside)
        run = uuid.uuid4().hex[:12]
        self._logs = Path(".snakemake/modal") / run
        self._cloud: Cloud | None = None
        if jobs:
            self._cloud = self._open(run)

    def _open(self, run: str) -> Cloud:
        dag = self.workflow.dag
        sources = pack(
            Path(self.workflow.main_snakefile),
            Path.cwd(),
            [Path(path) for path in self.workflow.overwrite_configfiles],
            [Path(path) for job in dag.jobs for path in [*job.output, *job.log]],
        )
        runner = (files(__package__) / "runner.py").read_bytes()
        self._places = {
            "runner": f"runner/{hashlib.sha256(runner).hexdigest()}.py",
            "sources": f"sources/{sources.digest}.tar",
            "root": sources.root,
            "workdir": sources.workdir,
        }
        cloud = Cloud(self.executor_settings, run, self.envvars())
        cloud.files.put({self._places["runner"]: runner, self._places["sources"]: sources.archive})
        self.logger.info(f"Modal run {run} (if killed: `python -m snakemake_executor_plugin_modal sweep {run}`)")
        return cloud

    def run_job(self, job: Any) -> None:
        """Submits one job, or one group, and returns at once."""
        assert self._cloud is not None
        self._started += 1
        name = f"{job.name}-{job.jobid}"
        logs = [str(path) for path in job.log]
        singles = job.jobs if job.is_group() else [job]
        order = Order(
            name=name,
            request=read_request(name, job.threads, job.resources, self.executor_settings, self._beside),
            command=self.format_job_exec(job),
            inputs=tuple(map(str, job.input)),
            outputs=tuple(map(str, job.output)),
            always=(*logs, *(str(one.benchmark) for one in singles if one.benchmark)),
            carry=listed(self.executor_settings.carry),
            collect=listed(self.executor_settings.collect),
            env=variables(self.executor_settings.env),
            **self._places,
        )
        log = self._logs / f"{name}.{self._started}.log"
        remote = RemoteJob(self._cloud, order, self._started, log, self.logger.info, self._secret_values)
        future: Future[None] = Future()
        info = SubmittedJobInfo(job, external_jobid=f"{self._cloud.run}/{self._started}", aux={"future": future})
        info.aux["log"] = log
        thread = threading.Thread(target=self._live, args=(remote, future), name=name, daemon=True)
        self._running[thread] = remote
        self.report_job_submission(info)
        thread.start()

    def _live(self, remote: RemoteJob, future: "Future[None]") -> None:
        try:
            remote.run(self.executor_settings.preemptions)
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(None)

    async def check_active_jobs(self, active_jobs: list[SubmittedJobInfo]) -> AsyncGenerator[SubmittedJobInfo, None]:
        """Reports the jobs whose threads have ended; yields the others."""
        for info in active_jobs:
            future = info.aux["future"]
            if not future.done():
                yield info
            elif (error := future.exception()) is None:
                self.report_job_success(info)
            else:
                reason = str(error) if isinstance(error, JobFailed) else f"{type(error).__name__}: {error}"
                self.report_job_error(info, msg=f"Modal: {reason}. ", aux_logs=[str(info.aux["log"])])

    def cancel_jobs(self, active_jobs: list[SubmittedJobInfo]) -> None:
        """Ends every sandbox of the run, those being made too."""
        self._end()

    def shutdown(self) -> None:
        """Ends what is left; a run that went well has nothing left."""
        self._end()
        super().shutdown()

    def _end(self) -> None:
        for remote in self._running.values():
            remote.stop()
        end = time.monotonic() + _PATIENCE
        while self._cloud is not None:
            try:
                self._cloud.end_all()
            except Exception as error:
                self.logger.error(f"Modal: sandboxes may be left ({error}); sweep the run {self._cloud.run}")
            if time.monotonic() > end or not any(thread.is_alive() for thread in self._running):
                return
            time.sleep(0.3)

    def get_job_args(self, job: Any) -> str:
        """As for any real executor, with the cores that the sandbox has; there are no shared files to wait for."""
        return str(RealExecutor.get_job_args(self, job, cores=job.threads))

    def additional_general_args(self) -> str:
        """The working directory is where the sandbox put the job, whatever --directory says here."""
        return "--directory . --quiet progress rules host"


def _known(job: Any) -> dict[str, Any]:
    # Resources that are functions of inputs not made yet are checked when the job starts.
    try:
        return dict(job.resources.items())
    except (WorkflowError, OSError):
        return {}
