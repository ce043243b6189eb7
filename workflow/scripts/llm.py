"""The language model: one GGUF file for llama.cpp, a folder of safetensors for vLLM, nothing for an endpoint."""

from collections.abc import Mapping
from typing import Any

from sparring.job import Job, Snakemake, run

snakemake: Snakemake  # put here by Snakemake


def compute(job: Job) -> Mapping[str, Any]:
    from sparring.sources.source import Source

    sources = [Source(**source) for source in job.spec["sources"]]
    if job.spec["engine"] == "vllm":
        from sparring.sources.served import prepare_served  # imports torch, for a GGUF to be converted

        return prepare_served(sources[0], out=job.out)
    from sparring.sources.gguf_parts import prepare_gguf

    return prepare_gguf(sources, sha256=job.spec["sha256"], out=job.out) if sources else {}


run(snakemake, compute)
