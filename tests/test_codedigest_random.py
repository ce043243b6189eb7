"""Random edits of generated packages: a rule's digest changes exactly when running it gives something else."""

import importlib
import runpy
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sparring.codedigest import code_digest

STYLES = ("from", "alias", "module", "inside", "relative", "reexported")
SCRIPTS = 3


@dataclass
class Call:
    """A call of function `name` of module number `module`, imported in one of the ways code does it."""

    module: int
    name: str
    style: str


@dataclass
class Function:
    """Returns its own number, the module's constant if it uses it, and what it calls gives; maybe through a class."""

    number: int
    uses_constant: bool
    by_class: bool
    calls: list[Call]


@dataclass
class Module:
    """Every second one lies in a subpackage. `effect`: a number left behind in pkg.trace on import, if any."""

    constant: int
    effect: int | None
    functions: dict[str, Function]
    remarks: list[str] = field(default_factory=list)
    spare: list[int] = field(default_factory=list)


@dataclass
class Package:
    """Modules, each calling only those before it, and for each script the calls it makes."""

    modules: list[Module]
    scripts: list[list[Call]]


def dotted(module: int) -> str:
    return f"deep.m{module}" if module % 2 else f"m{module}"


def render_call(call: Call, caller: int | None) -> tuple[str, str, str]:
    """(import at the top, import inside the function, expression)."""
    path, alias = dotted(call.module), f"{call.name}_{call.module}"
    parent, leaf = f"pkg.{path}".rsplit(".", 1)
    style = "from" if caller is None and call.style == "relative" else call.style
    if style == "from":
        return f"from pkg.{path} import {call.name} as {alias}", "", f"{alias}()"
    if style == "alias":
        return f"import pkg.{path} as a{call.module}", "", f"a{call.module}.{call.name}()"
    if style == "module":
        return f"from {parent} import {leaf} as b{call.module}", "", f"b{call.module}.{call.name}()"
    if style == "inside":
        return "", f"import pkg.{path}", f"pkg.{path}.{call.name}()"
    if style == "relative":
        dots = ".." if caller is not None and caller % 2 else "."
        return f"from {dots}{path} import {call.name} as r_{alias}", "", f"r_{alias}()"
    return f"from pkg.door{call.module} import {call.name} as d_{alias}", "", f"d_{alias}()"


def render_function(name: str, function: Function, index: int) -> tuple[list[str], list[str]]:
    rendered = [render_call(call, index) for call in function.calls]
    inside = sorted({line for _, line, _ in rendered if line})
    parts = [str(function.number), *(["K"] if function.uses_constant else []), *(e for _, _, e in rendered)]
    body = [*inside, f"return [{', '.join(parts)}]"]
    if function.by_class:
        lines = [f"class C_{name}:", "    def go(self):", *(f"        {line}" for line in body)]
        return [top for top, _, _ in rendered], [*lines, f"def {name}():", f"    return C_{name}().go()"]
    return [top for top, _, _ in rendered], [f"def {name}():", *(f"    {line}" for line in body)]


def render_module(module: Module, index: int) -> str:
    tops, bodies = [], []
    for name, function in module.functions.items():
        top, body = render_function(name, function, index)
        tops += top
        bodies += body
    effect = [] if module.effect is None else ["from pkg import trace", f"trace.SEEN.append({module.effect})"]
    spare = [line for number in module.spare for line in (f"def spare_{number}():", f"    return {number}")]
    lines = [*sorted({top for top in tops if top}), *effect, f"K = {module.constant}", *bodies, *spare, *module.remarks]
    return "\n".join(lines) + "\n"


def write(package: Package, folder: Path) -> None:
    root = folder / "pkg"
    (root / "deep").mkdir(parents=True, exist_ok=True)
    (root / "__init__.py").write_text("")
    (root / "deep" / "__init__.py").write_text("")
    (root / "trace.py").write_text("SEEN = []\n")
    for index, module in enumerate(package.modules):
        (root / f"{dotted(index).replace('.', '/')}.py").write_text(render_module(module, index))
        (root / f"door{index}.py").write_text(f"from pkg.{dotted(index)} import {', '.join(module.functions)}\n")
    for number, calls in enumerate(package.scripts):
        rendered = [render_call(call, None) for call in calls]
        imports = sorted({line for top, inside, _ in rendered for line in (top, inside) if line})
        text = [*imports, "from pkg import trace", f"out = [{', '.join(e for _, _, e in rendered)}], trace.SEEN"]
        (folder / f"s{number}.py").write_text("\n".join(text) + "\n")


