"""The one place that imports sparsify, with the environment it needs set before.

Where Triton can be imported but no GPU is there, sparsify picks its Triton decoder and fails (`0 active drivers`), so
it is switched off first. Its import also prints a line, which is kept off our output.
"""

import contextlib
import io
import os

import torch

if not torch.cuda.is_available():
    os.environ["SPARSIFY_DISABLE_TRITON"] = "1"

with contextlib.redirect_stdout(io.StringIO()):
    from sparsify import SparseCoder, SparseCoderConfig, TrainConfig, Trainer
    from sparsify.sparse_coder import ForwardOutput

__all__ = ["ForwardOutput", "SparseCoder", "SparseCoderConfig", "TrainConfig", "Trainer"]
