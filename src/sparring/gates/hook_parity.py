"""The gate on cached rows: they are what Hugging Face and TransformerLens have at the named site, row for row.

Beside each check stand variants that are known to be wrong (the neighbouring layer, rows of the next position, the
other side of a norm): the same check must fail on them in the same run, or it would pass anything.
"""

import functools
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sparring.activation_cache import ActivationCache
from sparring.coders.encoding import Encoder
from sparring.controls.iid_embeddings import refuse_iid_embeddings
from sparring.device import device
from sparring.errors import SparringError
from sparring.gates.references import Lens, from_hugging_face
from sparring.sites import Site, n_layers, parse_site, sides_of_norm
from sparring.subject_model import load_subject
from sparring.token_file import read_tokens

SEQUENCES = 8
TOLERANCE = {"float32": 1e-5, "bfloat16": 2e-3}  # of ||difference|| / ||reference||, by how rows are cached
_JACCARD = 0.99  # rows that differ in their last bits may swap latents that are all but equal

Read = Callable[[Site, Int[Tensor, " position"]], Float[Tensor, "position d"]]


@dataclass(frozen=True)
class Sequences:
    """Cached rows of a few sequences, and where the model is to be asked for them: ids and positions of each."""

    ids: tuple[Int[Tensor, " position"], ...]
    positions: tuple[Int[Tensor, " rows"], ...]
    rows: dict[str, Float[Tensor, "all d"]]

    def read(self, read: Read, site: Site, *, shift: int = 0) -> Float[Tensor, "all d"]:
        """The rows of `site` by `read`, each `shift` positions later (the last ones stay)."""
        found = []
        for ids, positions in zip(self.ids, self.positions, strict=True):
            found.append(read(site, ids)[(positions + shift).clamp(max=len(ids) - 1)].float().cpu())
        return torch.cat(found)


def hook_parity(subject: Path, tokens: Path, activations: Path, coder: Path, *, split: str) -> dict[str, Any]:
    """{"arm", "tolerance", "side_of_norm", "checks", "must_fail"}; each check: site, reference, `relative` difference,
    and for the read site the `jaccard` of the coder's active latents (mean over rows) and its `jaccard_least`.

    side_of_norm: for each site that is an MLP's output, where a norm follows that, "before" or "after" it.

    Raises SparringError, naming site, reference and figures, for a check that fails, or a variant that passes it.
    """
    refuse_iid_embeddings(subject, "hook parity with TransformerLens")
    encoder = Encoder.load(coder)
    sites = encoder.arm.sites
    some, stored = _sequences(tokens, activations, split, sites)
    model = load_subject(subject)
    config = model.config.to_dict()
    # One copy of the model: asked as it is first, and only then put under TransformerLens, which may change it.
    hugging = {name: some.read(functools.partial(from_hugging_face, model), parse_site(name)) for name in sites}
    with tempfile.TemporaryDirectory() as name:
        link = Path(name) / "subject"  # a neutral name: TransformerLens reads families out of a folder's name
        link.symlink_to(subject.resolve())
        lens = Lens(str(link), model)
        checks = [
            _compare(some, encoder, name, reference, rows)
            for name in sites
            for reference, rows in (
                ("Hugging Face", hugging[name]),
                ("TransformerLens", some.read(lens.read, parse_site(name))),
            )
        ]
        wrong = [
            _compare(some, encoder, name, variant, rows)
            for name in sites
            for variant, rows in _variants(some, parse_site(name), lens, n_layers(config))
        ]
    tolerance = TOLERANCE[stored]
    for check in checks:
        if check["relative"] > tolerance or check.get("jaccard", 1.0) < _JACCARD:
            raise SparringError(f"hook parity of {_said(check)}: at most {tolerance:g} is right; derive it again")
    for check in wrong:
        if check["relative"] <= tolerance:
            raise SparringError(f"hook parity cannot tell {_said(check)}: a check that passes this proves nothing")
    return {
        "arm": encoder.arm.name,
        "tolerance": tolerance,
        "side_of_norm": sides_of_norm(sites, config),
        "checks": checks,
        "must_fail": wrong,
    }


def _variants(some: Sequences, site: Site, lens: Lens, layers: int) -> Iterator[tuple[str, Float[Tensor, "all d"]]]:
    beside = Site(site.layer - 1 if site.layer else site.layer + 1, site.place)
    if beside.layer < layers:
        yield beside.name, some.read(lens.read, beside)
    yield "the next position", some.read(lens.read, site, shift=1)
    yield "the other side of a norm", some.read(lens.beside_a_norm, site)


def _compare(
    some: Sequences, encoder: Encoder, site: str, reference: str, rows: Float[Tensor, "all d"]
) -> dict[str, Any]:
    cached = some.rows[site]
    found: dict[str, Any] = {"site": site, "reference": reference, "rows": len(rows)}
    found["relative"] = float((cached.double() - rows.double()).norm() / rows.double().norm())
    if site == encoder.arm.read_site:
        each = jaccard(encoder.dense(cached) > 0, encoder.dense(rows) > 0)
        found |= {"jaccard": float(each.mean()), "jaccard_least": float(each.min())}
    return found


def jaccard(a: Bool[Tensor, "rows latents"], b: Bool[Tensor, "rows latents"]) -> Float[Tensor, " rows"]:
    """Of each row's active latents: those in both over those in either, 1 where neither has any."""
    both, either = (a & b).sum(1).double(), (a | b).sum(1).double()
    return torch.where(either > 0, both / either.clamp(min=1), torch.ones_like(both))


def _said(check: dict[str, Any]) -> str:
    latents = f", Jaccard of the latents {check['jaccard']:.3f}" if "jaccard" in check else ""
    return f"{check['site']} against {check['reference']}: relative difference {check['relative']:.2g}{latents}"


def _sequences(tokens: Path, activations: Path, split: str, sites: tuple[str, ...]) -> tuple[Sequences, str]:
    """The first few sequences of `split`, and the type their rows are stored in."""
    data = read_tokens(tokens)
    own = data.of(split)[:SEQUENCES]
    with ActivationCache(activations) as cache:
        index = cache.index(split)
        at = np.flatnonzero(np.isin(index["sequence"], own))
        order = at[np.lexsort((index["position"][at], index["sequence"][at]))]
        first = next(cache.blocks(split, sites, int(at.max()) + 1))  # in document order they are the first rows
        rows = {site: first[site][torch.from_numpy(order)] for site in sites}
        stored = str(cache.stored(split, sites[0]).attrs["dtype"])
    ids = tuple(torch.from_numpy(data.tokens[i]).to(device(), torch.long) for i in own)
    positions = tuple(torch.from_numpy(np.flatnonzero(data.counted[i])) for i in own)
    return Sequences(ids, positions, rows), stored
