"""Whether a coder as a class of sae_lens is the same coder."""

from collections.abc import Mapping
from typing import Any

from sparring.job import Job, Snakemake, run

snakemake: Snakemake  # put here by Snakemake


def compute(job: Job) -> Mapping[str, Any]:
    import sys

    from sparring.canonical import pretty_json
    from sparring.gates.fidelity import encode_fidelity

    folders = (job.folder(name) for name in ("coder", "sae_lens", "activations"))
    result = encode_fidelity(*folders, split=job.spec["split"])
    for warning in result["warnings"]:
        print(f"warning: {result['arm']}: {warning}", file=sys.stderr)
    (job.out / "result").write_bytes(pretty_json(result))
    return {}


run(snakemake, compute)
