"""A Hugging Face repository at one commit: safetensors, JSON and tokenizer files only; nothing that can run."""

from pathlib import Path
from typing import Literal

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

from sparring.errors import SparringError
from sparring.sources.folder import MODEL_SUFFIXES
from sparring.sources.source import Source

_DATA_SUFFIXES = (".jsonl", ".parquet", ".csv", ".txt", ".zip")


def fetch_repository(source: Source, *, kind: Literal["model", "dataset"], scratch: Path) -> Path:
    """The wanted files of an `hf:` source at its pinned commit: a folder below `scratch`, or the one file it names.

    Raises SparringError if the hub cannot be reached, has no such commit, or holds none of the files wanted.
    """
    into = scratch / "repository"
    wanted = [f"*{suffix}" for suffix in (MODEL_SUFFIXES if kind == "model" else _DATA_SUFFIXES)]
    if source.member is not None:
        wanted = [source.member]
    try:
        snapshot_download(
            source.name, repo_type=kind, revision=source.revision, allow_patterns=wanted, local_dir=into, max_workers=4
        )
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise SparringError(f"{source.uri} at {source.revision}: not fetched ({line})") from error
    if not any(path.is_file() and ".cache" not in path.parts for path in into.rglob("*")):
        raise SparringError(f"{source.uri} at {source.revision}: none of {', '.join(wanted)} there")
    if source.member is not None and (into / source.member).is_file():
        return into / source.member
    return into
