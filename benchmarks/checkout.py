"""A copy of the checkout that a test may edit and run, beside a working directory and a store."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PARTS = ("Snakefile", "rules", "workflow", "src", "config", "envs", "profiles", "modal", "docs/report")


@dataclass(frozen=True)
class Ran:
    """What one `snakemake` did: exit status and all it printed; the jobs it launched, and those of them that computed
    and that the memo answered (the others failed)."""

    status: int
    output: str
    launched: frozenset[str]
    computed: frozenset[str]
    recalled: frozenset[str]


@dataclass(frozen=True)
class Checkout:
    """Code in `code`, results in `work`, objects in `store`."""

    code: Path
    work: Path
    store: Path

    @classmethod
    def make(cls, folder: Path, store: Path) -> "Checkout":
        code, work = folder / "code", folder / "work"
        ignore = shutil.ignore_patterns("__pycache__", "*.egg-info")
        for part in PARTS:
            source = ROOT / part
            if source.is_dir():
                shutil.copytree(source, code / part, ignore=ignore)
            else:
                code.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, code / part)
        work.mkdir()
        return cls(code, work, store)

    def copy(self, folder: Path, store: Path | None = None) -> "Checkout":
        """The same code, results and Snakemake's memory in `folder`, on the same store or on a copy of it, `store`."""
        shutil.copytree(self.code, folder / "code")
        shutil.copytree(self.work, folder / "work")
        if store:
            store.mkdir()
            shutil.copy(self.store / "format", store)
            # Files of a store are replaced, never written to: a link is a copy.
            for part in ("objects", "actions", "seen"):
                shutil.copytree(self.store / part, store / part, copy_function=os.link)
        return Checkout(folder / "code", folder / "work", store or self.store)

    def environment(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(self.code / "src"), "SPARRING_STORE": str(self.store)}

    def command(self, *arguments: str) -> list[str]:
        snakemake = [sys.executable, "-m", "snakemake", "-s", str(self.code / "Snakefile"), "-d", str(self.work)]
        return [*snakemake, "--cores", "2", *arguments]

    def run(self, *arguments: str, timeout: float = 600) -> Ran:
        """One `snakemake ARGUMENTS`; never raises for its exit status."""
        shutil.rmtree(self.work / "logs", ignore_errors=True)
        done = subprocess.run(
            self.command(*arguments),
            env=self.environment(),
            cwd=self.code,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        said = {path.stem: path.read_text() for path in (self.work / "logs").glob("*.log")}
        return Ran(
            done.returncode,
            done.stdout + done.stderr,
            frozenset(said),
            frozenset(job for job, text in said.items() if ": computed, action" in text),
            frozenset(job for job, text in said.items() if ": from the memo, action" in text),
        )

    def sparring(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """One `sparring ARGUMENTS` in the working directory."""
        return subprocess.run(
            [sys.executable, "-m", "sparring.cli", *arguments],
            env=self.environment(),
            cwd=self.work,
            capture_output=True,
            text=True,
        )

    def git(self, *arguments: str) -> None:
        """git in the code's folder; raises if it fails."""
        who = ("-c", "user.name=nobody", "-c", "user.email=nobody@localhost")
        subprocess.run(["git", *who, *arguments], cwd=self.code, check=True, capture_output=True)

    def edit(self, path: str, old: str, new: str) -> None:
        """Replaces `old`, which stands exactly once in `path`, by `new`."""
        file = self.code / path
        text = file.read_text()
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {path}"
        file.write_text(text.replace(old, new))

    def forget(self, target: str) -> None:
        """Takes a result away, and what the memo knows of it: it has to be computed again."""
        key = json.loads((self.work / "results" / ".sparring" / f"{target}.json").read_bytes())["action"]
        (self.store / "actions" / key[:2] / f"{key}.json").unlink()
        (self.work / target).unlink()

    def result(self, name: str) -> bytes:
        return (self.work / "results" / name).read_bytes()
