"""Sizes of known language models: the table that comes with the package."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class Model:
    """The sizes of a language model, as its config.json has them."""

    name: str
    parameters: int
    layers: int
    d: int
    mlp: int
    heads: int
    kv_heads: int
    head_dim: int
    vocabulary: int

    @property
    def short(self) -> str:
        """The name without where it comes from: gemma-2-2b."""
        return self.name.split(":")[-1].split("/")[-1]

    @property
    def inside(self) -> int:
        """Parameters of all blocks: all but one table of embeddings, which is looked up and not multiplied by."""
        return self.parameters - self.vocabulary * self.d


@cache
def models() -> dict[str, Model]:
    """Every known model by the start of its source's uri, or by an endpoint's name."""
    said = json.loads(Path(__file__).with_name("models.json").read_bytes())
    return {name: Model(name, **of) for name, of in said["models"].items()}


def model(name: str) -> Model | None:
    """The known model whose name `name` is, with or without a version, a revision or a GGUF's ending; else None."""
    known = models()
    return known.get(name) or known.get(name.split("==")[0])
