"""The settings of the plugin, as `--modal-NAME` on the command line or `modal-name` in a profile."""

import os
import sys
from dataclasses import dataclass, field
from typing import Optional

from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_executor_plugins.settings import ExecutorSettingsBase

# `str | None` cannot be read by Snakemake's argument parser.
_Text = Optional[str]  # noqa: UP045


@dataclass
class ExecutorSettings(ExecutorSettingsBase):
    """What a run asks of Modal beyond each job's resources. Lists are comma separated."""

    lock: _Text = field(
        default=None,
        metadata={
            "help": "Lock file(s) that the image is built from, comma separated, each installed by pip: with "
            "--require-hashes --no-deps where it has hashes. They have to hold snakemake. The resource modal_lock "
            "overrides this for a rule."
        },
    )
    image: _Text = field(
        default=None,
        metadata={"help": "An image of a registry, instead of a lock file; the resource modal_image likewise."},
    )
    python: _Text = field(
        default=f"{sys.version_info.major}.{sys.version_info.minor}",
        metadata={"help": "Python version of an image built from a lock file (default: the one you run)."},
    )
    apt: _Text = field(
        default=None,
        metadata={"help": "Debian packages of an image built from lock files, comma separated: a compiler, say."},
    )
    venvs: _Text = field(
        default=None,
        metadata={
            "help": "Virtual environments beside the image's own, FOLDER=LOCKFILE, comma separated: for programs that "
            "a job starts. The resource modal_venvs overrides this for a rule."
        },
    )
    secrets: _Text = field(
        default=None,
        metadata={"help": "Names of Modal secrets that every job gets as environment variables, comma separated."},
    )
    env: _Text = field(
        default=None,
        metadata={
            "help": "Environment variables of every job, comma separated: NAME=VALUE, or NAME alone to hand yours on; "
            "{volume}, {sources} and {disk} stand for the folders of the Volume, of the workflow's sources, and of the "
            "job on the sandbox's own disk. Not for secrets: they are written down."
        },
    )
    carry: _Text = field(
        default=None,
        metadata={"help": "Files that every job gets beside its inputs, if they are there: globs, comma separated."},
    )
    collect: _Text = field(
        default=None,
        metadata={"help": "Files that jobs leave beside their outputs and that come back too: globs, comma separated."},
    )
    volume: _Text = field(default="snakemake", metadata={"help": "Name of the Modal Volume (v2); made if missing."})
    mount: _Text = field(default="/snakemake", metadata={"help": "Where the Volume is mounted in a sandbox."})
    app: _Text = field(default="snakemake", metadata={"help": "Name of the Modal app that owns the sandboxes."})
    preemptions: int = field(
        default=3,
        metadata={"help": "How often a job is started again that Modal ended, not its own failure (beside --retries)."},
    )


def listed(text: str | None) -> list[str]:
    """The entries of a comma separated setting."""
    return [entry for part in (text or "").split(",") if (entry := part.strip())]


def variables(text: str | None) -> dict[str, str]:
    """The setting `env` by name; NAME alone is as it stands in the environment now. WorkflowError for another entry."""
    pairs, known = [entry.partition("=") for entry in listed(text)], os.environ
    for name, _, value in pairs:
        if not name.isidentifier():
            raise WorkflowError(f"--modal-env: {name}={value} is neither NAME=VALUE nor NAME")
    return {name: value if equals else known[name] for name, equals, value in pairs if equals or name in os.environ}
