"""SAEBench's `core` by its own `run_evals`, on evaluated sequences of the study, beside our figures on the same tokens.

What it wants in place of what there is: a model with TransformerLens's hooks (TransformerBridge; its own entry point
asks HookedTransformer, which refuses local folders and Gemma 2), and a store of tokens (its own reads a hub data set).
Its figures are reported as they are. Among them `explained_variance` is about zero and not about the mean, and no
figure leaves position 0 out, whose norm can be a hundred times the others': VE is never taken from here.
"""

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sparring.canonical import rounded
from sparring.coders.recipe import Arm
from sparring.coders.sae_lens_adapter import load_sae_lens
from sparring.controls.iid_embeddings import refuse_iid_embeddings
from sparring.device import device
from sparring.errors import SparringError
from sparring.gates.references import boot_bridge
from sparring.recon_metrics import ReconSums
from sparring.recon_plan import ReconPlan
from sparring.saebench.upstream import run_core
from sparring.subject_model import SiteReader, load_subject
from sparring.token_file import read_tokens

_MOST_AT_ONCE = 4  # sequences: its KL holds several copies of all logits
_TOLERANCE = 1e-4
_NOT_APPLICABLE = (
    "core holds a coder's output against its INPUT and puts it back there; a transcoder predicts another site, so only "
    "sparsity and weights are measured (its reconstruction: results/recon)"
)


class TokenStore:
    """The part of sae_lens's ActivationsStore that `core` uses: the same sequences, again after each reset."""

    def __init__(self, sequences: Int[Tensor, "sequence position"], batch: int) -> None:
        self._sequences = sequences
        self._next = 0
        self.context_size = sequences.shape[1]
        self.store_batch_size_prompts = batch
        self.batches = len(sequences) // batch

    def get_batch_tokens(self, batch: int) -> Int[Tensor, "sequence position"]:
        """The next `batch` sequences."""
        self._next += batch
        return self._sequences[self._next - batch : self._next]

    def reset_input_dataset(self) -> None:
        """Back to the first."""
        self._next = 0


@torch.no_grad()
def core(arm: Arm, adapter: Path, subject: Path, tokens: Path, *, split: str, plan: ReconPlan) -> dict[str, Any]:
    """The result that `results/saebench_core/ARM.json` holds.

    Raises SparringError where L0 is not ours on the same tokens, which is defined alike.
    """
    refuse_iid_embeddings(subject, f"saebench core of {arm.name}")
    data, coder, model = read_tokens(tokens), load_sae_lens(adapter), load_subject(subject)
    own = np.sort(np.random.default_rng(plan.seed).permutation(data.of(split))[: plan.sequences])
    sequences = torch.from_numpy(data.tokens[own]).to(device(), torch.long)
    batch = max(size for size in range(1, _MOST_AT_ONCE + 1) if len(own) % size == 0)
    bridge = boot_bridge(str(subject), model)
    ignored = {bridge.tokenizer.pad_token_id, bridge.tokenizer.eos_token_id, bridge.tokenizer.bos_token_id} - {None}
    reconstructs = arm.kind == "sae"
    found = run_core(coder, bridge, TokenStore(sequences, batch), ignored, reconstructs=reconstructs)
    theirs = ~torch.isin(sequences, torch.tensor(sorted(ignored), device=sequences.device))
    rows = SiteReader(model, (arm.read_site,)).read(sequences)[arm.read_site]
    ours = _ours(coder, rows, theirs, reconstructs) | {"tokens": int(theirs.sum())}
    l0 = found["sparsity"]["l0"]
    if abs(l0 - ours["l0"]) > _TOLERANCE * max(1.0, ours["l0"]):
        raise SparringError(
            f"saebench core of {arm.name}: L0 is {l0:.6f} by sae_bench and {ours['l0']:.6f} by us on the same tokens"
        )
    counted = torch.from_numpy(data.counted[own].astype(bool)).to(device())
    result = {
        "arm": asdict(arm),
        "sequences": len(own),
        "ignored_tokens": sorted(ignored),
        "sae_bench": found,
        "ours": {"their_tokens": ours, "counted_tokens": _ours(coder, rows, counted, reconstructs)},
    }
    if not reconstructs:
        result["note"] = _NOT_APPLICABLE
    return dict(rounded(_without_nan(result)))


def _ours(
    coder: Any,
    rows: Float[Tensor, "sequence position d"],
    where: Bool[Tensor, "sequence position"],
    reconstructs: bool,
) -> dict[str, Any]:
    """L0, and for what reconstructs its input VE about the mean and the cosine, over the rows `where`."""
    x = rows[where]
    latents = coder.encode(x)
    found = {"l0": float((latents > 0).sum(dim=1).double().mean())}
    if reconstructs:
        sums = ReconSums(np.zeros(len(x), dtype=np.int64), x.shape[1])
        sums.add(x.cpu().numpy(), coder.decode(latents).cpu().numpy())
        figures = sums.figures(seed=0, resamples=1)  # of one block: its interval means nothing and is left out
        found |= {key: float(figures[key]) for key in ("ve", "cosine", "relative_bias")}  # type: ignore[arg-type]
    return found


def _without_nan(value: Any) -> Any:
    """JSON has no NaN, and sae_bench's own -1 in its place looks like a figure: null says that there is none."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _without_nan(entry) for key, entry in value.items()}
    return [_without_nan(entry) for entry in value] if isinstance(value, list) else value
