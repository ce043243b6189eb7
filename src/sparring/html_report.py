"""Snakemake's report of a study: the figures and pages that its rules mark for it, in one HTML file without links.

Snakemake shows pictures and HTML and offers everything else for download. Here a page of Markdown is shown, too, with
its pictures in it (sparring.html_page).
"""

import contextlib
import mimetypes
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from snakemake.report import auto_report
from snakemake.report.html_reporter import Reporter, ReportSettings
from snakemake.settings.types import GlobalReportSettings

from sparring.canonical import pretty_json
from sparring.html_page import html_page
from sparring.graph import graph


def write_report(study: Mapping[str, Any], targets: Collection[str], *, snakefile: Path, out: Path) -> Path:
    """Writes to `out` (.html) the report of all jobs that `targets`, files that are there, depend on; returns `out`.

    study: as its YAML gives it.
    """
    mimetypes.add_type("text/html", ".md")  # as what they are shown
    with tempfile.TemporaryDirectory() as folder:
        # As JSON, which is YAML, too; and as the one configuration file, so that nothing is taken from the default study.
        configfile = Path(folder) / "study.json"
        configfile.write_bytes(pretty_json(study))
        with graph(targets, snakefile=snakefile, configfiles=[configfile], in_a_job=True) as workflow:
            workflow.async_run(
                auto_report(
                    workflow.dag,
                    SimpleNamespace(reporter=_Reporter),
                    ReportSettings(path=out.absolute()),
                    GlobalReportSettings(),
                )
            )
    return out


class _Reporter(Reporter):
    """Snakemake's, which reads the marked files by their relative paths: here from a folder where pages are HTML."""

    def render(self) -> None:
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
