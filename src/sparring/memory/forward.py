"""The memory that a forward pass through the subject takes at its peak, with coders beside it; float32, as we run it.

With B sequences of T tokens, d, mlp, heads, kv_heads, head_dim of the model, 4 bytes a float:

    weights      4 x parameters
    activations  4 B T (6 d + 3 mlp + (heads + 2 kv_heads) head_dim) of the block at work: residual stream, norms and
                 the MLP's gate, up and product; and 2 x 4 B heads T^2, scores and their softmax, which fused attention
                 does without: an upper bound; of every block where the pass is differentiated
    sites        4 B T d each, those that are kept until the pass is over
    logits       4 B T vocabulary where they are wanted, twice (logits, log-softmax), thrice where several sequences'
                 are flattened; the last block's activations are gone by then: the larger of both counts
    cache        2 x 4 layers kv_heads head_dim B T where text is written, and 4 x 4 B vocabulary of a step's logits
    coders       4 (2 W d + W) each, and 2 x 4 rows W of dense latents, of one at a time
    libraries    34 MB, the work space of cuBLAS (32 MiB on Hopper) and small tensors

No source gives these sums as they stand; each term is a tensor of transformers' modeling code of the family (llama,
gemma2, gpt_neox). Held against a card in docs/benchmarks/memory_gpu.md.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from sparring.memory.models import Model

_FLOAT = 4.0
_LIBRARIES = 34e6


@dataclass(frozen=True)
class Forward:
    """`batch` sequences of `context` tokens through `model`; coders: width of each, on rows of the model's d.

    cached: written token by token, with a key-value cache.
    """

    name: str
    model: Model
    batch: int
    context: int
    sites: int = 1
    logits: bool = False
    coders: tuple[int, ...] = ()
    differentiated: bool = False
    cached: bool = False

    def parts(self) -> dict[str, float]:
        """Bytes at the peak, by what they are for."""
        model, tokens = self.model, self.batch * self.context
        inner = 6 * model.d + 3 * model.mlp + (model.heads + 2 * model.kv_heads) * model.head_dim
        blocks = _FLOAT * tokens * (inner + 2 * model.heads * self.context)
        blocks *= model.layers if self.differentiated else 1
        logits = (2 if self.batch == 1 else 3) * _FLOAT * tokens * model.vocabulary if self.logits else 0.0
        kept = 2 * model.layers * model.kv_heads * model.head_dim * tokens + 4 * self.batch * model.vocabulary
        widest = max(self.coders, default=0)
        return {
            "weights": _FLOAT * model.parameters,
            "activations": blocks if blocks > logits else 0.0,
            "logits": logits if logits >= blocks else 0.0,
            "sites": _FLOAT * tokens * model.d * self.sites,
            "key-value cache": _FLOAT * kept if self.cached else 0.0,
            "coders": _FLOAT * sum(2 * width * model.d + width for width in self.coders),
            "latents": 2 * _FLOAT * tokens * widest,
            "libraries": _LIBRARIES,
        }

    def smaller(self, room: float) -> Iterator[tuple[str, "Forward"]]:
        """What would take at most `room` bytes, in words, and the changed pass: a smaller batch."""
        batch = self.batch // 2
        while batch:
            less = replace(self, batch=batch)
            if sum(less.parts().values()) <= room:
                yield f"{batch} sequence{'s' if batch > 1 else ''} at once", less
                return
            batch //= 2


@dataclass(frozen=True)
class Encoding:
    """A coder of `width` latents alone on the card, with `rows` rows of `d` entries at once."""

    name: str
    d: int
    width: int
    rows: int

    def parts(self) -> dict[str, float]:
        """Bytes at the peak, by what they are for."""
        return {
            "coders": _FLOAT * (2 * self.width * self.d + self.width),
            "rows of a step": _FLOAT * 4 * self.rows * self.d,
            "latents": 2 * _FLOAT * self.rows * self.width,
        }

    def smaller(self, room: float) -> Iterator[tuple[str, "Encoding"]]:
        """Its rows are few and fixed: nothing is to be changed."""
        yield from ()
