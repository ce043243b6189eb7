"""A coder in the model's place: known answers, a slow twin for every family and site, and gates that fail."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from coders_data import random_coder, save_coder
from tiny import FAMILIES, tiny_corpus, tiny_subject
from torch.nn.functional import cross_entropy

from sparring import cross_entropy as measured
from sparring import recon_stage
from sparring.activations import capture
from sparring.coders.coder import Coder
from sparring.coders.recipe import Arm
from sparring.coders.sparsify_coder import SparsifyCoder
from sparring.corpus import prepare_corpus
from sparring.cross_entropy import figures, in_the_model
from sparring.errors import SparringError
from sparring.recon_page import draw_recon, recon_page
from sparring.recon_plan import ReconPlan
from sparring.recon_stage import reconstruct
from sparring.sources.source import Source
from sparring.splice import spliced
from sparring.subject_model import load_subject
from sparring.token_file import Tokens, read_tokens
from sparring.tokens import TokenPlan, tokenize

READ, WRITE = "layers.1.mlp.in", "layers.1.mlp.out"
ARMS = (
    Arm("sae", "sae", WRITE, WRITE),
    Arm("transcoder", "skip-transcoder", READ, WRITE),
    Arm("residual", "sae", "layers.0.resid_post", "layers.0.resid_post"),
    Arm("entering", "sae", "layers.1.resid_pre", "layers.1.resid_pre"),
)
AFTER = "layers.1.mlp.out_normed"  # the norm that follows the MLP
NORMED = (Arm("normed", "sae", AFTER, AFTER), Arm("normed_transcoder", "skip-transcoder", READ, AFTER))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Path]]:
    """{family: (subject, tokens)}."""
    root = tmp_path_factory.mktemp("made")
    (root / "corpus").mkdir()
    prepare_corpus(Source(f"path:{tiny_corpus(root / 'texts', 60)}"), format="jsonl", out=root / "corpus")
    found = {}
    for family in FAMILIES:
        subject, tokens = tiny_subject(root / family, family, bos=True), root / f"{family}-tokens"
        tokens.mkdir()
        tokenize(subject, root / "corpus", plan=TokenPlan(48, 2_000, 0, 1_000, 0), out=tokens)
        found[family] = (subject, tokens)
    return found


def coder_of(arm: Arm) -> Coder:
    weights = random_coder(arm)
    for parameter in weights.parameters():
        parameter.mul_(0.2)
    return SparsifyCoder(weights, arm)


def slow(model: Any, coder: Coder, data: Tokens, sequences: np.ndarray, kind: str) -> float:
    """Mean cross-entropy, a sequence and a position at a time, the module's own forward put aside."""
    layer = coder.write_site.split(".")[1]
    blocks = getattr(model.base_model, "h", None) or model.base_model.layers
    block = blocks[int(layer)]
    module = block.mlp if ".mlp." in coder.write_site else block
    entered: list[torch.Tensor] = []
    hook = block.mlp.register_forward_pre_hook(lambda _, args: entered.append(args[0]))
    if coder.write_site.endswith("out_normed"):
        module = block.post_feedforward_layernorm
    own, lost, count = module.forward, 0.0, 0

    def forward(x: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        counted = torch.from_numpy(data.counted[at]).bool()

        def put(rows: torch.Tensor, read: torch.Tensor) -> torch.Tensor:
            new = rows.clone()
            for position in np.flatnonzero(counted):
                made = {"coder": coder.forward, "zero": torch.zeros_like, "clean": lambda row: row}[kind]
                new[0, position] = made(read[0, position : position + 1])[0]
            return new

        if coder.write_site.endswith("resid_pre"):
            return own(put(x, x), *args, **kwargs)
        out = own(x, *args, **kwargs)
        first = out[0] if isinstance(out, tuple) else out
        read = entered[-1] if ".mlp." in coder.read_site else x
        new = put(first, read if coder.read_site != coder.write_site and kind == "coder" else first)
        return (new, *out[1:]) if isinstance(out, tuple) else new

    module.forward = forward
    try:
        for at in sequences:
            with torch.no_grad():
                logits = model(torch.from_numpy(data.tokens[at : at + 1]).long()).logits[0]
            for position in np.flatnonzero(data.counted[at]):
                if position:
                    target = torch.tensor(int(data.tokens[at, position]))
                    lost += float(cross_entropy(logits[position - 1].double(), target))
                    count += 1
    finally:
        module.forward = own
        hook.remove()
    return lost / count


@pytest.mark.parametrize(
    ("family", "arm"),
    [(family, arm) for arm in ARMS for family in FAMILIES]
    + [(family, arm) for arm in NORMED for family in ("gemma2", "gemma3")],
    ids=lambda value: value.name if isinstance(value, Arm) else value,
)
def test_it_is_what_a_plain_loop_finds(made: Any, family: str, arm: Arm) -> None:
    subject, tokens = made[family]
    model, data, coder = load_subject(subject), read_tokens(tokens), coder_of(arm)
    sequences = data.of("evaluation")[:5]
    got = in_the_model(model, coder, data, sequences, seed=0)
    assert got["ce"] == pytest.approx({kind: slow(model, coder, data, sequences, kind) for kind in got["ce"]}, abs=1e-5)
    assert got["delta_ce"] == pytest.approx(got["ce"]["coder"] - got["ce"]["clean"])
    assert got["ce"]["coder"] != pytest.approx(got["ce"]["clean"], abs=1e-4)
    assert got["tokens"] == int(data.counted[sequences][:, 1:].sum())


def test_a_perfect_coder_recovers_all_and_one_that_gives_zeros_nothing() -> None:
    rng = np.random.default_rng(0)
    counts = rng.integers(20, 60, 12).astype(float)
    clean, worse = counts * rng.uniform(2, 3, 12), counts * rng.uniform(4, 5, 12)
    perfect = figures(counts, np.stack([clean, clean, worse], 1), seed=0)
    assert perfect["delta_ce"] == 0 and perfect["ce_recovered"] == 1 and perfect["ce_recovered_ci95"] == [1, 1]
    nothing = figures(counts, np.stack([clean, worse, worse], 1), seed=0)
    assert nothing["ce_recovered"] == 0 and nothing["delta_ce"] == pytest.approx((worse - clean).sum() / counts.sum())
    assert nothing["delta_ce_ci95"][0] < nothing["delta_ce"] < nothing["delta_ce_ci95"][1]
    harmless = figures(counts, np.stack([clean, worse, clean], 1), seed=0)
    assert harmless["ce_recovered"] is None and harmless["ce_recovered_ci95"] is None


def test_the_interval_is_that_of_resampling_documents_one_by_one() -> None:
    rng = np.random.default_rng(1)
    counts = rng.integers(5, 50, 9).astype(float)
    losses = counts[:, None] * rng.uniform([2, 2.5, 6], [3, 3.5, 8], (9, 3))
    found = []
    for times in np.random.default_rng(7).multinomial(9, np.full(9, 1 / 9), size=10_000):
        rows = np.repeat(np.arange(9), times)
        clean, coder, zero = losses[rows].sum(0) / counts[rows].sum()
        found.append((coder - clean, (zero - coder) / (zero - clean)))
    got = figures(counts, losses, seed=7)
    ends = np.percentile(found, [2.5, 97.5], axis=0).T
    assert [got["delta_ce_ci95"], got["ce_recovered_ci95"]] == [pytest.approx(end.tolist()) for end in ends]


def test_only_counted_positions_are_replaced(made: Any) -> None:
    subject, _ = made["llama"]
    model = load_subject(subject)
    ids = torch.arange(3, 15)[None]
    where = torch.zeros_like(ids, dtype=torch.bool)
    where[0, 8:] = True
    with torch.no_grad():
        before = model(ids).logits
        with spliced(model, torch.zeros_like, read=WRITE, write=WRITE, where=where):
            within = model(ids).logits
        after = model(ids).logits
    assert torch.equal(before[:, :8], within[:, :8]) and not torch.equal(before[:, 8:], within[:, 8:])
    assert torch.equal(before, after)


def test_a_site_that_comes_first_cannot_be_written_from_a_later_one(made: Any) -> None:
    model, ids = load_subject(made["llama"][0]), torch.arange(3, 9)[None]
    where = torch.ones_like(ids, dtype=torch.bool)
    with (
        pytest.raises(SparringError, match=r"reads layers\.1\.mlp\.in cannot write layers\.0\.mlp\.out"),
        spliced(model, torch.zeros_like, read=READ, write="layers.0.mlp.out", where=where),
    ):
        model(ids)


# The self-tests, each on a planted fault


def test_a_splice_that_changes_what_it_puts_back_stops_the_job(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def faulty(model: Any, edit: Any, **sites: Any) -> Iterator[None]:
        with spliced(model, lambda rows: edit(rows) * 1.5, **sites):
            yield

    subject, tokens = made["llama"]
    data = read_tokens(tokens)
    monkeypatch.setattr(measured, "spliced", faulty)
    with pytest.raises(SparringError, match="splice fails its self-test"):
        in_the_model(load_subject(subject), coder_of(ARMS[0]), data, data.of("evaluation")[:3], seed=0)


@pytest.fixture
def stage(made: Any, tmp_path: Path) -> SimpleNamespace:
    subject, tokens = made["llama"]
    activations, coder = tmp_path / "activations", tmp_path / "coder"
    activations.mkdir()
    sites, splits = (READ, WRITE), ("train", "evaluation")
    capture(subject, tokens, sites=sites, dtype="float32", batch=8, seed=0, splits=splits, out=activations)
    save_coder(coder_of(ARMS[1]).weights, ARMS[1], coder)
    return SimpleNamespace(activations=activations, coder=coder, subject=subject, tokens=tokens)


def run(stage: SimpleNamespace) -> dict[str, Any]:
    return reconstruct(**vars(stage), split="evaluation", plan=ReconPlan(sequences=6))


def test_the_stage_gives_both_and_rows_that_are_masked_change_nothing(stage: SimpleNamespace) -> None:
    got = run(stage)
    assert got["self_test"]["with_masked_rows"] == pytest.approx(got["self_test"]["without"], abs=1e-5)
    assert got["self_test"]["predict_mean"] == pytest.approx(0, abs=1e-9)
    assert {"ve", "fvu", "l0", "cosine", "relative_bias", "dead_fraction", "affine_floor"} <= got.keys()
    assert {"ce", "delta_ce", "ce_recovered", "delta_ce_ci95"} <= got["model"].keys()


def test_masked_rows_that_are_counted_stop_the_job(stage: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    def all_counted(folder: Path) -> Tokens:
        data = read_tokens(folder)
        return data._replace(counted=np.ones_like(data.counted))

    monkeypatch.setattr(recon_stage, "read_tokens", all_counted)
    with pytest.raises(SparringError, match="masked rows are counted"):
        run(stage)


def test_the_activations_of_another_model_stop_the_job(stage: SimpleNamespace, tmp_path: Path) -> None:
    stage.subject = tiny_subject(tmp_path / "other", seed=5)
    with pytest.raises(SparringError, match="or the activations are of another model"):
        run(stage)


def test_the_page_shows_every_coder_and_says_where_targets_differ(stage: SimpleNamespace, tmp_path: Path) -> None:
    one = run(stage)
    other = {**one, "arm": "residual", "kind": "sae", "affine_floor": None, "read_site": "x", "write_site": "x"}
    other["model"] = {**one["model"], "ce_recovered": None, "ce_recovered_ci95": None}
    page = recon_page([one, other], figure="f.svg")
    assert f"| transcoder | {READ} -> {WRITE} | {one['ve']:.3f} [" in page
    assert "| residual | x |" in page and "zeros do no harm" in page
    assert "The targets differ (layers.1.mlp.out, x)" in page
    assert "targets differ" not in recon_page([one], figure="f.svg")
    for name in ("a", "b"):
        draw_recon([one, other], svg=tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
