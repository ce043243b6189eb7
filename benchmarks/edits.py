"""Edits to a checkout, each with the jobs that the next `snakemake` has to launch and to compute: no more, no fewer."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from checkout import Checkout

HEADLINE = "results/headtohead_autointerp.json"
MINI = ("--configfile", "config/studies/mini.yaml")
ALL = frozenset(
    "subject corpus scorer tokens activations coder-sae coder-transcoder latents-sae latents-transcoder recon-sae "
    "recon-transcoder windows draw-sae draw-transcoder preregister explain-sae explain-transcoder score-sae "
    "score-transcoder headtohead".split()
)
NONE: frozenset[str] = frozenset()

ADAPTER = "src/sparring/coders/encoding.py"
RIGHT = "            rows = rows - self.centre\n"
WRONG = "            rows = rows - 2 * self.centre\n"
TEXT = ("src/sparring/words/terms.md", "0.5 is chance", "chance is 0.5")
AFTER_ADAPTER = frozenset(
    {"latents-sae", "latents-transcoder", "draw-sae", "preregister", "explain-sae", "score-sae", "headtohead"}
)
WRONG_HASH = f"corpus={{source: {{member_sha256: {'0' * 64}}}}}"
CUT_OFF = frozenset({"draw-transcoder", "explain-transcoder", "score-transcoder"})


@dataclass(frozen=True)
class Edit:
    """What is done after a complete run, and what the same command then computes and takes from the memo.

    `apply` may return further arguments for Snakemake. `slow`: computes for more than half a minute.
    """

    name: str
    apply: Callable[[Checkout], Sequence[str] | None]
    computed: frozenset[str] = NONE
    recalled: frozenset[str] = NONE
    status: int = 0
    target: str = HEADLINE
    slow: bool = False


def _everywhere(text: str) -> Callable[[Checkout], None]:
    def apply(checkout: Checkout) -> None:
        for folder in ("src", "workflow"):
            for path in (checkout.code / folder).rglob("*.py"):
                path.write_text(path.read_text() + text)

    return apply


def _replace(path: str, old: str, new: str) -> Callable[[Checkout], None]:
    return lambda checkout: checkout.edit(path, old, new)


def _append(path: str, text: str) -> Callable[[Checkout], None]:
    def apply(checkout: Checkout) -> None:
        with (checkout.code / path).open("a") as file:
            file.write(text)

    return apply


def _config(*values: str) -> Callable[[Checkout], Sequence[str]]:
    return lambda checkout: ("--config", *values)


def _touch(checkout: Checkout) -> None:
    for path in checkout.code.rglob("*"):
        path.touch()


def _branches(checkout: Checkout) -> None:
    checkout.git("init", "-b", "main")
    checkout.git("add", ".")
    checkout.git("commit", "-m", "one")
    checkout.git("checkout", "-b", "other")
    checkout.edit(ADAPTER, RIGHT, WRONG)
    checkout.git("commit", "-am", "other")
    checkout.git("checkout", "main")


def _reverted(path: str, old: str, new: str) -> Callable[[Checkout], None]:
    def apply(checkout: Checkout) -> None:
        checkout.edit(path, old, new)
        assert checkout.run(HEADLINE, *MINI).status == 0
        checkout.edit(path, new, old)

    return apply


def _mended(checkout: Checkout) -> None:
    assert checkout.run(HEADLINE, *MINI, "--config", WRONG_HASH).status != 0


def _remove(*names: str) -> Callable[[Checkout], None]:
    def apply(checkout: Checkout) -> None:
        for name in names:
            shutil.rmtree(checkout.work / name)

    return apply


EDITS = (
    Edit("nothing", lambda checkout: None),
    Edit("a comment in every module", _everywhere("\n# a remark\n")),
    Edit("a docstring", _replace(ADAPTER, '"""Values after ReLU', '"""Values after the ReLU')),
    Edit(
        "formatting",
        _replace(
            ADAPTER,
            ".topk(self.k, dim=-1, sorted=False)",
            ".topk(\n            self.k, dim=-1, sorted=False\n        )",
        ),
    ),
    Edit("`touch` of every file", _touch),
    Edit("`git checkout` of another branch and back", _branches),
    Edit(
        "a new function beside those in use",
        _append("src/sparring/latent_cache.py", "\n\ndef unused():\n    return 1\n"),
    ),
    Edit(
        "another key of the study schema, with a default",
        _replace("src/sparring/study_file.py", "    test: TestPlan\n", '    test: TestPlan\n    remark: str = ""\n'),
    ),
    Edit("a key set to its default", _config("coders={sae: {layer: 1}}", "draw={seed: 0}")),
    Edit(
        "a refactoring of the latents' reader, same results",
        _replace("src/sparring/latent_cache.py", "if not 0 <= latent <", "if not -1 < latent <"),
        computed=frozenset(f"{rule}-{arm}" for rule in ("draw", "explain", "score") for arm in ("sae", "transcoder")),
        recalled=frozenset({"preregister", "headtohead"}),
        slow=True,
    ),
    Edit("the b_dec edit in the adapter", _replace(ADAPTER, RIGHT, WRONG), AFTER_ADAPTER, CUT_OFF),
    Edit("its revert", _reverted(ADAPTER, RIGHT, WRONG), NONE, AFTER_ADAPTER | CUT_OFF, slow=True),
    Edit(
        "a helper that only scoring imports",
        _replace("src/sparring/autointerp/scorers/embedding.py", "share = 0.2 +", "share = 0.25 +"),
        frozenset({"score-sae", "score-transcoder", "headtohead"}),
    ),
    Edit(
        "a text that the page is made with",
        _replace(*TEXT),
        frozenset({"headtohead"}),
    ),
    Edit("its revert", _reverted(*TEXT), NONE, frozenset({"headtohead"})),
    Edit(
        "two values of the study swapped",
        _config("score={sharpness: 5.0, weight: 14.0}"),
        frozenset({"score-sae", "score-transcoder", "headtohead"}),
    ),
    Edit("`rm -r results`", _remove("results"), NONE, ALL),
    Edit("`rm -r .snakemake`", _remove(".snakemake")),
    Edit("`rm -r results .snakemake`", _remove("results", ".snakemake"), NONE, ALL),
    Edit("another lock file", _append("envs/cpu.lock", "# another\n"), ALL, slow=True),
    Edit("a source's hash that does not hold", _config(WRONG_HASH), status=1),
    Edit("that hash mended", _mended, NONE, ALL - {"subject", "scorer"}),
    Edit(
        "a second study that shares the activations",
        _config("recipe={width: 256, tokens: 8192}"),
        frozenset({"coder-transcoder", "recon-transcoder"}),
        target="results/recon/transcoder.json",
    ),
)
