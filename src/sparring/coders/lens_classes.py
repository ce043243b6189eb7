"""The class that sae_lens has not: its skip transcoder knows ReLU and JumpReLU, so one with TopK stands here.

Registered under its own name, so that sae_lens's own loader reads and writes it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sae_lens import SkipTranscoder, SkipTranscoderConfig
from sae_lens.registry import register_sae_class
from sae_lens.saes.sae import SAEMetadata
from sae_lens.saes.topk_sae import TopK
from torch import Tensor
from typing_extensions import override


@dataclass
class TopKSkipTranscoderConfig(SkipTranscoderConfig):
    """A skip transcoder whose latents are the `k` largest after ReLU."""

    metadata: Any = field(default_factory=SAEMetadata)  # sae_lens first makes it with a dict, then puts the object in
    k: int = 32

    @override
    @classmethod
    def architecture(cls) -> str:
        return "topk_skip_transcoder"


class TopKSkipTranscoder(SkipTranscoder):
    """y_hat = W_dec^T TopK(relu(W_enc^T x + b_enc)) + W_skip x + b_dec."""

    cfg: TopKSkipTranscoderConfig

    @override
    def get_activation_fn(self) -> Callable[[Tensor], Tensor]:
        return TopK(self.cfg.k)


register_sae_class("topk_skip_transcoder", TopKSkipTranscoder, TopKSkipTranscoderConfig)
