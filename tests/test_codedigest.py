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
    "stranger.py": "LIMIT = 5\n\ndef other():\n    return 7\n\ndef neighbour():\n    return LIMIT\n",
}
SCRIPTS = {
    "reads.py": "from pkg.deep.reader import read\nread(1)\n",
    "lazy.py": "from pkg.deep import lazy\nlazy.work()\n",
    "other.py": "import pkg.stranger as stranger\nstranger.other()\n",
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
    assert set(reached) == {
        "script",
        "pkg",
        "pkg.adapter",
        "pkg.adapter:fold",
        "pkg.deep",
        "pkg.deep.reader",
        "pkg.deep.reader:read",
    }


@pytest.mark.parametrize(
    ("path", "old", "new", "expected"),
    [
        ("pkg/adapter.py", "x - 1", "x", {"reads.py", "lazy.py"}),  # the b_dec fix: all that reach the adapter
        ("pkg/adapter.py", "x - 1", "x - 1  # why", set()),
        ("pkg/adapter.py", "Subtracts.", "Takes one away.", set()),
        ("pkg/adapter.py", "x - 1", "(x\n            - 1)", set()),
        ("pkg/stranger.py", "7", "8", {"other.py"}),
        ("pkg/stranger.py", "return LIMIT", "return 1", set()),  # a neighbour that nobody reached names
        ("pkg/stranger.py", "LIMIT = 5", "LIMIT = 6", set()),
        ("pkg/stranger.py", "LIMIT = 5", "LIMIT = open('x')", {"other.py"}),  # what runs on import always counts
        ("pkg/stranger.py", "def neighbour", "@register\ndef neighbour", {"other.py"}),
        ("pkg/__init__.py", '"""The package."""', "print(1)", {"reads.py", "lazy.py", "other.py"}),
        ("lazy.py", "lazy.work()", "lazy.work(), 1", {"lazy.py"}),
    ],
)
def test_exactly_the_dependents_change(tree: Path, path: str, old: str, new: str, expected: set[str]) -> None:
    assert changed(tree, path, old, new) == expected


@pytest.mark.parametrize(
    "use",
    [
        "import pkg.stranger as s\nf(s)\n",
        "import pkg.stranger\nf(pkg.stranger)\n",
        "from pkg import stranger\nvars(stranger)\n",
    ],
)
def test_a_module_handed_on_as_a_value_counts_whole(tree: Path, use: str) -> None:
    (tree / "other.py").write_text(use)
    assert changed(tree, "pkg/stranger.py", "return LIMIT", "return 1") == {"other.py"}


def test_globals_make_the_module_count_whole(tree: Path) -> None:
    (tree / "pkg" / "stranger.py").write_text(
        "def other():\n    return globals()['neigh' + 'bour']()\n\ndef neighbour():\n    return 1\n"
    )
    assert changed(tree, "pkg/stranger.py", "return 1", "return 2") == {"other.py"}


def test_a_name_passed_on_by_another_module_is_followed(tree: Path) -> None:
    (tree / "pkg" / "front.py").write_text("from pkg.stranger import neighbour as shown\n")
    (tree / "other.py").write_text("from pkg.front import shown\nshown()\n")
    assert changed(tree, "pkg/stranger.py", "LIMIT = 5", "LIMIT = 6") == {"other.py"}


def test_data_files_beside_a_module_that_reads_files_count(tree: Path) -> None:
    (tree / "pkg" / "prompt.txt").write_text("Explain.")
    (tree / "pkg" / "stranger.py").write_text(
        "from pathlib import Path\n\ndef other():\n    return (Path(__file__).parent / 'prompt.txt')\n"
    )
    assert changed(tree, "pkg/prompt.txt", "Explain.", "Explain it.") == {"other.py"}


def test_a_quoted_annotation_counts(tree: Path) -> None:
    (tree / "pkg" / "stranger.py").write_text(
        "class Row:\n    width: int = 3\n\ndef other(row: 'Row') -> int:\n    return row.width\n"
    )
    assert changed(tree, "pkg/stranger.py", "= 3", "= 4") == {"other.py"}


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
