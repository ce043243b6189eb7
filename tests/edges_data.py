"""Small networks of a model and coders, made by hand, for tests of edges."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from tiny import tiny_model

from sparring.coders.coder import Coder, Reconstruction
from sparring.coders.encoding import Encoder
from sparring.coders.recipe import Arm
from sparring.edges.layers import Layer
from sparring.edges.network import Network
from sparring.probing.readout import Readout
from sparring.probing.task_tokens import TaskTokens

D, LATENTS = 16, 12


def lively_model(layers: int = 4, *, seed: int = 0, scale: float = 8.0) -> Any:
    """A tiny model, in float64, whose blocks do something."""
    model = tiny_model(layers=layers, d=D, seed=seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter *= scale
        model.model.embed_tokens.weight *= 50 / scale  # rows of about unit length: norms of tiny ones are hardly linear
    return model.double().eval().requires_grad_(False)


def without_block(model: Any, number: int) -> Any:
    """The same with a block that passes on what enters it: between sites around it all is linear."""
    block = model.model.layers[number]
    block.self_attn.o_proj.weight.zero_()
    block.mlp.down_proj.weight.zero_()
    return model


def texts(number: int = 6, length: int = 10, *, seed: int = 0) -> TaskTokens:
    """Random tokens; position 0 does not count, and of every second text the last three are padding."""
    rng = np.random.default_rng(seed)
    counted = np.ones((number, length), np.uint8)
    counted[:, 0] = 0
    counted[1::2, -3:] = 0
    return TaskTokens(rng.integers(3, 250, (number, length)).astype(np.int32), counted)


class Exact(Encoder):
    """In float64, where finite differences can be told from rounding."""

    def dense(self, x: torch.Tensor) -> torch.Tensor:
        return (x @ self.weight.T + self.bias).relu()


def layer(arm: Arm, *, nodes: Sequence[int] = range(4), always: bool = False, seed: int = 0) -> Layer:
    """A random coder in float64; always: every latent is active on every row, so that it is linear."""
    rng = torch.Generator().manual_seed(seed)
    weight = torch.randn(LATENTS, D, generator=rng, dtype=torch.float64) / D**0.5
    bias = torch.randn(LATENTS, generator=rng, dtype=torch.float64) * 0.1 + (100 if always else 0)
    encoder = Exact(arm, None, weight, bias, None)
    return Layer(
        encoder,
        torch.randn(LATENTS, D, generator=rng, dtype=torch.float64) / D**0.5,
        torch.rand(LATENTS, generator=rng, dtype=torch.float64) + (100 if always else 0),
        torch.randn(D, generator=rng, dtype=torch.float64),
        torch.ones(LATENTS, dtype=torch.bool),
        torch.tensor(list(nodes)),
    )


def sae(number: int) -> Arm:
    """Of the residual stream behind a block."""
    return Arm(f"sae_{number}", "sae", f"layers.{number}.resid_post", f"layers.{number}.resid_post")


def transcoder(number: int) -> Arm:
    """Of a block's MLP."""
    return Arm(f"tc_{number}", "transcoder", f"layers.{number}.mlp.in", f"layers.{number}.mlp.out")


def network(model: Any, layers: Sequence[Layer], *, site: str = "layers.3.resid_post") -> Network:
    """With a random readout."""
    direction = torch.randn(D, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
    return Network(model, list(layers), site, Readout(direction, 0.3))


def only(network: Network, number: int, nodes: Sequence[int]) -> Network:
    """With other nodes in one layer."""
    layers = list(network.layers)
    layers[number] = replace(layers[number], nodes=torch.tensor(list(nodes)))
    return replace(network, layers=layers)


@dataclass(frozen=True)
class PlainCoder(Coder):
    """A layer as sparring.patching takes coders; x_hat has the bias b_dec = 0.5."""

    layer: Layer
    arm: Arm

    @property
    def n_latents(self) -> int:
        return LATENTS

    @property
    def decoder(self) -> torch.Tensor:
        return self.layer.decoder

    def reconstruct(self, x: torch.Tensor) -> Reconstruction:
        z = (x @ self.layer.encoder.weight.T + self.layer.encoder.bias).relu()
        return Reconstruction(z @ self.layer.decoder + 0.5, z, torch.arange(LATENTS).expand(len(x), -1))
