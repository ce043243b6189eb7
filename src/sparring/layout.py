"""Where a store keeps things, relative to its folder: this machine's, a shared one, or one on a Volume."""


def object_path(sha256: str) -> str:
    """Of an object."""
    return f"objects/{sha256[:2]}/{sha256}"


def action_path(key: str) -> str:
    """Of the record of an action; below results/.sparring, too, that of a store that is away."""
    return f"actions/{key[:2]}/{key}.json"


def note_path(content: str) -> str:
    """Of the note when a content was first seen."""
    return f"seen/{content}"
