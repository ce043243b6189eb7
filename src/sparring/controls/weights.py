"""A model of the subject's shape that learned nothing: every parameter tensor re-drawn from a Gaussian of its moments.

As Heap et al. 2025 (arXiv 2501.17727) do, embeddings included or excluded: each tensor, norms and biases too, gets
independent normal values with its own mean and standard deviation over all of its entries. A tensor whose entries are
all alike (a norm's gains at 1) has standard deviation 0 and stays as it is.
"""

import hashlib
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from sparring.canonical import digest, pretty_json, significant
from sparring.sources.folder import copy_tokenizer, read_config
from sparring.sources.subject import model_meta, save_model
from sparring.subject_model import load_subject

MOMENTS = "moments.json"


@torch.no_grad()
def randomise_weights(subject: Path, *, embeddings: bool, seed: int, out: Path) -> dict[str, Any]:
    """Write the subject folder `subject` with its parameters re-drawn into the empty folder `out`; return its meta.

    embeddings: whether token embeddings, and a head that is not tied to them, are re-drawn too.
    moments.json: for each tensor {"shape", "redrawn", "mean", "std", "new_mean", "new_std"}; the meta has its digest.
    """
    model = load_subject(subject).cpu()
    spared = set() if embeddings else token_embeddings(model)
    moments: dict[str, dict[str, Any]] = {}
    for name, parameter in model.named_parameters():  # a tied head is there once, as the embedding that it is
        redrawn = name not in spared
        before = _moments(parameter)
        if redrawn:
            parameter.copy_(redraw(parameter, name=name, seed=seed))
        after = _moments(parameter)
        moments[name] = {
            "shape": list(parameter.shape),
            "redrawn": redrawn,
            "mean": before[0],
            "std": before[1],
            "new_mean": after[0],
            "new_std": after[1],
        }
    save_model(model.state_dict(), config=read_config(subject), out=out)
    copy_tokenizer(subject, out=out)
    (out / MOMENTS).write_bytes(pretty_json(moments))
    drawn = sum(bool(moment["redrawn"]) for moment in moments.values())
    return model_meta(out) | {
        "control": "weights",
        "embeddings": embeddings,
        "seed": seed,
        "tensors_redrawn": drawn,
        "tensors_kept": len(moments) - drawn,
        "moments": digest(moments),
    }


def redraw(values: Float[Tensor, "..."], *, name: str, seed: int) -> Float[Tensor, "..."]:
    """Independent normal values with the mean and the standard deviation (over all entries) of `values`.

    The generator is seeded by (seed, name) alone, so neither the order of the tensors nor a tensor left out matters.
    """
    mean, std = _moments(values)
    key = hashlib.sha256(f"{seed} {name}".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(key[:8], "big") >> 1)
    return torch.randn(values.shape, generator=generator, dtype=torch.float32).mul_(std).add_(mean)


def token_embeddings(model: Any) -> set[str]:
    """The names of the parameters of the model's input embedding and of its head."""
    modules = [found for found in (model.get_input_embeddings(), model.get_output_embeddings()) if found is not None]
    ours = {id(parameter) for module in modules for parameter in module.parameters()}
    return {name for name, parameter in model.named_parameters() if id(parameter) in ours}


def _moments(values: Tensor) -> tuple[float, float]:
    """(mean, standard deviation) over all entries, of the entries there are, not an estimate from them.

    In float64, nine digits: the last ones of a sum depend on the number of cores, and the draw must not.
    """
    wide = values.double()
    return significant(float(wide.mean())), significant(float(wide.std(correction=0)))
