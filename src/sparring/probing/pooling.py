"""One vector a text: the mean over its counted tokens."""

from jaxtyping import Bool, Float
from torch import Tensor


def pooled(
    values: Float[Tensor, "text position column"], counted: Bool[Tensor, "text position"]
) -> Float[Tensor, "text column"]:
    """Mean over the counted positions of each text; NaN for a text that has none."""
    return (values * counted[:, :, None]).sum(dim=1) / counted.sum(dim=1, keepdim=True)
