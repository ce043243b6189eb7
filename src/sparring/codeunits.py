"""A module's source as units: top-level definitions that do nothing until they are used, and the rest.

A unit is a function, a class or a constant whose definition has no effect of its own; it matters only to code that
names it. Everything else at the top level (calls, conditions, registrations, decorators not known to be harmless) runs
on import, so it matters to whoever imports the module. When in doubt a statement counts as the second kind.
"""

import ast
import functools
from collections.abc import Iterable
from dataclasses import dataclass

from sparring.canonical import sha256_bytes
from sparring.errors import SparringError

# Calls and decorators without an effect beyond their value, by the last part of their name.
_HARMLESS = frozenset(
    "compile frozenset set tuple list dict range len min max sorted int float str bool Path ConfigDict Field TypeVar "
    "field TypeAdapter get_args dataclass cache lru_cache property contextmanager runtime_checkable staticmethod "
    "classmethod cached_property overload jaxtyped no_grad inference_mode".split()
)
_HARMLESS_BASES = frozenset(
    "Exception ValueError RuntimeError NamedTuple Protocol TypedDict StrEnum Enum object dict".split()
)
_PLAIN = (
    ast.Constant | ast.Name | ast.Attribute | ast.Tuple | ast.List | ast.Set | ast.Dict | ast.BinOp | ast.UnaryOp
    | ast.Subscript | ast.Slice | ast.Starred | ast.JoinedStr | ast.FormattedValue | ast.operator | ast.unaryop
    | ast.expr_context | ast.keyword | ast.Lambda | ast.arguments | ast.arg
)  # fmt: skip


@dataclass(frozen=True)
class Binding:
    """A name bound by an import: attribute `name` of `module`, or the module itself where `name` is None."""

    module: str
    name: str | None


@dataclass(frozen=True)
class Code:
    """Some statements: their digest and what they refer to.

    names: every name they load, with the attributes asked of it (`a`, `a.b.c`); imports: the bindings made inside them;
    modules: what they import; reads_files: whether they ask for files beside the module.
    """

    digest: str
    names: frozenset[str]
    imports: tuple[tuple[str, Binding], ...]
    modules: frozenset[str]
    reads_files: bool


@dataclass(frozen=True)
class ModuleUnits:
    """A module: its units by name, and the code that runs on import."""

    units: dict[str, Code]
    always: Code


@functools.cache
def split_units(source: bytes, where: str, name: str, is_package: bool) -> ModuleUnits:
    """The units of the module called `name`. Raises SparringError at `where:line` for what cannot be followed."""
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        raise SparringError(f"{where}:{error.lineno}: {error.msg}; mend the syntax") from error
    tree = _WithoutTexts().visit(tree)
    for node in ast.walk(tree):
        _refuse_hidden_imports(node, where)
    groups: dict[str, list[ast.stmt]] = {}
    always: list[ast.stmt] = []
    for statement in tree.body:
        unit = _unit_name(statement)
        groups.setdefault(unit, []).append(statement) if unit else always.append(statement)
    make = functools.partial(_code, name=name, is_package=is_package)
    return ModuleUnits({unit: make(statements) for unit, statements in groups.items()}, make(always))


def _code(statements: list[ast.stmt], *, name: str, is_package: bool) -> Code:
    names: set[str] = set()
    imports: list[tuple[str, Binding]] = []
    modules: set[str] = set()
    nodes = [node for statement in statements for node in ast.walk(statement)]
    inner = {id(node.value) for node in nodes if isinstance(node, ast.Attribute)}
    for node in nodes:
        names |= _annotation_names(node)
        if isinstance(node, ast.Name | ast.Attribute):
            if id(node) not in inner and (chain := _chain(node)):
                names.add(chain)
        elif isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
            imports += [_binding(alias) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, name, is_package)
            modules |= {base} | {f"{base}.{alias.name}" for alias in node.names}
            imports += [(alias.asname or alias.name, Binding(base, alias.name)) for alias in node.names]
        elif isinstance(node, ast.Call) and _called(node) in ("__import__", "import_module"):
            modules.add(node.args[0].value)  # type: ignore[attr-defined]  # a constant: checked before
    digest = sha256_bytes("\n".join(map(ast.dump, statements)).encode())
    reads = "__file__" in names or any(module.startswith("importlib.resources") for module in modules)
    return Code(digest, frozenset(names), tuple(imports), frozenset(modules), reads)


