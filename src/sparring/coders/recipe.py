"""What coder to train and how: frozen configs, kept in the artifact. Nothing here imports torch."""

from dataclasses import dataclass
from typing import Literal

from sparring.errors import SparringError

Kind = Literal["sae", "transcoder", "skip-transcoder"]
Optimizer = Literal["adam", "signum", "muon"]


@dataclass(frozen=True)
class Arm:
    """One side of a comparison: which tensor a coder reads and which it writes.

    An SAE reads and writes one site; a transcoder reads one site and predicts another, a skip transcoder with an affine
    map beside its latents.
    """

    name: str
    kind: Kind
    read_site: str
    write_site: str

    def __post_init__(self) -> None:
        if (self.kind == "sae") != (self.read_site == self.write_site):
            same = "one site to read and write" if self.kind == "sae" else "two different sites"
            raise SparringError(
                f"arm {self.name}: a coder of kind {self.kind} takes {same}, not {self.read_site} and {self.write_site}"
            )

    @property
    def sites(self) -> tuple[str, ...]:
        """The sites whose rows it takes and predicts: one for an SAE."""
        return tuple(dict.fromkeys((self.read_site, self.write_site)))


@dataclass(frozen=True)
class Recipe:
    """How a coder is trained by sparsify's Trainer; both arms of a fair pair share one recipe.

    AuxK and Multi-TopK are always off: upstream gives the encoder a zero gradient for both.
    """

    width: int
    """Number of latents."""
    k: int
    """Latents kept a row by TopK; the realised count is lower where fewer are positive."""
    tokens: int
    """Rows seen in all: several epochs when this exceeds the rows in the cache."""
    lr: float
    """Peak learning rate, explicit because upstream's automatic rate diverges for narrow skip transcoders."""
    batch_rows: int = 2048
    """Rows an optimizer step."""
    optimizer: Optimizer = "adam"
    warmup: float = 0.05
    """Share of the steps over which Adam's rate rises from 0; it then falls linearly to 0. Signum has no schedule."""
    scale: bool = True
    """Scale rows to unit RMS (to the nearest power of two) while training; folded back when saved."""
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("width", "k", "tokens", "batch_rows"):
            if getattr(self, name) < 1:
                raise SparringError(f"recipe: {name} is {getattr(self, name)}; it must be at least 1")
        if self.k > self.width:
            raise SparringError(f"recipe: k = {self.k} exceeds width = {self.width}; lower k or raise width")
        if self.tokens < self.batch_rows:
            raise SparringError(f"recipe: tokens = {self.tokens} is less than one batch of {self.batch_rows} rows")
        if not self.lr > 0:
            raise SparringError(f"recipe: lr = {self.lr} must be positive")
        if not 0 <= self.warmup < 1:
            raise SparringError(f"recipe: warmup = {self.warmup} is a share of the steps and lies in [0, 1)")

    @property
    def steps(self) -> int:
        """Optimizer steps; rows that do not fill a last batch are left out."""
        return self.tokens // self.batch_rows
