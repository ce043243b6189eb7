"""A language model as a server reads it: config.json, safetensors as they were published, the tokenizer."""

import tempfile
from pathlib import Path
from typing import Any

from sparring.errors import SparringError
from sparring.sources.fetch import fetch
from sparring.sources.folder import check_tokenizer, copy_model_files, read_config, weight_files
from sparring.sources.source import Source
from sparring.sources.subject import convert_gguf, model_meta


def prepare_served(source: Source, *, out: Path) -> dict[str, Any]:
    """Write the model of `source` into the empty folder `out`; return its meta.

    A folder keeps its precision, 16 bits or quantised; a GGUF file becomes safetensors in float32, as for a subject.
    Raises SparringError for pickles, for models with code of their own, and without a tokenizer.json.
    """
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=out) as scratch:
        found = fetch(source, kind="model", scratch=Path(scratch))
        if found.is_dir():
            read_config(found)
            weight_files(found)
            check_tokenizer(found)
            copy_model_files(found, out=out)
        elif found.suffix == ".gguf":
            convert_gguf(found, out=out)
        else:
            raise SparringError(f"{source.uri}: {found.name} is neither a .gguf file nor a model folder")
    return model_meta(out)
