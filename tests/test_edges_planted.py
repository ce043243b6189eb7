"""The edges stage from files: a planted edge comes first and is found; without it nothing is; what is degenerate."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from coders_data import random_coder, save_coder
from probing_data import tiny_task
from tiny import tiny_model, tiny_tokenizer

from sparring.coders.encoding import Encoder
from sparring.coders.recipe import Arm
from sparring.edges.curve import random_like
from sparring.edges.figure import draw_edges
from sparring.edges.layers import load_layer
from sparring.edges.measure import strongest_tokens
from sparring.edges.page import render_edges, said
from sparring.edges.plan import EdgesPlan
from sparring.edges.stage import edges
from sparring.edges.table import Edge
from sparring.edges.texts import draw_texts
from sparring.errors import SparringError
from sparring.probing.contrasts import Contrast, Examples
from sparring.probing.plan import ProbingPlan
from sparring.probing.task_rows import capture_task
from sparring.registry.files import RunInputs
from sparring.registry.labelled import edges as run_figures
from sparring.testplan import TestPlan

D, CONTEXT, WIDTH = 16, 32, 24
LOW, HIGH = 5, 9  # the planted latents
ARMS = [Arm(f"sae_{n}", "sae", f"layers.{n}.resid_post", f"layers.{n}.resid_post") for n in (1, 2)]
PLAN = EdgesPlan(
    task="t",
    label="marked",
    arms=["sae_1", "sae_2"],
    readout="layers.3.resid_post",
    nodes=6,
    texts=40,
    train_texts=40,
    sizes=[2, 10],
    random_sets=2,
    resamples=500,
)
DIRECTION = torch.nn.functional.one_hot(torch.tensor(3), D).float()


@dataclass(frozen=True)
class Files:
    subject: Path
    task: Path
    rows: Path
    coders: dict[str, Path]

    def edges(self, plan: EdgesPlan = PLAN) -> dict[str, Any]:
        probing = ProbingPlan(seed=0)
        return edges(self.subject, self.coders, self.task, self.rows, plan=plan, probing=probing, context=CONTEXT)


def marked_model(folder: Path) -> None:
    """The token ! has the planted direction, which the residual stream carries on; no other token has it."""
    model = tiny_model(layers=4, d=D)
    with torch.no_grad():
        table = model.model.embed_tokens.weight
        table *= 40
        table[:, 3] = 0
        mark = tiny_tokenizer()("!")["input_ids"][0]
        table[mark] += 6 * DIRECTION
    model.eval().save_pretrained(folder)
    tiny_tokenizer(bos=True).save_pretrained(folder)


def texts(folder: Path, *, planted: bool) -> Path:
    """Random letters; with ! among them in the class marked, or in every second text of both."""
    rng = np.random.default_rng(0)
    for label in ("marked", "plain"):
        (folder / label).mkdir(parents=True)
        for n in range(40):
            letters = rng.choice(list("abcdefgh "), size=26)
            if (label == "marked") if planted else n % 2:
                letters[rng.choice(np.arange(1, 26), size=int(rng.integers(3, 8)), replace=False)] = "!"
            (folder / label / f"{n:03}.txt").write_text(f"{n:02} {''.join(letters)}")
    return folder


def save_sae(folder: Path, arm: Arm, latent: int, *, seed: int) -> Path:
    """Random latents that do not see the direction, and one that does nothing else."""
    coder = random_coder(arm, width=WIDTH, d=D, seed=seed)
    with torch.no_grad():
        for parameter in coder.parameters():
            if parameter.ndim > 1:
                parameter[:, 3] = 0
                parameter /= parameter.norm(dim=1, keepdim=True)
                parameter[latent] = DIRECTION
            else:
                parameter.zero_()
    return save_coder(coder, arm, folder)


def files(root: Path, *, planted: bool) -> Files:
    (root / "subject").mkdir(parents=True)
    marked_model(root / "subject")
    tiny_task(root / "task", texts(root / "texts", planted=planted), train=40, test=40)
    (root / "rows").mkdir()
    sites = tuple(arm.write_site for arm in ARMS)
    capture_task(
        root / "subject", root / "task", context=CONTEXT, sites=sites, dtype="float32", batch=8, out=root / "rows"
    )
    coders = {
        arm.name: save_sae(root / arm.name, arm, latent, seed=seed)
        for seed, (arm, latent) in enumerate(zip(ARMS, (LOW, HIGH), strict=True))
    }
    return Files(root / "subject", root / "task", root / "rows", coders)


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return files(tmp_path_factory.mktemp("planted") / "there", planted=True)


@pytest.fixture(scope="module")
def found(there: Files) -> dict[str, Any]:
    return there.edges()


def test_the_planted_edge_comes_first_and_is_found(found: dict[str, Any]) -> None:
    latent = [one for one in found["edges"] if one["to"] != "readout"]
    first = latent[0]
    assert (first["from"], first["to"]) == (f"sae_1:{LOW}", f"sae_2:{HIGH}")
    assert first["found"]
    assert first["p"] < 0.01
    assert first["strength"]["exact"] > 0
    assert abs(first["effect"]["exact"]) > 5 * abs(latent[1]["effect"]["exact"])
    assert first["effect"]["attribution"] == pytest.approx(first["effect"]["exact"], rel=0.1)
    assert found["edges"][0]["found"]
    assert {found["edges"][0][key] for key in ("from", "to")} <= {f"sae_1:{LOW}", f"sae_2:{HIGH}", "readout"}
    nodes = {one["node"]: one for one in found["nodes"]}
    assert nodes[f"sae_1:{LOW}"]["tokens"][0] == "!"
    assert nodes[f"sae_1:{LOW}"]["effect"]["ci95"][0] > 0


def test_two_edges_carry_the_class_and_random_ones_do_not(found: dict[str, Any]) -> None:
    two = found["faithfulness"]["points"][0]
    assert two["edges"] == 2
    assert two["faithfulness"]["value"] > 0.9
    assert two["faithfulness"]["ci95"][0] > 0.5
    assert two["random"]["value"] < 0.3 * two["faithfulness"]["value"]
    assert found["margin"]["ci95"][0] > 0


def test_without_a_class_in_the_texts_nothing_is_found(tmp_path: Path) -> None:
    """The same model and latents, ! in as many texts of both classes."""
    result = files(tmp_path, planted=False).edges()
    assert result["found"] == 0
    assert not any(one["found"] for one in result["edges"])
    assert any("does not tell marked from the others" in doubt for doubt in result["doubts"])
    assert "none is found" in said(result)
    assert draw_and_write(result, tmp_path)


def draw_and_write(result: dict[str, Any], folder: Path) -> str:
    draw_edges(result, svg=folder / "one.svg")
    draw_edges(result, svg=folder / "two.svg")
    assert (folder / "one.svg").read_bytes() == (folder / "two.svg").read_bytes()
    page = render_edges(result, figure="one.svg")
    assert all(doubt in page for doubt in result["doubts"])
    return page


def test_the_page_has_the_figures_and_the_same_inputs_give_the_same_result(
    there: Files, found: dict[str, Any], tmp_path: Path
) -> None:
    page = draw_and_write(found, tmp_path)
    assert f"| sae_1:{LOW} | sae_2:{HIGH} |" in page
    assert json.dumps(there.edges()) == json.dumps(found)


def test_a_run_reports_what_was_found(found: dict[str, Any], tmp_path: Path) -> None:
    class Kept(RunInputs):
        def file(self, kind: str, arm: str = "") -> Path:
            return tmp_path / "edges.json"

    (tmp_path / "edges.json").write_text(json.dumps(found))
    of = run_figures(Kept.__new__(Kept), "", TestPlan())
    assert of.figures["edges_found"] == {"value": found["found"], "ci95": None, "n": len(found["edges"])}
    assert of.figures["strength_attribution_spearman_all"]["n"] == 36
    assert {"margin", "faithfulness_2", "random_2", "faithfulness_all"} <= set(of.figures)
    assert of.doubts == found["doubts"]


def test_integrated_gradients_stand_beside(there: Files) -> None:
    result = there.edges(replace(PLAN, ig_steps=3, errors="mean"))
    assert set(result["check"]["strength"]) == {"attribution", "integrated"}
    assert result["edges"][0]["found"]
    assert result["faithfulness"]["errors"] == "mean"


def test_latents_that_never_fire_are_no_nodes_and_said(there: Files, tmp_path: Path) -> None:
    """All but three latents of one coder silenced; the other has none left at all."""
    coders = dict(there.coders)
    for arm, alive in zip(ARMS, ([LOW, 1, 2], []), strict=True):
        coder = random_coder(arm, width=WIDTH, d=D, seed=3)
        with torch.no_grad():
            coder.b_dec.zero_()
            dead = torch.ones(WIDTH, dtype=torch.bool)
            dead[alive] = False
            coder.encoder.weight[dead] = 0
            coder.encoder.bias[:] = -1.0 * dead
            coder.encoder.bias[~dead] = 5
        coders[arm.name] = save_coder(coder, arm, tmp_path / arm.name)
    result = replace(there, coders=coders).edges()
    assert [layer["nodes"] for layer in result["layers"]] == [3, 0]
    assert result["layers"][1]["never_fire"] == WIDTH
    assert result["edges"] == []
    assert result["found"] == 0
    assert any("sae_2: 0 latents ever fire where 6 nodes are wanted" in doubt for doubt in result["doubts"])
    assert draw_and_write(result, tmp_path)


def test_an_unknown_class_is_an_error(there: Files) -> None:
    with pytest.raises(SparringError, match="no class 'sport'; the task has marked, plain"):
        there.edges(replace(PLAN, label="sport"))


def test_texts_are_balanced_and_halved_and_too_few_are_an_error() -> None:
    rng = np.random.default_rng(0)
    positive = rng.permutation(np.arange(60) < 30)
    examples = Examples(np.arange(100, 160), positive)
    split = draw_texts(Contrast("marked", examples, examples), replace(PLAN, texts=40, train_texts=80))
    assert len(split.readout.texts) == 60
    assert len(split.measured.texts) == 40
    assert split.choosing.texts.tolist() == split.readout.texts[:40].tolist()
    for drawn in (split.readout, split.measured):
        assert drawn.positive.tolist() == [bool(positive[text - 100]) for text in drawn.texts]
    assert split.measured.positive[split.tried].sum() == split.tried.sum() / 2 == 10
    few = Examples(examples.texts[:10], np.arange(10) < 3)
    with pytest.raises(SparringError, match="class 'marked' of task t has 40 training and 4 test texts"):
        draw_texts(Contrast("marked", examples, few), PLAN)


def test_the_tokens_of_a_node_are_those_it_fires_on_often_and_most() -> None:
    ids = np.array([7, 7, 7, 8, 8, 8, 9, 5, 5, 5])
    latents = np.zeros((10, 3))
    latents[:7, 1] = [1, 1, 1, 2, 2, 2, 9]
    latents[:7, 2] = [5, 0, 0, 1, 1, 1, 9]
    assert strongest_tokens(ids, latents) == [[], [8, 7], [7, 8]]


def test_random_sets_have_as_many_edges_between_the_same_layers() -> None:
    every = [Edge(0, u, 1, v) for u in range(5) for v in range(5)] + [Edge(1, u, 2, 0) for u in range(5)]
    found = random_like([every[0], every[7], every[26]], every, np.random.default_rng(0))
    assert [(edge.source, edge.target) for edge in found] == [(0, 1), (0, 1), (1, 2)]
    assert len(set(found)) == 3


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"arms": ["a", "a"]}, "each coder once"),
        ({"sizes": [20, 10]}, "ascending"),
        ({"texts": 42}, "texts is 42; it must be a multiple of 4"),
        ({"readout": "layers.3.mlp"}, "site 'layers.3.mlp' is malformed"),
    ],
)
def test_plan_that_makes_no_sense(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(SparringError, match=said):
        replace(PLAN, **changes)


def test_a_coder_that_scales_every_row_by_itself_is_refused(there: Files, tmp_path: Path) -> None:
    encoder = replace(Encoder.load(there.coders["sae_1"]), norm="layer_norm")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Encoder, "load", staticmethod(lambda _: encoder))
        with pytest.raises(SparringError, match="sae_1 scales every row by itself"):
            load_layer(there.coders["sae_1"], there.rows, torch.ones(80, dtype=torch.bool))
