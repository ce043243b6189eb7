"""The jobs that a target takes, as Snakemake plans them: rule, spec, wildcards, named files; nothing runs."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sparring.memo import job_name


@dataclass(frozen=True)
class PlannedJob:
    """One job of the graph. Inputs and outputs are paths relative to the working directory, by name.

    resources: as its rule and Snakemake's command line have them. benchmark: where Snakemake writes its time.
    stage: the name of the rules file.
    """

    rule: str
    spec: Mapping[str, Any]
    wildcards: Mapping[str, str]
    inputs: Mapping[str, Path]
    outputs: Mapping[str, Path]
    scheduled: bool
    threads: int = 1
    resources: Mapping[str, Any] = field(default_factory=dict)
    benchmark: Path | None = None
    stage: str = ""

    @property
    def name(self) -> str:
        """As in logs and records: the rule and its wildcards' values."""
        return job_name(self.rule, self.wildcards)


def named_files(files: Any) -> dict[str, Path]:
    """Snakemake's named inputs or outputs by name; a list called `x` becomes x.0, x.1, ...

    An input called `after_...` only says what has to come first: a job does not read it, so it is left out.
    """
    named: dict[str, Path] = {}
    for name, value in files.items():
        if name.startswith("after_"):
            continue
        if isinstance(value, str):
            named[name] = Path(value)
        else:
            named |= {f"{name}.{index}": Path(path) for index, path in enumerate(value)}
    return named


def planned_jobs(
    targets: Collection[str],
    *,
    snakefile: Path,
    configfiles: Sequence[Path] = (),
    config: Mapping[str, Any] | None = None,
) -> list[PlannedJob]:
    """The jobs `targets` depend on, each after those it needs; `scheduled` tells what Snakemake itself would launch.

    config: as `--config` gives it. Raises Snakemake's WorkflowError for a mistake in the study or an unknown target.
    """
    from sparring.graph import graph  # opens Snakemake, which no job does but the report's

    with graph(targets, snakefile=snakefile, configfiles=configfiles, config=config) as workflow:
        return jobs_of(workflow.dag)


def jobs_of(dag: Any) -> list[PlannedJob]:
    """The jobs of Snakemake's graph, each after those it needs."""
    return [
        PlannedJob(
            rule=job.rule.name,
            spec=dict(job.params.spec),
            wildcards=dict(job.wildcards.items()),
            inputs=named_files(job.input),
            outputs=named_files(job.output),
            scheduled=dag.needrun(job),
            threads=job.threads,
            resources=_plain(job.resources),
            benchmark=Path(job.benchmark) if job.benchmark else None,
            stage=Path(job.rule.snakefile).stem,
        )
        for level in dag.toposorted()
        for job in sorted(level, key=lambda job: (job.rule.name, *job.wildcards))
        if not job.rule.norun
    ]


def _plain(resources: Any) -> dict[str, Any]:
    return {name: value for name, value in resources.items() if isinstance(value, int | float | str)}
