"""Canonical JSON and digests: equal content, equal bytes."""

import hashlib
import json
from pathlib import Path
from typing import Any

_BLOCK = 1 << 20
_DIGITS = 6


def canonical_json(value: Any) -> bytes:
    """`value` as JSON with sorted keys, no spaces, shortest floats; NaN and infinities are refused (ValueError)."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def pretty_json(value: Any) -> bytes:
    """Canonical JSON for people: sorted keys, two spaces of indent, one final newline; NaN is refused (ValueError)."""
    return (json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def rounded(value: Any) -> Any:
    """JSON values with every float at six decimals: the last bits of a figure depend on the number of cores."""
    if isinstance(value, float):
        return round(value, _DIGITS)
    if isinstance(value, dict):
        return {key: rounded(entry) for key, entry in value.items()}
    return [rounded(entry) for entry in value] if isinstance(value, list) else value


def significant(value: float) -> float:
    """`value` to nine significant digits, for what is computed from a sum and not only shown."""
    return float(f"{value:.9g}")


def sha256_bytes(data: bytes) -> str:
    """Hexadecimal sha256 of `data`."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """Hexadecimal sha256 of the file at `path`, read in blocks of 1 MiB."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def digest(value: Any) -> str:
    """Hexadecimal sha256 of the canonical JSON of `value`."""
    return sha256_bytes(canonical_json(value))
