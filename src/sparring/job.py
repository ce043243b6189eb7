"""What happens around every rule's one library call: ask the memo, compute in a scratch folder, store, publish.

A script hands `run` the `snakemake` object and a function `compute(job) -> meta`. The function writes its files into
`job.out`. A rule whose output is named `manifest` is an artifact: everything in `job.out` goes into the store and the
manifest into `results/`. Any other rule gives small files people read, named like its outputs in `job.out`.
This module and the scripts import nothing heavy: a job that the memo answers ends before torch is imported.
"""

import contextlib
import os
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from sparring.canonical import digest
from sparring.card_check import check_card
from sparring.codedigest import reached_code
from sparring.errors import SparringError
from sparring.failures import note_failure
from sparring.jobview import BESIDE, Job, Snakemake, content_digest
from sparring.machine import machine
from sparring.manifest import Manifest, content_of, read_manifest
from sparring.memo import Action, job_name, recall, remember, send_along
from sparring.planned import named_files
from sparring.records import write_record
from sparring.runs import check_planned
from sparring.store import Blob, Store, open_store


def run(
    snakemake: Snakemake,
    compute: Callable[[Job], Mapping[str, Any]],
    *,
    beside: Callable[[Store], Sequence[str]] | None = None,
) -> None:
    """Gives the rule's outputs, from the memo or by `compute`. A SparringError ends the job with its one line.

    beside: what of the store the job reads beside its inputs, as digests: part of its action.
    """
    try:
        store = open_store()
        with store.used():
            _run(snakemake, compute, store, beside)
    except SparringError as error:
        _stop(snakemake, str(error))
    except BaseException as error:
        if "No space left on device" in str(error):  # of the system, or wrapped by h5py, torch and safetensors
            _stop(
                snakemake,
                f"the disk of the store {open_store().root} is full; free some space (`sparring gc`) "
                "or name another folder in SPARRING_STORE, then run the same command again",
            )
        _log(snakemake, traceback.format_exc())
        _note(snakemake, f"{type(error).__name__}: {error}")
        raise


def _stop(snakemake: Snakemake, line: str) -> NoReturn:
    _log(snakemake, f"{snakemake.rule}: {line}")
    _note(snakemake, line)
    raise SystemExit(f"\nError in {snakemake.rule}: {line}\n") from None


def _note(snakemake: Snakemake, reason: str) -> None:
    with contextlib.suppress(OSError):  # on a full disk the log has it
        note_failure(job_name(snakemake.rule, dict(snakemake.wildcards.items())), reason)


def _run(
    snakemake: Snakemake,
    compute: Callable[[Job], Mapping[str, Any]],
    store: Store,
    beside: Callable[[Store], Sequence[str]] | None,
) -> None:
    store.register(Path("results"))
    spec = dict(snakemake.params.spec)
    files = named_files(snakemake.input)
    manifests = {name: manifest for name, path in files.items() if (manifest := read_manifest(path))}
    inputs = {name: content_digest(path, manifests.get(name)) for name, path in files.items()}
    if beside is not None:
        inputs[BESIDE] = digest(list(beside(store)))
    action = Action(snakemake.rule, spec, dict(snakemake.wildcards.items()), inputs)
    check_planned(action)
    targets = named_files(snakemake.output)
    outputs = recall(store, action)
    if outputs is None:
        check_card(action, store)
        with store.scratch() as scratch:
            out = scratch / "out"
            out.mkdir()
            scripts, links = Path(snakemake.scriptdir), scratch / "in"
            job = Job(
                rule=snakemake.rule,
                spec=spec,
                wildcards=action.wildcards,
                threads=snakemake.threads,
                out=out,
                checkout=scripts.parents[1],
                store=store,
                _files=files,
                _manifests=manifests,
                _links=links,
            )
            _set_up_torch(snakemake.threads)
            began = time.monotonic()
            meta = compute(job)
            measured = {"seconds": round(time.monotonic() - began, 1), "machine": machine()}
            code = _unedited_code(spec, scripts)
            outputs, objects = _put(store, snakemake.rule, out, meta, inputs, targets)
        remember(store, action, outputs, objects, code, measured)
        _log(snakemake, f"{snakemake.rule}: computed, action {action.key}")
    else:
        _log(snakemake, f"{snakemake.rule}: from the memo, action {action.key}")
    check_planned(action)
    send_along(store, action.key)
    for name, target in targets.items():
        write_record(target, action.key, files)
        store.first_seen(content_of(publish(store, outputs[name], target)))


def _set_up_torch(threads: int) -> None:
    # Read by torch, BLAS and OpenMP when they are first imported, which the script has not done yet.
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[variable] = str(threads)
    # Else gaps between blocks take up to a quarter more of a card than the tensors (docs/benchmarks/memory_gpu.md).
    os.environ.setdefault("PYTORCH_ALLOC_CONF", "expandable_segments:True")


def publish(store: Store, blob: Blob, target: Path) -> Path:
    """Puts the bytes of a stored object at `target` in one step; the path of the verified object."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.part")
    verified = store.verified(blob)
    temporary.write_bytes(verified.read_bytes())
    temporary.replace(target)
    return verified


def _put(
    store: Store, kind: str, out: Path, meta: Mapping[str, Any], inputs: Mapping[str, str], targets: Mapping[str, Path]
) -> tuple[dict[str, Blob], list[Blob]]:
    if "manifest" in targets:
        paths = sorted(path for path in out.rglob("*") if path.is_file())
        blobs = {path.relative_to(out).as_posix(): store.put_file(path) for path in paths}
        manifest = Manifest(kind, blobs, meta, inputs)
        return {"manifest": store.put_bytes(manifest.to_bytes())}, list(blobs.values())
    return {name: store.put_file(out / name) for name in targets}, []


def _unedited_code(spec: Mapping[str, Any], scriptdir: Path) -> dict[str, str]:
    # Recording a result under the digest of code that was edited while it ran would make it stale for ever.
    code = reached_code(scriptdir / spec["script"])
    if digest(code) != spec["code"]:
        raise SparringError(f"the code of {spec['script']} was edited while the job ran; run the same command again")
    return code


def _log(snakemake: Snakemake, line: str) -> None:
    if snakemake.log:
        with Path(snakemake.log[0]).open("a") as file:
            file.write(line.rstrip() + "\n")
    else:
        print(line, file=sys.stderr)
