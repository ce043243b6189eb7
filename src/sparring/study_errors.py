"""What is wrong with a study, in the words of its YAML."""

import difflib
from dataclasses import fields, is_dataclass
from typing import Any, get_args

from sparring.study_keys import CoderConfig


def line(problem: dict[str, Any], study: type) -> str:
    """One line for one thing that pydantic finds wrong with a `study`: the key, the value and what would be right."""
    # A union or a literal puts type names into the path of the error; only keys that a study has are shown.
    key = ".".join(str(part) for part in problem["loc"] if not str(part).startswith(("function-", "constrained-")))
    if problem["type"] == "unexpected_keyword_argument":
        *parents, last = problem["loc"]
        known = _keys(parents, study)
        near = difflib.get_close_matches(str(last), known, n=1)
        mend = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(known)}"
        return f"study: unknown key {key!r} (value {problem['input']!r}); {mend}"
    if problem["type"] in ("missing", "missing_argument"):
        return f"study: key {key!r} is missing; see config/config.yaml for what it means"
    return f"study: {key} is {problem['input']!r}; {problem['msg'][0].lower()}{problem['msg'][1:]}"


def _keys(parents: list[Any], study: type) -> list[str]:
    at: Any = study
    for part in parents:
        if not is_dataclass(at):
            break
        found = next((field.type for field in fields(at) if field.name == part), None)
        optional = next((kind for kind in get_args(found) if is_dataclass(kind)), found)  # as in Llm | None
        at = CoderConfig if part == "coders" else optional if optional is not None else at
    return [field.name for field in fields(at)] if is_dataclass(at) else []
