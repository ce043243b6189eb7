"""The digest of a rule's code: its script and every local module it imports, transitively.

Comments, docstrings, formatting and the checkout's place do not enter; the normalised syntax tree does. Imports are
followed wherever they stand (inside functions too), relative ones included, and a package counts with its `__init__`.
What cannot be followed is an error that names the line: an import the digest does not see could go stale unseen.
"""

import ast
import functools
from pathlib import Path

from sparring.canonical import digest, sha256_bytes
from sparring.errors import SparringError

PACKAGE = "sparring"
PACKAGE_ROOT = Path(__file__).parent


def code_digest(script: Path, *, root: Path = PACKAGE_ROOT, package: str = PACKAGE) -> str:
    """Digest (sha256) of `script` and all modules of `package` (in the folder `root`) that it reaches."""
    return digest(reached_code(script, root=root, package=package))


def reached_code(script: Path, *, root: Path = PACKAGE_ROOT, package: str = PACKAGE) -> dict[str, str]:
    """{"script" and each module's dotted name: digest of its normalised syntax tree}, sorted by name."""
    own, todo = _module(script.read_bytes(), script, script.stem, root, package)
    reached = {"script": own}
    queue = sorted(todo)
    while queue:
        name = queue.pop()
        if name in reached:
            continue
        path = module_path(name, root, package)
        assert path is not None  # _imports lists only modules that exist
        reached[name], more = _module(path.read_bytes(), path, name, root, package)
        queue.extend(more - reached.keys())
    return dict(sorted(reached.items()))


def module_path(name: str, root: Path, package: str) -> Path | None:
    """The file of the module `name` of `package`, or None where there is none."""
    base = root.joinpath(*name.split(".")[1:])
    for path in (base / "__init__.py", base.with_suffix(".py")):
        if name.split(".")[0] == package and path.is_file():
            return path
    return None


@functools.cache
def _module(source: bytes, path: Path, name: str, root: Path, package: str) -> tuple[str, frozenset[str]]:
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        raise SparringError(f"{path}:{error.lineno}: {error.msg}; mend the syntax") from error
    imports = _imports(tree, path, name, root, package)
    _strip_docstrings(tree)
    return sha256_bytes(ast.dump(tree).encode()), imports


def _strip_docstrings(tree: ast.Module) -> None:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
                node.body = node.body[1:] or [ast.Pass()]


def _imports(tree: ast.Module, path: Path, name: str, root: Path, package: str) -> frozenset[str]:
    found: set[str] = set()
    is_package = path.name == "__init__.py"
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                _add(alias.name, found, root, package)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, name, is_package)
            for alias in node.names:
                if alias.name == "*" and base.split(".")[0] == package:
                    raise SparringError(f"{path}:{node.lineno}: `import *` cannot be followed; name what you import")
                _add(f"{base}.{alias.name}", found, root, package)
                _add(base, found, root, package)
        elif isinstance(node, ast.Call) and _is_dynamic(node):
            argument = node.args[0] if node.args else None
            if not (isinstance(argument, ast.Constant) and isinstance(argument.value, str)):
                raise SparringError(f"{path}:{node.lineno}: an import of a computed name cannot be followed; import it plainly")
            _add(argument.value, found, root, package)
    return frozenset(found)


def _absolute(node: ast.ImportFrom, name: str, is_package: bool) -> str:
    if not node.level:
        return node.module or ""
    parts = name.split(".")
    parent = parts[: len(parts) - node.level + is_package]
    return ".".join([*parent, *([node.module] if node.module else [])])


def _add(name: str, found: set[str], root: Path, package: str) -> None:
    # `import a.b.c` runs a, a.b and a.b.c: each that is ours counts.
    parts = name.split(".")
    for end in range(1, len(parts) + 1):
        prefix = ".".join(parts[:end])
        if module_path(prefix, root, package):
            found.add(prefix)


def _is_dynamic(node: ast.Call) -> bool:
    function = node.func
    if isinstance(function, ast.Name):
        return function.id in {"__import__", "import_module"}
    return isinstance(function, ast.Attribute) and function.attr == "import_module"
