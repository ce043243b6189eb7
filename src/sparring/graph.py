"""Snakemake's own graph of some targets, planned and open to be read; nothing runs."""

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from snakemake.api import SnakemakeApi
from snakemake.settings.enums import Quietness, RerunTrigger
from snakemake.settings.types import ConfigSettings, DAGSettings, OutputSettings, ResourceSettings, WorkflowSettings
from snakemake_interface_executor_plugins.settings import ExecMode


@contextlib.contextmanager
def graph(
    targets: Collection[str],
    *,
    snakefile: Path,
    configfiles: Sequence[Path] = (),
    config: Mapping[str, Any] | None = None,
    in_a_job: bool = False,
) -> Iterator[Any]:
    """Snakemake's workflow whose `dag` is that of `targets`. Raises its WorkflowError for what it cannot plan.

    config: as `--config` gives it. in_a_job: asked by a job of a run in the same folder, which holds the folder and has
    looked at what is outdated there.
    """
    triggers = frozenset({RerunTrigger.INPUT, RerunTrigger.MTIME, RerunTrigger.PARAMS})
    with SnakemakeApi(OutputSettings(dryrun=True, quiet={Quietness.ALL})) as api:
        opened = api.workflow(
            resource_settings=ResourceSettings(cores=1),
            config_settings=ConfigSettings(configfiles=list(configfiles), config=dict(config or {})),
            workflow_settings=WorkflowSettings(exec_mode=ExecMode.SUBPROCESS if in_a_job else ExecMode.DEFAULT),
            snakefile=snakefile,
        )
        opened.dag(DAGSettings(targets=set(targets), rerun_triggers=triggers))
        # The public API prints a plan but hands none out; Snakemake's version is pinned.
        workflow = opened._workflow
        workflow._prepare_dag(forceall=False, ignore_incomplete=True, lock_warn_only=True, nolock=in_a_job)
        workflow._build_dag()
        yield workflow
