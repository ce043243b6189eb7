"""What each key of a study holds: frozen, strict about names and types."""

from dataclasses import field
from typing import Annotated, Literal, get_args

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from sparring.autointerp.plan import AskPlan, DelphiPlan, DescribePlan
from sparring.coders.format import Origin
from sparring.coders.lens_plan import Architecture, LensPlan, check_plan
from sparring.coders.recipe import Kind, Recipe
from sparring.errors import SparringError
from sparring.llm.plan import LlmPlan
from sparring.sources.source import Source

STRICT = ConfigDict(extra="forbid")
Maker = Literal["sparsify", "sae_lens", "elsewhere"]


@dataclass(frozen=True, config=STRICT)
class Subject:
    """The model whose activations are coded, and its number of blocks (read from config.json for a path: source)."""

    source: Source
    layers: Annotated[int, Field(ge=1)] | None = None


@dataclass(frozen=True, config=STRICT)
class Corpus:
    """The texts."""

    source: Source
    format: Literal["csv", "jsonl", "parquet", "txt"]
    column: str = "text"


@dataclass(frozen=True, config=STRICT)
class CachePlan:
    """How activations are kept: bf16 halves the cache; batch is in sequences."""

    dtype: Literal["float32", "bfloat16"] = "float32"
    batch: Annotated[int, Field(ge=1)] = 16
    seed: int = 0


@dataclass(frozen=True, config=STRICT)
class CoderConfig:
    """One arm: its kind and the places of the layer that it reads and writes.

    architecture: topk is trained by sparsify, the others by sae_lens, whose own keys stand in `sae_lens`. source and
    format: a coder that was trained elsewhere is taken as it is.
    """

    kind: Kind
    read: str
    write: str
    layer: int | None = None
    architecture: Architecture = "topk"
    sae_lens: LensPlan | None = None
    format: Origin | None = None
    source: Source | None = None

    @property
    def made_by(self) -> Maker:
        """Who trains it: one of the two libraries here, or somebody elsewhere."""
        if self.source is not None:
            return "elsewhere"
        return "sparsify" if self.architecture == "topk" else "sae_lens"

    @property
    def wants_training_rows(self) -> bool:
        """Whether it is trained here, has an affine floor to be fitted, or may have a norm to be folded in."""
        return self.source is None or self.kind != "sae" or self.format == "sae_lens"

    def check(self, name: str, recipe: Recipe) -> None:
        """Raises SparringError, naming the key below coders.`name`, for keys that contradict each other."""
        if (self.source is None) != (self.format is None):
            lost, mend = (
                ("format", f"say how the coder of `source` lies there: {', '.join(get_args(Origin))}")
                if self.format is None
                else ("source", "a format says how a coder from elsewhere lies in its source")
            )
            raise SparringError(f"coders.{name}.{lost}: missing; {mend}")
        if self.source is not None and (self.architecture != "topk" or self.sae_lens is not None):
            raise SparringError(
                f"coders.{name}.architecture: a coder from {self.source.uri} has the architecture that it was trained "
                "with; take architecture and sae_lens away"
            )
        check_plan(name, self.kind, self.architecture, self.sae_lens, recipe)


@dataclass(frozen=True, config=STRICT)
class Scorer:
    """The model that scores explanations."""

    source: Source


@dataclass(frozen=True, config=STRICT)
class Llm:
    """A language model that explains, judges, or both.

    sources: the GGUF for llama.cpp, in parts that are joined, and the sha256 of the whole; for vllm one source, as of a
    subject, which keeps the precision it is published in. judges: its scores decide,
    by `ask` under the strict protocol, by `delphi` under delphi's; describe: it writes the explanations too.
    """

    model: LlmPlan
    sources: list[Source] = field(default_factory=list)
    sha256: str = ""
    judges: bool = True
    ask: AskPlan = field(default_factory=AskPlan)
    describe: DescribePlan | None = None
    delphi: DelphiPlan = field(default_factory=DelphiPlan)

    def __post_init__(self) -> None:
        engine, whole = self.model.engine, bool(self.sha256)
        if engine == "llama.cpp" and not (self.sources and whole):
            raise SparringError("llm.sources: llama.cpp needs the sources of a GGUF and the llm.sha256 of the whole")
        if engine == "openai" and (self.sources or whole):
            raise SparringError("llm.sources: an endpoint has its own model; take llm.sources and llm.sha256 away")
        if engine == "vllm" and (len(self.sources) != 1 or whole):
            raise SparringError(
                f"llm.sources: vllm needs one source of a model folder (here {len(self.sources)}), and no llm.sha256"
            )
        if self.describe is not None and not self.judges:
            raise SparringError(
                "llm.describe: the embedding scorer reads token lists, not sentences; set llm.judges to true"
            )
