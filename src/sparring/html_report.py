"""Snakemake's report of a study: the figures and pages that its rules mark for it, in one HTML file without links.

Snakemake shows pictures and HTML and offers everything else for download. Here a page of Markdown is shown, too, with
its pictures in it (sparring.html_page).
"""

import contextlib
import logging
import mimetypes
import tempfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger
from snakemake.report import auto_report
from snakemake.report.html_reporter import Reporter, ReportSettings
from snakemake.settings.types import GlobalReportSettings

from sparring.canonical import pretty_json
from sparring.errors import SparringError
from sparring.graph import graph
from sparring.html_page import html_page
from sparring.memo import read_action
from sparring.records import read_record
from sparring.store import Store, open_store

_SHORTEST = 0.1  # seconds: what the memo rounds to, and the axis is logarithmic


def write_report(study: Mapping[str, Any], targets: Collection[str], *, snakefile: Path, out: Path) -> Path:
    """Writes to `out` (.html) the report of all jobs that `targets`, files that are there, depend on; returns `out`.

    study: as its YAML gives it. Raises SparringError with Snakemake's reason, a missing caption say.
    """
    mimetypes.add_type("text/html", ".md")  # as what they are shown
    with tempfile.TemporaryDirectory() as folder:
        # JSON is YAML, too. One file with every key, so that nothing comes from the default study.
        configfile = Path(folder) / "study.json"
        configfile.write_bytes(pretty_json(study))
        settings = ReportSettings(path=out.absolute())
        try:
            with graph(targets, snakefile=snakefile, configfiles=[configfile], in_a_job=True) as workflow:
                logger.setLevel(logging.WARNING)
                plugin = SimpleNamespace(reporter=_Reporter)
                workflow.async_run(auto_report(workflow.dag, plugin, settings, GlobalReportSettings()))
        except WorkflowError as error:
            raise SparringError(f"Snakemake cannot make the report: {error}") from error
    return out


class _Reporter(Reporter):
    """Snakemake's, which reads the marked files by their relative paths: here from a folder where pages are HTML."""

    results: dict[Any, dict[Any, list[Any]]]  # category: subcategory: files

    def render(self) -> None:
        store = open_store()
        for job in self.jobs:
            if (seconds := _seconds(store, job.output)) is not None:
                job.starttime = job.endtime - max(seconds, _SHORTEST)
        self.results = {category: dict(sorted(parts.items())) for category, parts in sorted(self.results.items())}
        marked = [file for parts in self.results.values() for files in parts.values() for file in files]
        with tempfile.TemporaryDirectory() as folder:
            for file in marked:
                shown = Path(folder) / file.path
                shown.parent.mkdir(parents=True, exist_ok=True)
                if file.path.suffix == ".md":
                    shown.write_text(html_page(file.path), encoding="utf-8")
                else:
                    shown.symlink_to(file.path.absolute())
            with contextlib.chdir(folder):
                super().render()


def _seconds(store: Store, outputs: Sequence[str]) -> float | None:
    """What computing `outputs` took, by the memo: Snakemake only knows how long the memo took to answer."""
    for record in map(read_record, map(str, outputs)):
        if record and (action := read_action(store, record.action)) and "measured" in action:
            return float(action["measured"]["seconds"])
    return None
