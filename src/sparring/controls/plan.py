"""What an arm is held against to learn what the model itself learned. Light: a study is read at each parse."""

from typing import Literal

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from sparring.errors import SparringError


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class ControlPlan:
    """One control: a model that learned nothing, or a decoder that does not. Each coder trained here has a twin by it.

    The randomised models are those of Heap et al. 2025 (arXiv 2501.17727).
    """

    model: Literal["weights", "iid_embeddings"] | None = None
    """weights: every parameter tensor re-drawn from a Gaussian with that tensor's own mean and standard deviation;
    iid_embeddings: the trained model, but each occurrence of a token gets an embedding drawn anew."""
    embeddings: bool | None = None
    """With model: weights, whether token embeddings (and an untied head) are re-drawn as well; they are by default."""
    decoder: Literal["random"] | None = None
    """The decoder stays at random unit rows while the rest of the coder is trained, on the trained model's rows."""
    seed: int = 0

    def __post_init__(self) -> None:
        if (self.model is None) == (self.decoder is None):
            raise SparringError("controls: a control is a `model` (weights or iid_embeddings) or a `decoder` (random)")
        if self.embeddings is not None and self.model != "weights":
            raise SparringError(
                f"controls: embeddings is {self.embeddings}, but only model: weights re-draws any; take it away"
            )

    @property
    def with_embeddings(self) -> bool:
        """Whether the token embeddings are re-drawn too."""
        return self.embeddings is not False
