"""A coder that was trained elsewhere: fetched as it was pinned, read as its format says, checked, folded, kept.

Formats: a folder or hub release of sae_lens, a folder of sparsify, Gemma Scope, Gemma Scope 2. What lies in the store
is a folder like any other coder's: sparsify's files for sparsify's, else sae_lens's. Nothing is unpickled.
"""

import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path, PurePosixPath
from typing import Any

from safetensors import SafetensorError

from sparring.activation_cache import ActivationCache
from sparring.canonical import pretty_json
from sparring.coders.declared import Declared
from sparring.coders.foreign_gemma import read_gemma_scope, read_gemma_scope_2
from sparring.coders.foreign_lens import read_sae_lens
from sparring.coders.foreign_sparsify import save_sparsify
from sparring.coders.format import Origin
from sparring.coders.lens_canonical import fold_average_norm, save_canonical
from sparring.coders.lens_files import read_lens_config
from sparring.coders.recipe import Arm
from sparring.errors import SparringError
from sparring.sites import sides_of_norm
from sparring.sources.fetch import fetch
from sparring.sources.source import Source

# The file that a coder's folder is known by.
_WEIGHTS: Mapping[Origin, str] = {
    "sparsify": "sae.safetensors",
    "sae_lens": "sae_weights.safetensors",
    "gemma_scope": "params.npz",
    "gemma_scope_2": "params.safetensors",
}
# (the coder as a class of sae_lens, what its files say of it) from its folder and the path that it has in its source.
_Reader = Callable[[Path, str], tuple[Any, Declared]]
_READERS: Mapping[Origin, _Reader] = {
    "sae_lens": read_sae_lens,
    "gemma_scope": read_gemma_scope,
    "gemma_scope_2": read_gemma_scope_2,
}


def bring_in(
    source: Source, *, origin: Origin, arm: Arm, subject: Mapping[str, Any], activations: Path, out: Path
) -> dict[str, Any]:
    """Write the coder of `source` into the empty folder `out`, with arm.json; return its meta.

    subject: the subject model's meta, for its model_type. activations: the cached rows, whose widths it must fit, and
    whose mean norm is folded into a coder that sae_lens calls expected_average_only_in.
    Raises SparringError in one line for files that are not what the format has, and for a kind, a site or a width that
    contradicts the arm.
    """
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=out) as scratch:
        folder, place = _folder(fetch(source, kind="model", scratch=Path(scratch)), source, origin)
        try:
            if origin == "sparsify":
                found, declared = None, save_sparsify(folder, place, out)
            else:
                found, declared = _READERS[origin](folder, place)
        except (KeyError, ValueError, TypeError, RuntimeError, OSError, SafetensorError) as error:
            reason = (str(error).splitlines() or [""])[0]
            raise SparringError(f"{source.uri}: no {origin} coder ({type(error).__name__}: {reason})") from error
    declared.check(arm, subject.get("model_type"))
    with ActivationCache(activations) as cache:
        meta: dict[str, Any] = {"folded_factor": None}
        if found is not None:
            meta["folded_factor"] = fold_average_norm(found, cache, arm.read_site)
            save_canonical(found, out)
        shape = _shape(out)
        for name, site, d in (("d_in", arm.read_site, shape["d_in"]), ("d_out", arm.write_site, shape["d_out"])):
            if d != cache.d(site):
                raise SparringError(
                    f"arm {arm.name}: the coder's {name} is {d}, rows of {site} have {cache.d(site)}: it was made for "
                    "another model"
                )
    (out / "arm.json").write_bytes(pretty_json(asdict(arm)))
    sides = sides_of_norm(arm.sites, dict(subject))
    return {"arm": asdict(arm), "origin": origin, "declared": asdict(declared), "side_of_norm": sides, **shape, **meta}


def _folder(found: Path, source: Source, origin: Origin) -> tuple[Path, str]:
    """The folder of the one coder below `found`, and the path that it has in its source, the source's name first."""
    wanted = _WEIGHTS[origin]
    files = [found] if found.is_file() else sorted(found.rglob(wanted))
    files = [path for path in files if path.name == wanted and ".cache" not in path.relative_to(found.parent).parts]
    if len(files) != 1:
        named = ", ".join(path.parent.name for path in files[:4])
        there = f"there are {len(files)} ({named}, ...)" if files else "there is none"
        raise SparringError(f"{source.uri}: {origin} wants one {wanted}, {there}; name its folder in source.member")
    folder = files[0].parent
    # Of a wheel the member's own folders are left behind, of a repository they are below `found`.
    within = [source.member] if source.member and (found.is_file() or source.scheme == "pypi") else []
    below = [folder.relative_to(found).as_posix()] if found.is_dir() else []
    return folder, str(PurePosixPath(source.name, *within, *below))


def _shape(out: Path) -> dict[str, Any]:
    """{"format", "architecture", "d_in", "d_out", "n_latents", "k"} of what was written."""
    if (out / "format.json").exists():
        config = read_lens_config(out)
        named = {"d_in": config.d_in, "d_out": config.d_out, "n_latents": config.n_latents, "k": config.k}
        return {"format": "sae_lens", "architecture": config.architecture, **named}
    raw = json.loads((out / "cfg.json").read_bytes())
    width = raw["num_latents"] or raw["d_in"] * raw["expansion_factor"]
    named = {"d_in": raw["d_in"], "d_out": raw["d_in"], "n_latents": width, "k": raw["k"]}
    return {"format": "sparsify", "architecture": raw.get("activation", "topk"), **named}
