"""Runs are found by revision and digest; of several studies in one store, two runs of one study are paired."""

import subprocess
from pathlib import Path

import pytest

from sparring.errors import SparringError
from sparring.history import History, _codes_at
from sparring.memo import Action, remember
from sparring.store import Store

REVISIONS = ("first", "second")


def git(repository: Path, *arguments: str) -> None:
    who = ("-c", "user.name=nobody", "-c", "user.email=nobody@localhost")
    subprocess.run(["git", *who, *arguments], cwd=repository, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Two revisions of the head-to-head's script; the one of the tokens stays."""
    root = tmp_path / "repository"
    (root / "src" / "sparring").mkdir(parents=True)
    (root / "src" / "sparring" / "__init__.py").touch()
    scripts = root / "workflow" / "scripts"
    scripts.mkdir(parents=True)
    (scripts / "tokens.py").write_text("X = 0\n")
    git(root, "init")
    for revision in REVISIONS:
        (scripts / "headtohead.py").write_text(f"print('{revision}')\n")
        git(root, "add", ".")
        git(root, "commit", "-m", revision)
        git(root, "tag", revision)
    return root


@pytest.fixture
def keys(repository: Path, tmp_path: Path) -> dict[tuple[str, int], str]:
    """One store with the head-to-heads of both revisions on two studies, of 1 and of 2 tokens; their actions' keys."""
    store, made = Store(tmp_path / "store"), {}
    for study in (1, 2):
        for revision in REVISIONS:
            codes = _codes_at(revision, repository)
            spec = {"script": "tokens.py", "code": codes["tokens.py"], "lock": "0", "plan": {"train": study}}
            blob = store.put_bytes(f"tokens of {study}".encode())
            remember(store, Action("tokens", spec, {}, {}), {"manifest": blob}, [], {}, {})
            spec = {"script": "headtohead.py", "code": codes["headtohead.py"], "lock": "0"}
            action = Action("headtohead", spec, {}, {"tokens": blob.sha256})
            remember(store, action, {"result": store.put_bytes(f"{study} {revision}".encode())}, [], {}, {})
            made[revision, study] = action.key
    return made


def test_two_runs_of_one_study_are_paired(keys: dict[tuple[str, int], str], repository: Path, tmp_path: Path) -> None:
    history = History(Store(tmp_path / "store"))
    one, other = history.pair("first", "second", repository)
    assert {key: name for name, key in keys.items()}[one][1] == {key: name for name, key in keys.items()}[other][1]
    for study in (1, 2):  # a digest settles the study for both
        named = keys["first", study]
        assert history.pair(named, "second", repository) == (named, keys["second", study])
        assert history.pair("second", named[:12], repository) == (keys["second", study], named)
    assert set(history.find("first", repository)) == {keys["first", 1], keys["first", 2]}


def test_what_no_run_was_made_by_is_named(keys: dict[tuple[str, int], str], repository: Path, tmp_path: Path) -> None:
    history = History(Store(tmp_path / "store"))
    (repository / "workflow" / "scripts" / "headtohead.py").write_text("print('third')\n")
    git(repository, "commit", "-am", "third")
    with pytest.raises(SparringError, match="no head-to-head made by the code of HEAD; check it out and run it"):
        history.find("HEAD", repository)
    with pytest.raises(SparringError, match="nonsense is neither a digest in the store nor a git revision"):
        history.find("nonsense", repository)
