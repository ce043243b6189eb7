"""How reconstruction is measured in the model itself. Light: a study is read at each parse."""

from dataclasses import dataclass

from sparring.errors import SparringError


@dataclass(frozen=True)
class ReconPlan:
    """What is run through the whole model, with the coder in its place, and how it is resampled."""

    sequences: int = 32
    """Sequences of the evaluated split, drawn by seed, that are run as they are, with the coder, with 0."""
    seed: int = 0
    """Of the draw, and of the resampling of documents."""

    def __post_init__(self) -> None:
        if self.sequences < 2:
            raise SparringError(f"recon.sequences is {self.sequences}: it must be at least 2; 32 is usual")
