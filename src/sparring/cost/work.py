"""How much work a job of each rule is, from its spec and the specs above it: what predictions are scaled by.

Multiplications and additions (FLOP) count 2 for each parameter that a token meets (Kaplan et al. 2020, section 2.1,
forward pass 2 N), attention's own products left out (5% at 1,024 tokens). A coder's training: 2 W D a row for the dense
encoder, 10 k D for what is sparse, as sparsify's fused encoder and decoder do it.
"""

from collections.abc import Callable
from dataclasses import dataclass

from sparring.coders.recipe import Recipe
from sparring.lineage import Lineage, Spec
from sparring.memory.jobs import ASKING, coders_of, context_of, subject_of, width_of
from sparring.memory.models import Model, model
from sparring.sites import parse_site

_STATES = {"adam": 9, "signum": 8, "muon": 8}  # times a step reads or writes as many bytes as there are weights


@dataclass(frozen=True)
class Work:
    """FLOP in `precision`, bytes that pass through the card's memory, bytes from or to the disk; `server`: whether a
    server has to come up first; host: entries that probes are fitted on, by scikit-learn, card or not."""

    flops: float
    passed: float = 0.0
    stored: float = 0.0
    precision: str = "float32"
    server: bool = False
    host: float = 0.0

    @property
    def size(self) -> float:
        """One number to scale a measured time by: what the job has most of."""
        return self.host or self.flops or self.stored


def work(lineage: Lineage) -> Work | None:
    """The work of a job; None where it is not known."""
    make = _WORK.get(lineage.rule)
    return None if make is None else make(lineage)


def _depth(subject: Model, sites: list[str]) -> float:
    """The share of the blocks that run: none after the last site."""
    return max(((parse_site(site).layer + 1) / subject.layers for site in sites), default=1.0)


def _tokens(lineage: Lineage, split: str) -> int:
    spec = lineage.first("tokens")
    return 0 if spec is None else int(spec["plan"][split])


def _capture(lineage: Lineage) -> Work | None:
    subject, spec = subject_of(lineage), lineage.spec
    if subject is None:
        return None
    flops = stored = 0.0
    for split in spec["splits"]:
        sites = spec["train_sites"] if split == "train" else spec["sites"]
        rows = _tokens(lineage, split)
        flops += 2.0 * subject.inside * _depth(subject, sites) * rows
        stored += rows * len(sites) * subject.d * (2 if spec["dtype"] == "bfloat16" else 4)
    return Work(flops, stored=stored + 4.0 * subject.parameters)


def _texts(task: Spec) -> int:
    """The texts of a task's probes, together: each class has its own, half of them of the others. A task that names no
    classes is counted as one of two."""
    return int((task["train"] + task["test"]) * max(2, len(task["labels"])) / 2)


def _task_rows(lineage: Lineage) -> Work | None:
    subject, task, spec = subject_of(lineage), lineage.first("task"), lineage.spec
    if subject is None or task is None:
        return None
    tokens = _texts(task) * spec["context"]
    flops = 2.0 * subject.inside * _depth(subject, spec["sites"]) * tokens
    return Work(flops, stored=tokens * len(spec["sites"]) * subject.d * 4.0 + 4.0 * subject.parameters)


def _coder(lineage: Lineage) -> Work | None:
    subject = subject_of(lineage)
    if subject is None:
        return None
    recipe, d = Recipe(**lineage.spec["recipe"]), subject.d
    sites = len({lineage.spec["arm"]["read_site"], lineage.spec["arm"]["write_site"]})
    rows = recipe.steps * recipe.batch_rows
    weights = 4.0 * 2 * recipe.width * d
    a_row = 16.0 * recipe.k * d + 20.0 * recipe.width + 40.0 * d
    return Work(
        flops=rows * (2.0 * recipe.width * d + 10.0 * recipe.k * d),
        passed=rows * a_row + recipe.steps * _STATES[recipe.optimizer] * weights,
        stored=4.0 * rows * d * sites,
    )


def _widest(lineage: Lineage) -> int:
    return max(coders_of(lineage), default=0)


def _recon(lineage: Lineage) -> Work | None:
    subject, plan = subject_of(lineage), lineage.spec["plan"]
    if subject is None:
        return None
    tokens = plan["sequences"] * context_of(lineage)
    rows = _tokens(lineage, lineage.spec["split"])
    flops = 2.0 * 4 * subject.parameters * tokens + 2.0 * _widest(lineage) * subject.d * (rows + tokens)
    return Work(flops, stored=4.0 * subject.parameters + 4.0 * rows * subject.d)


def _latents(lineage: Lineage) -> Work | None:
    subject = subject_of(lineage)
    if subject is None or not _widest(lineage):
        return None
    rows = _tokens(lineage, lineage.spec["split"])
    return Work(2.0 * _widest(lineage) * subject.d * rows, stored=4.0 * rows * subject.d)


