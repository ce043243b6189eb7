"""The digest of a rule's code: its script and all local code that it can reach, function by function.

From the script, imports are followed wherever they stand (inside functions too), relative ones and packages' `__init__`
included. Of an imported module, what runs on import always counts; a definition counts if something reached names it.
Where that cannot be told (a module handed on as a value, `globals()`, `exec`), the whole module counts. Comments,
docstrings, formatting and the checkout's place do not enter.
"""

import functools
from collections.abc import Callable
from pathlib import Path

import sparring
from sparring.canonical import digest, sha256_file
from sparring.codeunits import Binding, Code, ModuleUnits, split_units

PACKAGE = "sparring"
PACKAGE_ROOT = Path(sparring.__path__[0])  # code is followed name by name: no data that this module reads
_WHOLE = frozenset({"globals", "vars", "locals", "exec", "eval"})


def code_digest(script: Path, *, root: Path = PACKAGE_ROOT, package: str = PACKAGE) -> str:
    """Digest (sha256) of `script` and all code of `package` (in the folder `root`) that it reaches."""
    return digest(reached_code(script, root=root, package=package))


def reached_code(script: Path, *, root: Path = PACKAGE_ROOT, package: str = PACKAGE) -> dict[str, str]:
    """{"script", "module" (what runs on import), "module:definition", "data file": digest}, sorted by name."""
    return dict(sorted(_Walk(root, package).from_script(script).items()))


def module_path(name: str, root: Path, package: str) -> Path | None:
    """The file of the module `name` of `package`, or None where there is none."""
    first, *rest = name.split(".")
    base = root.joinpath(*rest)
    for path in (base / "__init__.py", base.with_suffix(".py")):
        if first == package and path.is_file():
            return path
    return None


class _Walk:
    """One traversal: `reached` fills up; each unit is visited once."""

    def __init__(self, root: Path, package: str) -> None:
        self.root = root
        self.reached: dict[str, str] = {}
        # Asked for again with every name that is followed; for one traversal, what a file says does not change.
        self._path: Callable[[str], Path | None] = functools.cache(lambda module: module_path(module, root, package))
        self._units: Callable[[str], ModuleUnits] = functools.cache(self._read)

    def from_script(self, script: Path) -> dict[str, str]:
        units = split_units(script.read_bytes(), str(script), script.stem, False)
        self.reached["script"] = digest(
            [units.always.digest, {name: code.digest for name, code in units.units.items()}]
        )
        for code in (units.always, *units.units.values()):
            self._follow(code, None, units.always.imports)
        return self.reached

    def _read(self, module: str) -> ModuleUnits:
        path = self._path(module)
        assert path is not None
        return split_units(path.read_bytes(), str(path), module, path.name == "__init__.py")

    def _import(self, module: str) -> None:
        # `import a.b.c` runs a, a.b and a.b.c.
        parts = module.split(".")
        for end in range(1, len(parts) + 1):
            name = ".".join(parts[:end])
            if self._path(name) and name not in self.reached:
                units = self._units(name)
                self.reached[name] = units.always.digest
                self._follow(units.always, name, units.always.imports)

    def _whole(self, module: str) -> None:
        if self._path(module):
            self._import(module)
            for unit in self._units(module).units:
                self._unit(module, unit)

    def _unit(self, module: str, unit: str) -> None:
        units = self._units(module)
        key = f"{module}:{unit}"
        if unit in units.units and key not in self.reached:
            self.reached[key] = units.units[unit].digest
            self._follow(units.units[unit], module, units.always.imports)

    def _follow(self, code: Code, module: str | None, bindings: tuple[tuple[str, Binding], ...]) -> None:
        for imported in code.modules:
            self._import(imported)
        if module and code.reads_files:
            self._data(module)
        if module and not code.names.isdisjoint(_WHOLE):
            self._whole(module)
        for name in code.names:
            head, *rest = name.split(".")
            if module:
                self._unit(module, head)
            for bound, binding in (*bindings, *code.imports):
                if bound == head:
                    self._bound(binding, rest)

    def _bound(self, binding: Binding, rest: list[str]) -> None:
        target = binding.module if binding.name is None else f"{binding.module}.{binding.name}"
        if self._path(target):
            while rest and self._path(f"{target}.{rest[0]}"):
                target, rest = f"{target}.{rest[0]}", rest[1:]
            if rest:
                self._attribute(target, rest[0])
            else:
                self._whole(target)  # the module itself is handed on: anything in it may be asked for
        elif binding.name is not None and self._path(binding.module):
            self._attribute(binding.module, binding.name)

    def _attribute(self, module: str, name: str) -> None:
        # A definition of the module, or a name that it imported itself.
        self._unit(module, name)
        for bound, binding in self._units(module).always.imports:
            if bound == name:
                self._bound(binding, [])

    def _data(self, module: str) -> None:
        path = self._path(module)
        assert path is not None
        for file in sorted(path.parent.rglob("*")):
            if file.is_file() and file.suffix not in (".py", ".pyc", ".typed"):
                self.reached[file.relative_to(self.root).as_posix()] = sha256_file(file)
