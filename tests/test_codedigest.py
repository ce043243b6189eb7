"""The code digest changes with behaviour that a rule can reach, and with nothing else."""

from pathlib import Path

import pytest

from sparring.codedigest import code_digest, reached_code
from sparring.errors import SparringError

MODULES = {
    "__init__.py": '"""The package."""\n',
    "adapter.py": '"""Adapter."""\n\ndef fold(x):\n    """Subtracts."""\n    return x - 1\n',
    "deep/__init__.py": "",
    "deep/reader.py": "from ..adapter import fold\n\ndef read(x):\n    return fold(x)\n",
    "deep/lazy.py": "def work():\n    import pkg.adapter as a\n    return a.fold(2)\n",
    "stranger.py": "def other():\n    return 7\n",
}
SCRIPTS = {
    "reads.py": "from pkg.deep.reader import read\nread(1)\n",
    "lazy.py": "from pkg.deep import lazy\nlazy.work()\n",
    "other.py": "import pkg.stranger\n",
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name, text in MODULES.items():
        path = tmp_path / "pkg" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for name, text in SCRIPTS.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def digests(tree: Path) -> dict[str, str]:
    return {name: code_digest(tree / name, root=tree / "pkg", package="pkg") for name in SCRIPTS}


def changed(tree: Path, path: str, old: str, new: str) -> set[str]:
    before = digests(tree)
    file = tree / path
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))
    after = digests(tree)
    return {name for name in SCRIPTS if before[name] != after[name]}


def test_imports_are_followed_relative_absolute_and_inside_functions(tree: Path) -> None:
    reached = reached_code(tree / "reads.py", root=tree / "pkg", package="pkg")
    assert set(reached) == {"script", "pkg", "pkg.deep", "pkg.deep.reader", "pkg.adapter"}


@pytest.mark.parametrize(
    ("path", "old", "new", "expected"),
    [
        ("pkg/adapter.py", "x - 1", "x", {"reads.py", "lazy.py"}),  # the b_dec fix: all that reach the adapter
        ("pkg/adapter.py", "x - 1", "x - 1  # why", set()),
        ("pkg/adapter.py", "Subtracts.", "Takes one away.", set()),
        ("pkg/adapter.py", "x - 1", "(x\n            - 1)", set()),
        ("pkg/stranger.py", "7", "8", {"other.py"}),
        ("pkg/__init__.py", '"""The package."""', "LIMIT = 3", {"reads.py", "lazy.py", "other.py"}),
        ("lazy.py", "lazy.work()", "lazy.work(), 1", {"lazy.py"}),
    ],
)
def test_exactly_the_dependents_change(tree: Path, path: str, old: str, new: str, expected: set[str]) -> None:
    assert changed(tree, path, old, new) == expected


def test_the_digest_does_not_know_where_the_checkout_is(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "copy"
    tree.rename(elsewhere)
    moved = digests(elsewhere)
    elsewhere.rename(tree)
    assert moved == digests(tree)


@pytest.mark.parametrize("line", ["importlib.import_module(name)", "__import__(name)", "from pkg.adapter import *"])
def test_an_import_that_cannot_be_followed_is_an_error_that_names_the_line(tree: Path, line: str) -> None:
    (tree / "pkg" / "stranger.py").write_text(f"import importlib\nname = 'x'\n{line}\n")
    with pytest.raises(SparringError, match=r"stranger\.py:3: .*cannot be followed"):
        digests(tree)


def test_broken_syntax_names_the_line(tree: Path) -> None:
    (tree / "pkg" / "stranger.py").write_text("def f(:\n")
    with pytest.raises(SparringError, match=r"stranger\.py:1"):
        digests(tree)
