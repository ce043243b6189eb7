"""The `sparring` command: why, plan, cost, runs, diff, verify, gc, store, scorer-env, modal; run by the Snakefile."""

import argparse
import sys
from pathlib import Path

import yaml

from sparring.canonical import pretty_json
from sparring.cost.commands import add_options, place_of, run_cost, run_plan
from sparring.errors import SparringError
from sparring.exchange.commands import add_commands
from sparring.llm.plan import SCORER_LOCK
from sparring.llm.scorer_env import build
from sparring.planned import PlannedJob, planned_jobs
from sparring.registry.plan import STATUSES
from sparring.store import open_store


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run_command(options))
    except SparringError as error:
        print(f"sparring: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="sparring", description="Questions about runs, and upkeep of the store.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    why = commands.add_parser("why", help="which jobs a target would run, and the reason for each; nothing runs")
    why.add_argument("--dot", action="store_true", help="the same as a coloured graph for `dot`")
    _add_graph(why)
    why.set_defaults(run_command=_why)
    plan = commands.add_parser("plan", help="hours, cards, memory and dollars of a target, before anything runs")
    add_options(plan)
    _add_graph(plan)
    plan.set_defaults(run_command=lambda options: run_plan(options, place_of(options), _planned(options)))
    cost = commands.add_parser("cost", help="what the jobs of a target took and cost, and what the memo saved")
    cost.add_argument("--write", action="store_true", help="also write results/ledger.json and results/ledger.md")
    add_options(cost)
    _add_graph(cost)
    cost.set_defaults(run_command=lambda options: run_cost(options, place_of(options), _planned(options)))
    runs = commands.add_parser("runs", help="the runs of studies that the store keeps, with status and figures")
    runs.add_argument("run", nargs="*", default=["*"], metavar="RUN", help="only these; * stands for any characters")
    runs.add_argument("--study", default="*", help="only of this study")
    runs.add_argument("--status", choices=STATUSES, action="append", help="only those")
    runs.add_argument("--json", action="store_true", help="everything that is known of them")
    runs.set_defaults(run_command=_runs)
    diff = commands.add_parser("diff", help="what tells two runs apart: study, code, inputs, figures")
    diff.add_argument("first", metavar="A", help="the start of an action's or a result's digest, or a git revision")
    diff.add_argument("second", metavar="B")
    diff.add_argument("--repository", type=Path, default=Path(), help="the checkout that knows the revisions")
    diff.set_defaults(run_command=_diff)
    verify = commands.add_parser("verify", help="re-hash the store; damaged objects are named and quarantined")
    verify.set_defaults(run_command=_verify)
    gc = commands.add_parser("gc", help="delete what no result needs any more")
    gc.add_argument("--dry-run", action="store_true", help="say what would go")
    gc.add_argument("--keep-days", type=float, default=7.0, metavar="N", help="keep everything younger (default 7)")
    gc.set_defaults(run_command=_gc)
    add_commands(commands.add_parser("store", help="what stands behind results, between this store and another"))
    scorer = commands.add_parser("scorer-env", help="make the environment of vLLM ahead, for nodes without a network")
    scorer.add_argument("lock", nargs="?", type=Path, default=Path(SCORER_LOCK), help=f"default {SCORER_LOCK}")
    scorer.set_defaults(run_command=_scorer_env)
    modal = commands.add_parser("modal", help="what a run on Modal left behind: `sweep RUN` or `sweep --all` ends it")
    modal.add_argument("arguments", nargs=argparse.REMAINDER)
    modal.set_defaults(run_command=_modal)
    return parser


def _add_graph(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("target", nargs="+")
    parser.add_argument(
        "--configfile", type=Path, action="extend", nargs="+", default=[], help="a study other than config/config.yaml"
    )
    parser.add_argument("--config", action="append", default=[], metavar="KEY=VALUE", help="as for snakemake")
    parser.add_argument("--snakefile", type=Path, default=Path("Snakefile"))


def _scorer_env(options: argparse.Namespace) -> int:
    print(build(options.lock))
    return 0


def _modal(options: argparse.Namespace) -> int:
    try:
        from snakemake_executor_plugin_modal.sweep import main as sweep
    except ImportError:
        raise SparringError("the Modal executor is not installed; run `make env`") from None
    return int(sweep(options.arguments, "sparring modal"))


def _planned(options: argparse.Namespace) -> list[PlannedJob]:
    from snakemake.exceptions import WorkflowError

    if not options.snakefile.is_file():
        raise SparringError(f"no {options.snakefile} here; go to the checkout, or name it with --snakefile")
    config = dict(_pair(entry) for entry in options.config)
    try:
        return planned_jobs(options.target, snakefile=options.snakefile, configfiles=options.configfile, config=config)
    except WorkflowError as error:
        raise SparringError(str(error)) from None


def _why(options: argparse.Namespace) -> int:
    from sparring.why import as_dot, as_text, why

    answers = why(_planned(options), open_store(), root=options.snakefile.resolve().parent)
    print(as_dot(answers) if options.dot else as_text(answers))
    return 0


def _pair(entry: str) -> tuple[str, object]:
    key, equals, value = entry.partition("=")
    if not equals:
        raise SparringError(f"--config {entry!r}: write KEY=VALUE")
    return key, yaml.safe_load(value)


def _runs(options: argparse.Namespace) -> int:
    from sparring.registry.kept import registry
    from sparring.registry.listing import as_text, chosen

    rows = chosen(registry(open_store()), runs=options.run, study=options.study, statuses=options.status or STATUSES)
    print(pretty_json(rows).decode().rstrip() if options.json else as_text(rows))
    return 0


def _diff(options: argparse.Namespace) -> int:
    from sparring.diff import diff

    print(diff(open_store(), options.first, options.second, repository=options.repository))
    return 0


def _verify(options: argparse.Namespace) -> int:
    from sparring.upkeep import verify

    count, damages = verify(open_store())
    for damage in damages:
        makers = ", ".join(damage.makers) or "nobody known"
        print(f"damaged: {damage.sha256}, now {damage.quarantined}; made by {makers}")
    print(
        f"{count} objects, {len(damages)} damaged" + ("; the same command as before makes them anew" if damages else "")
    )
    return 1 if damages else 0


def _gc(options: argparse.Namespace) -> int:
    from sparring.upkeep import collect

    number, size = collect(open_store(), keep_days=options.keep_days, dry_run=options.dry_run)
    print(f"{number} objects, {size / 1e6:.1f} MB {'would go' if options.dry_run else 'deleted'}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
