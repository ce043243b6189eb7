"""Which actions of a store gave run results. Light: asked at each parse of the Snakefile."""

import json
from collections.abc import Mapping
from typing import Any

from sparring.memo import read_action
from sparring.store import Store

RULE = "study_run"


def run_keys(store: Store) -> list[str]:
    """The keys of the actions that gave run results, oldest first."""
    paths = sorted((store.root / "actions").glob("*/*.json"), key=lambda path: (path.stat().st_mtime_ns, path.name))
    return [path.stem for path in paths if _is_run(read_action(store, path.stem))]


def job_keys(store: Store) -> set[str]:
    """The keys of the actions that led to the run results, where those still tell."""
    found: set[str] = set()
    for key in run_keys(store):
        action = read_action(store, key)
        path = store.path(action["outputs"]["result"]["sha256"]) if action else None
        if path is not None and path.is_file():
            found |= {job["action"] for job in json.loads(path.read_bytes())["jobs"].values() if job["action"]}
    return found


def _is_run(action: Mapping[str, Any] | None) -> bool:
    return action is not None and action["action"]["rule"] == RULE