def _unit_name(statement: ast.stmt) -> str | None:
    match statement:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            defaults = [*statement.args.defaults, *filter(None, statement.args.kw_defaults)]
            return statement.name if all(map(_plain, defaults)) and _decorated_plainly(statement) else None
        case ast.ClassDef():
            bases_harmless = not statement.keywords and all(_last(base) in _HARMLESS_BASES for base in statement.bases)
            harmless = bases_harmless and _decorated_plainly(statement) and all(map(_harmless_in_class, statement.body))
            return statement.name if harmless else None
        case ast.Assign(targets=[ast.Name(id=target)], value=value) if _plain(value):
            return target
        case ast.AnnAssign(target=ast.Name(id=target), value=value) if value is None or _plain(value):
            return target
    return None


def _decorated_plainly(statement: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> bool:
    return all(_last(decorator) in _HARMLESS and _plain(decorator) for decorator in statement.decorator_list)


def _harmless_in_class(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Pass) or _unit_name(statement) is not None


def _plain(value: ast.expr) -> bool:
    return all(
        isinstance(node, _PLAIN) or (isinstance(node, ast.Call) and _called(node) in _HARMLESS)
        for node in ast.walk(value)
    )


def _last(node: ast.expr) -> str | None:
    while isinstance(node, ast.Subscript | ast.Call):
        node = node.value if isinstance(node, ast.Subscript) else node.func
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else None


def _called(node: ast.Call) -> str | None:
    return _last(node.func)


def _chain(node: ast.expr) -> str | None:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else None


def _binding(alias: ast.alias) -> tuple[str, Binding]:
    if alias.asname:
        return alias.asname, Binding(alias.name, None)
    return alias.name.split(".")[0], Binding(alias.name.split(".")[0], None)


def _absolute(node: ast.ImportFrom, name: str, is_package: bool) -> str:
    if not node.level:
        return node.module or ""
    parts = name.split(".")
    parent = parts[: len(parts) - node.level + is_package]
    return ".".join([*parent, *([node.module] if node.module else [])])


def _annotation_names(node: ast.AST) -> set[str]:
    # A quoted annotation names what pydantic, beartype and dataclasses may look up.
    places: Iterable[ast.AST | None] = ()
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        places = [node.returns]
    elif isinstance(node, ast.arg | ast.AnnAssign):
        places = [node.annotation]
    parts = [part for place in places if place for part in ast.walk(place)]
    texts = [part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)]
    return set().union(*map(_names_in, texts))


def _names_in(text: str) -> set[str]:
    try:
        return {node.id for node in ast.walk(ast.parse(text, mode="eval")) if isinstance(node, ast.Name)}
    except SyntaxError:
        return set()  # a shape such as "rows d_model" names nothing


def _refuse_hidden_imports(node: ast.AST, where: str) -> None:
    if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
        raise SparringError(f"{where}:{node.lineno}: `import *` cannot be followed; name what you import")
    if isinstance(node, ast.Call) and _called(node) in ("__import__", "import_module"):
        argument = node.args[0] if node.args else None
        if not (isinstance(argument, ast.Constant) and isinstance(argument.value, str)):
            raise SparringError(
                f"{where}:{node.lineno}: an import of a computed name cannot be followed; import it plainly"
            )


class _WithoutTexts(ast.NodeTransformer):
    """Takes away statements that are a mere constant: docstrings, remarks to a field, `...`. None has an effect."""

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        return None if isinstance(node.value, ast.Constant) else node

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        if isinstance(node, ast.stmt | ast.ExceptHandler | ast.match_case) and getattr(node, "body", None) == []:
            node.body = [ast.Pass()]  # type: ignore[union-attr]
        return node
