"""The runs a store remembers: which actions led to a result, found by a digest or by a git revision."""

import json
import re
import subprocess
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from sparring.canonical import digest
from sparring.codedigest import reached_code
from sparring.differences import study_of
from sparring.errors import SparringError
from sparring.manifest import content_of
from sparring.memo import job_name, read_action
from sparring.store import Store

HEADLINE_RULE = "headtohead"
_SHORTEST = 6  # characters of a digest

Action = dict[str, Any]


@dataclass(frozen=True)
class History:
    """All actions of a store, by key."""

    store: Store

    @cached_property
    def actions(self) -> dict[str, Action]:
        """Every readable record, the newest last."""
        paths = sorted((self.store.root / "actions").glob("*/*.json"), key=lambda path: path.stat().st_mtime_ns)
        found = {path.stem: read_action(self.store, path.stem) for path in paths}
        return {key: action for key, action in found.items() if action}

    @cached_property
    def makers(self) -> dict[str, list[str]]:
        """The keys of the actions that gave a content."""
        makers = defaultdict(list)
        for key, action in self.actions.items():
            for blob in action["outputs"].values():
                path = self.store.path(blob["sha256"])
                if path.is_file():
                    makers[content_of(path)].append(key)
        return makers

    def pair(self, first: str, second: str, repository: Path) -> tuple[str, str]:
        """The keys of the two actions meant: of the same study where there are such, and the newest of them."""
        ones, others = self.find(first, repository), self.find(second, repository)
        studies = {key: self._study(key) for key in {*ones, *others}}
        alike = ((one, other) for one in ones for other in others if studies[one] == studies[other])
        return next(alike, (ones[0], others[0]))

    def _study(self, key: str) -> str:
        """What the study says in all that led to `key`, whatever the code."""
        return digest({job: study_of(action["action"]["spec"]) for job, action in self.lineage(key).items()})

    def find(self, name: str, repository: Path) -> list[str]:
        """The keys of the actions that `name` can mean, the newest first: (the start of) a key or of a result's
        sha256 means one, a git revision every head-to-head of its code. SparringError if there is none."""
        if re.fullmatch(rf"[0-9a-f]{{{_SHORTEST},64}}", name):
            hits = [key for key, action in self.actions.items() if key.startswith(name) or _gave(action, name)]
            if len(hits) > 1:
                raise SparringError(f"{name} means {len(hits)} actions of the store; give more characters")
            if hits:
                return hits
        codes = _codes_at(name, repository)
        runs = [key for key, action in self.actions.items() if action["action"]["rule"] == HEADLINE_RULE]
        made = [key for key in reversed(runs) if self._lineage(key, codes) is not None]
        if not made:
            raise SparringError(
                f"the store {self.store.root} has no head-to-head made by the code of {name}; check it out and run it"
            )
        return made

    def lineage(self, key: str) -> dict[str, Action]:
        """The actions that led to `key`, itself included, by job name; of several makers of a content the newest."""
        found = self._lineage(key, None)
        assert found is not None
        return found

    def _lineage(self, key: str, codes: dict[str, str] | None) -> dict[str, Action] | None:
        action = self.actions[key]
        said = action["action"]
        if codes is not None and codes.get(said["spec"]["script"]) != said["spec"]["code"]:
            return None
        found = {job_name(said["rule"], said["wildcards"]): action}
        for content in said["inputs"].values():
            makers = self.makers.get(content, [])
            led = next((up for maker in reversed(makers) if (up := self._lineage(maker, codes)) is not None), None)
            if led is None and makers:
                return None  # made, but not by this code
            found |= led or {}
        return found


def _gave(action: Action, name: str) -> bool:
    return any(blob["sha256"].startswith(name) for blob in action["outputs"].values())


def _codes_at(revision: str, repository: Path) -> dict[str, str]:
    """The code digest of every rule's script at a git revision."""
    done = subprocess.run(
        ["git", "archive", "--format=zip", revision, "src", "workflow"],
        cwd=repository,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise SparringError(
            f"{revision} is neither a digest in the store nor a git revision: {done.stderr.decode().strip()}"
        )
    with tempfile.TemporaryDirectory() as name, ZipFile(BytesIO(done.stdout)) as archive:
        archive.extractall(name)
        root, scripts = Path(name) / "src" / "sparring", sorted((Path(name) / "workflow" / "scripts").glob("*.py"))
        return {script.name: digest(reached_code(script, root=root)) for script in scripts}


def figures(store: Store, action: Action) -> dict[str, float]:
    """Every number of the action's JSON result (or of the meta of its artifact), by its path in it."""
    numbers: dict[str, float] = {}
    for blob in action["outputs"].values():
        try:
            value = json.loads(store.path(blob["sha256"]).read_bytes())
        except (ValueError, FileNotFoundError):
            continue
        numbers |= _numbers(value.get("meta", value) if isinstance(value, dict) else value, "")
    return numbers


def _numbers(value: Any, prefix: str) -> dict[str, float]:
    if isinstance(value, bool) or not isinstance(value, dict | list | int | float):
        return {}
    if isinstance(value, int | float):
        return {prefix: value}
    entries = value.items() if isinstance(value, dict) else enumerate(value)
    return {k: v for key, inner in entries for k, v in _numbers(inner, f"{prefix}.{key}".lstrip(".")).items()}
