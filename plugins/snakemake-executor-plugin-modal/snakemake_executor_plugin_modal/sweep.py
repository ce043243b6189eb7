"""Ends the sandboxes that a killed Snakemake left at work: they would live until their timeout."""

import argparse
import sys

from snakemake_interface_common.exceptions import WorkflowError

from snakemake_executor_plugin_modal.cloud import end_sandboxes, open_app, open_modal


def sweep(run: str | None, app: str = "snakemake") -> list[str]:
    """Terminates the sandboxes of `run`, or with None of every run of the app; returns their ids."""
    modal = open_modal()
    return end_sandboxes(modal, open_app(modal, app, make=False), run)


def main(arguments: list[str] | None = None, name: str = "python -m snakemake_executor_plugin_modal") -> int:
    """`sweep RUN` or `sweep --all`, as the program called `name`; the exit status."""
    parser = argparse.ArgumentParser(prog=name, description=__doc__)
    command = parser.add_subparsers(required=True).add_parser("sweep", help=__doc__)
    which = command.add_mutually_exclusive_group(required=True)
    which.add_argument("run", nargs="?", metavar="RUN", help="the run id that the run printed when it began")
    which.add_argument("--all", action="store_true", help="of every run, those still watched by a Snakemake too")
    command.add_argument("--app", default="snakemake", help="as in --modal-app")
    options = parser.parse_args(arguments)
    try:
        ended = sweep(None if options.all else options.run, options.app)
    except WorkflowError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 1
    print(f"{len(ended)} sandboxes ended" + "".join(f"\n{name}" for name in ended))
    return 0
