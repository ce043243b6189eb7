"""The memory that training one coder by sparsify takes at its peak, from its recipe; read off sparsify's own code.

With D the width of a row, W latents, k kept, R rows a step, cut into pieces of p rows (sparring.coders.pieces), 4 bytes
a float, and P = W (2 D + 1) + D, and D^2 more with a skip, the coder's parameters:

    weights    4 P          encoder, decoder, biases (SparseCoder.__init__)
    gradients  4 P          all of them lie there at the last piece's backward
    optimizer  4 P          for each state: Adam 2 (moments), signum 1 (schedule-free `z`), muon 1 (momentum)
    rows       4 R D n      n copies in the Trainer's hook: what is read (and, apart from it, written), its clone, what
                            the mask leaves of both sides: 4 of an SAE, else 5; on a CPU two more, for the batch's
                            variance, whose memory is not had back in time
    piece      the largest of the moments below, of one piece
    libraries  52 MB on a CPU, what torch and the Trainer load and set aside when training begins; 67 MB on a card, the
               work spaces of cuBLAS in the forward's and the backward's thread, 32 MiB each on Hopper (each measured
               once)

The moments: forward, 2 x 4 p W (`F.linear`, then `F.relu` of it); the encoder's backward (FusedEncoder.backward),
4 p W (a zero gradient of the pre-activations) + 4 W D (the gradient it fills) + 4 p k D (`contributions`: every row
times every latent kept) + 5 x 4 p D (row, residual and their gradients); the optimizer's step, which holds no piece but
one or two temporaries of the largest tensor, 4 W D each.

On a card upstream's forward runs under bfloat16 autocast: pre-activations take half, and while it runs a bfloat16 copy
of the encoder's weights, 2 W D, is there beside them (docs/benchmarks/memory_gpu.md).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from sparring.coders.pieces import pieces
from sparring.coders.recipe import Kind, Recipe

_STATES = {"adam": 2, "signum": 1, "muon": 1}
_TEMPORARIES = {"adam": 2, "signum": 1, "muon": 2}
_FLOAT = 4.0
_LIBRARIES = {False: 52e6, True: 67e6}  # by whether it is on a card


@dataclass(frozen=True)
class Training:
    """A coder of `kind` trained by `recipe` on rows of `d` entries; on_card: under upstream's autocast."""

    name: str
    kind: Kind
    recipe: Recipe
    d: int
    on_card: bool = True

    def parts(self) -> dict[str, float]:
        """Bytes at the peak, by what they are for."""
        recipe, d = self.recipe, self.d
        matrix = _FLOAT * recipe.width * d
        weights = 2 * matrix + _FLOAT * (recipe.width + d + (d * d if self.kind == "skip-transcoder" else 0))
        copies = (4 if self.kind == "sae" else 5) + (0 if self.on_card else 2)
        return {
            "weights": weights,
            "gradients": weights,
            "optimizer state": _STATES[recipe.optimizer] * weights,
            "rows of a step": _FLOAT * recipe.batch_rows * d * copies,
            "one piece, forward and backward": self._piece(matrix),
            "libraries": _LIBRARIES[self.on_card],
        }

    def smaller(self, room: float) -> Iterator[tuple[str, "Training"]]:
        """What would take at most `room` bytes, in words, and the changed training: the first of each kind."""
        for key, least in (("batch_rows", 1), ("width", self.recipe.k)):
            value = getattr(self.recipe, key) // 2
            while value >= least:
                less = replace(self, recipe=replace(self.recipe, **{key: value}))
                if sum(less.parts().values()) <= room:
                    yield f"recipe.{key} {value:,}", less
                    break
                value //= 2
        if self.recipe.optimizer == "adam":
            less = replace(self, recipe=replace(self.recipe, optimizer="signum"))
            if sum(less.parts().values()) <= room:
                yield "recipe.optimizer signum, one state a weight", less

    def _piece(self, matrix: float) -> float:
        recipe, d = self.recipe, self.d
        number = pieces(recipe.batch_rows, recipe.k * d * 4)
        rows = recipe.batch_rows // number
        encoded = rows * recipe.width * (2.0 if self.on_card else _FLOAT)
        cast = matrix / 2 if self.on_card else 0.0
        filled = matrix if number > 1 else 0.0  # the first piece's becomes the gradient itself
        contributions = _FLOAT * rows * recipe.k * d
        return max(
            2 * encoded + cast,
            encoded + filled + contributions + 5 * _FLOAT * rows * d,
            _TEMPORARIES[recipe.optimizer] * matrix,
        )
