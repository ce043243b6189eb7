"""What tells two actions of one rule apart: functions, keys of the study, the lock file, contents of inputs."""

import json
from collections.abc import Mapping
from typing import Any


def study_of(spec: Mapping[str, Any]) -> dict[str, Any]:
    """What of a rule's spec the study says: all but the code and the environment."""
    return {key: value for key, value in spec.items() if key not in ("code", "lock", "script")}


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """One line each, from two records with `action` and `code` (definition: digest); empty if they are the same."""
    old, new = (json.loads(json.dumps(dict(record["action"]))) for record in (before, after))
    found = [f"code: {text}" for text in changed(before["code"], after["code"])]
    if old["spec"]["lock"] != new["spec"]["lock"]:
        found.append("environment: the lock file changed")
    ours, theirs = (_flat(study_of(action["spec"])) for action in (old, new))
    for key in sorted(ours.keys() | theirs.keys()):
        if ours.get(key) != theirs.get(key):
            found.append(f"study: {key}: {ours.get(key, 'absent')!r} -> {theirs.get(key, 'absent')!r}")
    for name in sorted(old["inputs"].keys() | new["inputs"].keys()):
        if old["inputs"].get(name) != new["inputs"].get(name):
            found.append(f"input: {name} has other contents")
    return found


def changed(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    """A line for each definition whose digest differs between two {definition: digest}."""
    words = {(True, True): "changed", (True, False): "is gone", (False, True): "is new"}
    return [
        f"{name.replace(':', '.')} {words[name in old, name in new]}"
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(value, Mapping):
        return {prefix: value}
    return {k: v for name, inner in value.items() for k, v in _flat(inner, f"{prefix}.{name}".lstrip(".")).items()}
