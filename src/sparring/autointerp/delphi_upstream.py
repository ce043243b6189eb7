"""The one place that imports delphi's explainers and scorers.

They import vLLM, of which nothing here is used (its client fails with transformers 5; ours is in delphi_client.py).
Where vLLM is not installed, empty modules stand in for it while delphi is imported, and are taken away again.
"""

import importlib.util
import logging
import sys
from types import ModuleType
from typing import Any

_NAMES: dict[str, tuple[str, ...]] = {
    "vllm": ("LLM", "SamplingParams"),
    "vllm.distributed": (),
    "vllm.distributed.parallel_state": ("destroy_distributed_environment", "destroy_model_parallel"),
    "vllm.inputs": ("TokensPrompt",),
}


def _stand_ins() -> dict[str, Any]:
    if importlib.util.find_spec("vllm") is not None:
        return {}
    made: dict[str, Any] = {name: ModuleType(name) for name in _NAMES}
    for name, attributes in _NAMES.items():
        for attribute in attributes:
            setattr(made[name], attribute, object)
    return made


_MADE = _stand_ins()
sys.modules.update(_MADE)

from delphi.clients.client import Client, Response  # noqa: E402
from delphi.config import ConstructorConfig, SamplerConfig  # noqa: E402
from delphi.explainers import DefaultExplainer  # noqa: E402
from delphi.latents.latents import ActivatingExample, LatentRecord  # noqa: E402
from delphi.latents.loader import LatentDataset  # noqa: E402
from delphi.latents.samplers import normalize_activations  # noqa: E402
from delphi.scorers import DetectionScorer, FuzzingScorer  # noqa: E402
from delphi.scorers.classifier.sample import Sample  # noqa: E402

logger = logging.getLogger("delphi")

for _name in _MADE:
    del sys.modules[_name]

__all__ = [
    "ActivatingExample",
    "Client",
    "ConstructorConfig",
    "DefaultExplainer",
    "DetectionScorer",
    "FuzzingScorer",
    "LatentDataset",
    "LatentRecord",
    "Response",
    "Sample",
    "SamplerConfig",
    "logger",
    "normalize_activations",
]
