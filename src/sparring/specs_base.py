"""What the specs of all rules have in common: the study, and the code and environment that a rule's script reaches."""

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparring.canonical import digest, sha256_file
from sparring.codedigest import reached_code
from sparring.sources.source import Source
from sparring.study import Study

_LOCKS = ("envs/cpu.lock", "envs/torch.txt")


@dataclass(frozen=True)
class BaseSpecs:
    """`study`, and `root`, the folder of the Snakefile."""

    study: Study
    root: Path

    def follow_code(self) -> None:
        """SparringError, naming file and line, for code of any rule that cannot be followed."""
        for script in sorted((self.root / "workflow" / "scripts").glob("*.py")):
            reached_by(self.root, script.name)

    def local_files(self, source: Source) -> list[str]:
        """The files of a `path:` source, sorted: they are inputs of the rule that reads them. Else none."""
        if source.scheme != "path":
            return []
        path = Path(source.name)
        return sorted(str(p) for p in path.rglob("*") if p.is_file()) if path.is_dir() else [str(path)]

    def _spec(self, rule: str, **values: Any) -> dict[str, Any]:
        script = f"{rule}.py"
        code = digest(reached_by(self.root, script))
        return {"script": script, "code": code, "lock": _lock(self.root), **values}


@functools.cache
def reached_by(root: Path, script: str) -> dict[str, str]:
    """The code that a rule's script reaches, definition by definition (sparring.codedigest)."""
    return reached_code(root / "workflow" / "scripts" / script)


@functools.cache
def _lock(root: Path) -> str:
    return digest({name: sha256_file(root / name) for name in _LOCKS})