def _pooled(lineage: Lineage) -> Work | None:
    subject, task = subject_of(lineage), lineage.first("task")
    if subject is None or task is None or not coders_of(lineage):
        return None
    tokens = _texts(task) * context_of(lineage)
    widths = coders_of(lineage)
    return Work(2.0 * sum(widths) * subject.d * tokens, host=float(_texts(task) * (sum(widths) + subject.d)))


def _fidelity(lineage: Lineage) -> Work | None:
    subject, width = subject_of(lineage), _widest(lineage)
    if subject is None or not width:
        return None
    rows = 2 * 2048  # random and real (sparring.gates.fidelity), through the coder, the adapter and what must fail
    return Work(3 * 2.0 * rows * width * subject.d, stored=4.0 * 2 * 2 * width * subject.d)


def _foreign(lineage: Lineage) -> Work | None:
    subject, width = subject_of(lineage), width_of(lineage.spec)
    return None if subject is None or width is None else Work(0.0, stored=4.0 * 2 * 2 * width * subject.d)


def _llm(lineage: Lineage) -> Work | None:
    sources = lineage.spec["sources"]
    if not sources:
        return Work(0.0)  # an endpoint has its own model: nothing is fetched
    known = model(sources[0]["uri"].removeprefix("hf:")) if lineage.spec["engine"] == "vllm" else None
    return None if known is None else Work(0.0, stored=4.0 * known.parameters)  # fetched and kept at 2 bytes


def _parity(lineage: Lineage) -> Work | None:
    subject = subject_of(lineage)
    if subject is None:
        return None
    runs = 8 * 8  # sequences (sparring.gates.hook_parity), runs of each: two libraries, a site or two, wrong variants
    return Work(2.0 * subject.parameters * context_of(lineage) * runs, stored=4.0 * subject.parameters)


def _steering(lineage: Lineage) -> Work | None:
    subject, plan = subject_of(lineage), lineage.spec["plan"]
    if subject is None or not plan["labels"]:
        return None
    concepts = len(plan["labels"]) * len(plan["arms"])
    # A latent, the difference of means, a random direction, each at every factor; the prompts; the baseline.
    texts = plan["samples"] * (len(plan["prompts"]) + concepts * (3 * len(plan["factors"]) + 2))
    steps = plan["tokens"] * -(-texts // 64)  # sparring.steering.generate: 64 rows at once
    flops = 2.0 * 2 * subject.parameters * texts * plan["tokens"]
    return Work(flops, passed=4.0 * subject.parameters * steps, stored=4.0 * subject.parameters)


def _asked(lineage: Lineage) -> Work | None:
    """A served scorer: tokens read and written, and the weights once for each token that a batch writes together."""
    spec = lineage.spec
    asked, plan, drawn = spec["model"], spec["plan"], lineage.first("draw")
    known = model(asked["name"]) if asked["engine"] in ("openai", "vllm") else None
    if known is None or drawn is None:
        return None
    latents = drawn["plan"]["latents"]
    window = drawn["plan"]["window"]
    if lineage.rule == "delphi":
        shown = plan["n_examples_shown"]
        questions = 2 * len(plan["explanations"]) * (plan["n_examples_test"] + plan["n_non_activating"]) / shown
        read = latents * (questions * (1000 + 2 * window * shown) + 500 + 2 * window * plan["n_examples_train"])
        written = latents * (questions * 20 + 150)
    else:
        questions = 2 * len(plan.get("explanations", "1")) * (drawn["plan"]["positives"] + drawn["plan"]["negatives"])
        read, written = latents * questions * 400.0, latents * questions * 1.0
    together = asked["parallel"]
    return Work(
        2.0 * known.parameters * (read + written),
        passed=2.0 * known.parameters * written / together,
        stored=2.0 * known.parameters,
        precision="bfloat16",
        server=True,
    )


def _subject(lineage: Lineage) -> Work | None:
    subject = subject_of(lineage)
    return None if subject is None else Work(0.0, stored=6.0 * subject.parameters)  # fetched at 2 bytes, kept at 4


def _cut(lineage: Lineage) -> Work | None:
    plan = lineage.spec["plan"]
    return Work(0.0, stored=4.0 * (plan["train"] + plan["tuning"] + plan["evaluation"]))


_WORK: dict[str, Callable[[Lineage], Work | None]] = {
    **dict.fromkeys(("activations", "random_activations"), _capture),
    **dict.fromkeys(("task_rows", "random_task_rows"), _task_rows),
    **dict.fromkeys(("coder", "lens_coder"), _coder),
    **dict.fromkeys(("probing", "saebench"), _pooled),
    **dict.fromkeys(ASKING, _asked),
    "subject": _subject,
    "tokens": _cut,
    "recon": _recon,
    "saebench_core": _recon,
    "latents": _latents,
    "steering": _steering,
    "hook_parity": _parity,
    "encode_fidelity": _fidelity,
    "foreign_coder": _foreign,
    "llm": _llm,
}
