"""The subject model with its coders and its readout: forward passes that begin where something was put."""

import functools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sparring.device import device
from sparring.edges.layers import Layer
from sparring.hooks import site_module, visit_site
from sparring.probing.pooling import pooled
from sparring.probing.readout import Readout
from sparring.probing.task_tokens import TaskTokens
from sparring.resume import resumed
from sparring.sites import depth, parse_site
from sparring.subject_model import SiteReader

_TEXTS = 16  # of a forward pass

Values = Float[Tensor, "text position d"]
Rows = Float[Tensor, "row d"]


class _Stop(Exception):
    """Raised when all that is wanted was seen."""


@dataclass(frozen=True)
class Clean:
    """Some texts in the model as it is: the rows of every site of interest, and the nodes' latents."""

    ids: Int[Tensor, "text position"]
    counted: Bool[Tensor, "text position"]
    values: Mapping[str, Values]
    latents: Sequence[Float[Tensor, "row _"]]
    """Of each layer; a row is a counted token, texts one after the other."""
    margins: Float[Tensor, " text"]

    @property
    def text(self) -> Int[Tensor, " row"]:
        """The number of each row's text."""
        return self.counted.nonzero()[:, 0]

    @property
    def share(self) -> Float[Tensor, " row"]:
        """1 / the counted tokens of the row's text: what a row weighs in a mean."""
        return 1 / self.counted.sum(dim=1)[self.text]

    def by_text(self, rows: Float[Tensor, "row ..."]) -> Float[Tensor, "text ..."]:
        """Sums over each text's rows."""
        return rows.new_zeros(len(self.counted), *rows.shape[1:]).index_add_(0, self.text, rows)

    def rows(self, site: str) -> Rows:
        """Of a site, at the counted tokens."""
        return self.values[site][self.counted]


@dataclass(frozen=True)
class Network:
    """A model, coders in order of depth, and what is read off at the end."""

    model: Any
    layers: Sequence[Layer]
    readout_site: str
    readout: Readout

    def clean(self, texts: TaskTokens) -> Iterator[Clean]:
        """The texts, some at a time, each cut to the longest of its batch."""
        entries = {f"layers.{parse_site(layer.write).layer}.resid_pre" for layer in self.layers}
        sites = {site for layer in self.layers for site in (layer.read, layer.write)} | entries | {self.readout_site}
        reader = SiteReader(self.model, tuple(sorted(sites, key=depth)))
        for ids, counted in batches(texts):
            found = reader.read(ids)
            latents = [layer.latents(found[layer.read][counted]) for layer in self.layers]
            margins = self._margins(pooled(found[self.readout_site], counted))
            yield Clean(ids, counted, found, latents, margins)

    def margins(self, clean: Clean, rows: Rows) -> Float[Tensor, " text"]:
        """How far on the class's side each text lies by the rows of the readout's site."""
        return self._margins(clean.by_text(rows * clean.share[:, None]))

    def run(self, clean: Clean, *, put: Mapping[str, Rows], see: Sequence[str]) -> dict[str, Rows]:
        """The rows of the sites `see` where those of `put` take their sites' places.

        Of a site in both, the rows that came there. Nothing runs before the first site of `put` or after the last of
        `see`. Gradients are kept.
        """
        first = min(put, key=depth)
        site = parse_site(first)
        if site.place == "resid_post":  # no need to run its block
            block, entered = site.layer + 1, _with_rows(clean.values[first], clean.counted, put[first])
        else:
            block, entered = site.layer, clean.values[f"layers.{site.layer}.resid_pre"]
        found: dict[str, Tensor] = {}

        def visit(name: str, value: Tensor) -> Tensor | None:
            if name in see:
                found[name] = value[clean.counted]
                if len(found) == len(see):
                    raise _Stop
            rows = put.get(name, found.get(name))
            # What was seen goes on as it was seen, so that gradients can be asked of it.
            if rows is None or not (name in put or rows.requires_grad):
                return None
            return _with_rows(value, clean.counted, rows)

        with ExitStack() as stack:
            stack.enter_context(resumed(self.model, block, entered))
            for name in sorted({*put, *see} - ({first} if site.place == "resid_post" else set()), key=depth):
                module = site_module(self.model, parse_site(name))
                stack.callback(visit_site(module, parse_site(name), functools.partial(visit, name)).remove)
            try:
                self.model.base_model(input_ids=clean.ids, use_cache=False)
            except _Stop:
                return found
        raise ValueError(f"{set(see) - set(found)} was not reached behind {first}")

    def _margins(self, means: Float[Tensor, "text d"]) -> Float[Tensor, " text"]:
        """As Readout.logits has it, with gradients."""
        return means.double() @ self.readout.direction.to(means.device) - self.readout.middle


def _with_rows(values: Values, counted: Bool[Tensor, "text position"], rows: Rows) -> Values:
    new = values.clone()
    new[counted] = rows
    return new


def batches(texts: TaskTokens) -> Iterator[tuple[Int[Tensor, "text position"], Bool[Tensor, "text position"]]]:
    """Token ids and which count, some texts at a time, without the columns in which none of them counts."""
    for start in range(0, len(texts.ids), _TEXTS):
        counted = torch.from_numpy(texts.counted[start : start + _TEXTS]).bool()
        length = int(counted.any(dim=0).nonzero().max()) + 1
        ids = torch.from_numpy(texts.ids[start : start + _TEXTS, :length]).long()
        yield ids.to(device()), counted[:, :length].to(device())