def behaviour(folder: Path) -> list[str]:
    found = []
    sys.path.insert(0, str(folder))
    bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        for number in range(SCRIPTS):
            for name in [name for name in sys.modules if name.split(".")[0] == "pkg"]:
                del sys.modules[name]
            importlib.invalidate_caches()
            found.append(repr(runpy.run_path(str(folder / f"s{number}.py"))["out"]))
    finally:
        sys.path.remove(str(folder))
        sys.dont_write_bytecode = bytecode
    return found


def digests(folder: Path) -> list[str]:
    return [code_digest(folder / f"s{number}.py", root=folder / "pkg", package="pkg") for number in range(SCRIPTS)]


@st.composite
def packages(draw: st.DrawFn) -> Package:
    number = iter(range(1000, 9999))

    def calls(below: int, most: int) -> list[Call]:
        targets = st.integers(0, below - 1)
        one = st.builds(Call, targets, st.sampled_from(["f", "g"]), st.sampled_from(STYLES))
        return draw(st.lists(one, max_size=most)) if below else []

    modules = []
    for index in range(draw(st.integers(2, 5))):
        functions = {
            name: Function(next(number), draw(st.booleans()), draw(st.booleans()), calls(index, 2)) for name in "fg"
        }
        modules.append(Module(next(number), next(number) if draw(st.booleans()) else None, functions))
    return Package(modules, [calls(len(modules), 3) for _ in range(SCRIPTS)])


EDITS = ("number", "constant", "effect", "remark", "docstring", "spare", "call", "style")


def edit(package: Package, what: str, index: int, name: str, fresh: int) -> None:
    module = package.modules[index % len(package.modules)]
    function = module.functions[name]
    if what == "number":
        function.number = fresh
    elif what == "constant":
        module.constant = fresh
    elif what == "effect":
        module.effect = fresh
    elif what == "remark":
        module.remarks.append(f"# {fresh}")
    elif what == "docstring":
        module.remarks.insert(0, f'"""{fresh}"""') if not module.remarks else None
    elif what == "spare":
        module.spare.append(fresh)
    elif what == "call" and function.calls:
        function.calls.pop()
    elif what == "style" and function.calls:
        function.calls[0].style = STYLES[fresh % len(STYLES)]


def changes(package: Package, edits: list[tuple[str, int, str]]) -> Iterator[tuple[set[int], set[int], object]]:
    """After each edit: the scripts whose digest changed, those that behave otherwise, and the edit."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(package, folder)
        before = digests(folder), behaviour(folder)
        for step, (what, index, function) in enumerate(edits):
            edit(package, what, index, function, 10_000 + step)
            write(package, folder)
            after = digests(folder), behaviour(folder)
            digest_changed, behaviour_changed = (
                {i for i in range(SCRIPTS) if old[i] != new[i]} for old, new in zip(before, after, strict=True)
            )
            yield digest_changed, behaviour_changed, (what, index, function)
            before = after


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    packages(),
    st.lists(st.tuples(st.sampled_from(EDITS[:6]), st.integers(0, 4), st.sampled_from("fg")), min_size=1, max_size=6),
)
def test_exactly_the_rules_that_behave_otherwise_have_another_digest(package, edits) -> None:
    for digest_changed, behaviour_changed, done in changes(package, edits):
        assert digest_changed == behaviour_changed, done


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(packages(), st.lists(st.tuples(st.sampled_from(EDITS), st.integers(0, 4), st.sampled_from("fg")), max_size=6))
def test_no_change_of_behaviour_is_missed_when_calls_and_imports_change(package, edits) -> None:
    for digest_changed, behaviour_changed, done in changes(package, edits):
        assert behaviour_changed <= digest_changed, done
