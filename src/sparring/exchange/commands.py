"""The command `sparring store`: pull and push."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from sparring.errors import SparringError
from sparring.store import open_store

if TYPE_CHECKING:  # `sparring` reads this module whatever its command
    from sparring.exchange.places import Folder, Place
    from sparring.exchange.transfer import Item, Way
    from sparring.store import Blob

PROFILE = Path("profiles/modal")


def add_commands(parser: argparse.ArgumentParser) -> None:
    """`pull` and `push` with their options."""
    commands = parser.add_subparsers(required=True, metavar="pull|push")
    for name, said in (
        ("pull", "bring what stands behind results from another store here"),
        ("push", "send what stands behind results to another store"),
    ):
        command = commands.add_parser(name, help=said)
        command.add_argument("target", nargs="+", help="a result, as results/coders/sae.json")
        command.add_argument("--upstream", action="store_true", help="and all that it derives from")
        command.add_argument("--dry-run", action="store_true", help="list objects and sizes; nothing is moved")
        place = command.add_mutually_exclusive_group()
        place.add_argument("--volume", metavar="NAME", help="the Modal Volume (default: that of the profile)")
        place.add_argument("--folder", type=Path, metavar="PATH", help="a store folder, on a shared disk say")
        command.add_argument("--profile", type=Path, metavar="FOLDER", help=f"of the runs on Modal ({PROFILE})")
        command.set_defaults(run_command=run_store, push=name == "push")


def run_store(options: argparse.Namespace) -> int:
    """Move, or list, what was asked for; 1 where some of it could not be."""
    from sparring.exchange import transfer
    from sparring.exchange.answers import behind
    from sparring.exchange.places import Folder

    keys = behind(options.target, upstream=options.upstream)
    store = open_store()
    here = Folder(store, "the store here")
    try:
        there = _other(options, here)
        way = transfer.Way(here, here, there) if options.push else transfer.Way(here, there, here)
        with here.used(), there.used():
            items, problems = transfer.plan(way, keys)
            if options.dry_run:
                _list(way, items)
            else:
                if isinstance(way.dest, Folder):
                    way.dest.store.register(Path("results"))  # `gc` keeps there what these results need
                moved, failed = transfer.move(way, items)
                problems += failed
                print(_said(way, moved, items, "were there already"))
    except KeyboardInterrupt:
        raise SparringError("stopped; the same command goes on") from None
    except OSError as error:
        raise SparringError(f"{error}; mend that, then run the same command again: it goes on") from error
    if problems:
        raise SparringError("\nsparring: ".join(problems))
    return 0


def _other(options: argparse.Namespace, here: "Folder") -> "Place":
    if options.folder:
        from sparring.exchange.places import open_folder

        return open_folder(options.folder, make=options.push and not options.dry_run, here=here.store)
    from sparring.exchange.volume import open_volume

    if options.profile and not (options.profile / "config.yaml").is_file():
        raise SparringError(f"no profile at {options.profile}: it needs a config.yaml")
    return open_volume(options.profile or PROFILE, options.volume, make=options.push and not options.dry_run)


def _list(way: "Way", items: "list[Item]") -> None:
    lacking = {blob: None for item in items for blob in item.lacking}
    for item in items:
        print(item.target + (": answered already" if item.answered else ""))
        names = item.names()
        for blob in item.answer.blobs:
            there = "" if blob in lacking else "  there already"
            print(f"  {blob.bytes / 1e6:10.1f} MB  {blob.sha256[:12]}  {names.get(blob.sha256, '')}{there}".rstrip())
    print(_said(way, list(lacking), items, "are there already", "would be "))


def _said(way: "Way", moved: "list[Blob]", items: "list[Item]", already: str, would: str = "") -> str:
    rest = len({blob for item in items for blob in {*item.answer.blobs}.difference(item.lacking)})
    size = sum(blob.bytes for blob in moved) / 1e6
    other, word = (way.dest, "to") if way.source is way.here else (way.source, "from")
    return f"{len(moved)} objects, {size:.1f} MB {would}{way.verb} {word} {other.name}; {rest} {already}"
