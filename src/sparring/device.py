"""Which processor the subject model and the coders run on."""

import torch


def device() -> torch.device:
    """The GPU if torch sees one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
