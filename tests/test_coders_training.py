"""sparsify's Trainer on replayed rows: same weights as on the live model, same bytes twice, clean after a kill."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from coders_data import ARMS, READ, SAE, TRANSCODER, WRITE, D, as_dense, tiny_activations, tiny_recipe
from safetensors.torch import load_file
from tiny import tiny_model

from sparring.activation_file import RowFile, Rows
from sparring.coders.coder import Coder
from sparring.coders.encoding import Encoder
from sparring.coders.replay import SiteRows
from sparring.coders.training import train_coder, trainer_config
from sparring.coders.upstream import SparseCoder, Trainer
from sparring.errors import SparringError

BATCH, LENGTH, STEPS = 4, 16, 8


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tiny_activations(tmp_path_factory.mktemp("activations"))


def live_capture(model, ids, folder):
    """Rows of both sites of block 1's MLP, in the order and the batches in which the live Trainer sees them."""
    seen = []
    module = model.base_model.get_submodule("layers.1.mlp")
    handle = module.register_forward_hook(lambda _, inputs, output: seen.append((inputs[0], output)))
    with torch.no_grad():
        for batch in ids.split(BATCH):
            model(batch)
    handle.remove()
    read, write = (torch.cat([pair[side].flatten(0, 1) for pair in seen]) for side in (0, 1))
    n = len(read)
    index = Rows(*(np.zeros(n, np.int64) for _ in Rows._fields))
    with RowFile(folder / "activations.h5", rows={"train": index}, widths={READ: D, WRITE: D}, dtype="float32") as file:
        for site, values in ((READ, read), (WRITE, write)):
            file.write("train", site, np.arange(n), values)
    return folder


@pytest.mark.parametrize("optimizer", ["adam", "signum"])
@pytest.mark.parametrize("arm", ARMS, ids=lambda arm: arm.name)
def test_replayed_training_is_bit_identical_to_the_live_model(arm, optimizer, tmp_path):
    model = tiny_model("llama", d=D)
    ids = torch.randint(3, 259, (BATCH * STEPS, LENGTH), generator=torch.Generator().manual_seed(0))
    recipe = tiny_recipe(batch_rows=BATCH * LENGTH, tokens=BATCH * LENGTH * STEPS, scale=False, optimizer=optimizer)

    config = trainer_config(arm, recipe, d=D, save_dir=tmp_path / "live")
    live = replace(config, batch_size=BATCH, hookpoints=["layers.1.mlp"])
    Trainer(live, [{"input_ids": row} for row in ids], model).fit()
    train_coder(live_capture(model, ids, tmp_path), arm=arm, recipe=recipe, out=tmp_path / "replayed")

    wanted = load_file(tmp_path / "live" / "run" / "layers.1.mlp" / "sae.safetensors")
    got = load_file(tmp_path / "replayed" / "sae.safetensors")
    assert wanted.keys() == got.keys()
    for name, tensor in wanted.items():
        assert torch.equal(tensor, got[name]), name
    assert not torch.equal(got["W_dec"], SparseCoder(D, config.sae).W_dec)  # it did learn


@pytest.mark.parametrize("arm", ARMS, ids=lambda arm: arm.name)
def test_twice_the_same_bytes_and_nothing_else_in_the_folder(arm, cache, tmp_path):
    metas = [train_coder(cache, arm=arm, recipe=tiny_recipe(), out=tmp_path / name) for name in "ab"]
    files = sorted(path.name for path in (tmp_path / "a").rglob("*"))
    assert files == ["arm.json", "cfg.json", "sae.safetensors", "scaling.json", "training.json"]
    assert metas[0] == metas[1]
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name
    json.dumps(metas[0], allow_nan=False)


@pytest.mark.parametrize(
    "change", [{"seed": 1}, {"lr": 1e-3}, {"k": 5}, {"optimizer": "signum"}, {"optimizer": "muon"}]
)
def test_each_knob_of_the_recipe_reaches_the_weights(change, cache, tmp_path):
    train_coder(cache, arm=SAE, recipe=tiny_recipe(), out=tmp_path / "plain")
    train_coder(cache, arm=SAE, recipe=tiny_recipe(**change), out=tmp_path / "changed")
    assert (tmp_path / "plain/sae.safetensors").read_bytes() != (tmp_path / "changed/sae.safetensors").read_bytes()


@pytest.mark.parametrize("arm", ARMS, ids=lambda arm: arm.name)
def test_a_trained_coder_takes_raw_rows_and_its_loss_is_that_of_the_curve(arm, cache, tmp_path):
    recipe = tiny_recipe(tokens=30_720, lr=1e-2)
    meta = train_coder(cache, arm=arm, recipe=recipe, out=tmp_path)
    coder = Coder.load(tmp_path)
    assert (coder.kind, coder.read_site, coder.write_site) == (arm.kind, arm.read_site, arm.write_site)
    assert (coder.n_latents, coder.k) == (64, 4)
    everything = slice(0, None)
    x, y = (SiteRows(cache, "train", site)[everything] for site in (arm.read_site, arm.write_site))
    fvu = float((y - coder.forward(x)).square().sum() / (y - y.mean(0)).square().sum())
    curve = json.loads((tmp_path / "training.json").read_text())["curve"]
    assert fvu == pytest.approx(meta["training"]["final_fvu"], rel=0.05)
    assert fvu < 0.5 * curve[0][2]
    values, indices = Encoder.load(tmp_path).encode(x)
    made = coder.reconstruct(x)
    assert torch.equal(as_dense(values, indices), as_dense(made.values, made.indices))
    assert (values >= 0).all()


def test_the_curve_is_short_and_covers_every_step(cache, tmp_path):
    meta = train_coder(cache, arm=SAE, recipe=tiny_recipe(batch_rows=32, tokens=32 * 450), out=tmp_path)
    curve = json.loads((tmp_path / "training.json").read_text())["curve"]
    assert len(curve) == 200
    assert curve[-1][:2] == [450, 450 * 32]
    assert meta["training"]["steps"] == 450 and meta["training"]["rows"] == 450 * 32


def test_pieces_of_a_batch_train_the_same_coder(cache, tmp_path, monkeypatch):
    """Upstream divides the gradient by the number of pieces, which Adam does not see; the recorded loss is whole."""
    whole = train_coder(cache, arm=SAE, recipe=tiny_recipe(), out=tmp_path / "whole")
    monkeypatch.setattr("sparring.coders.pieces._BACKWARD_BYTES", 256 * 4 * D * 4 // 3)
    assert trainer_config(SAE, tiny_recipe(), d=D, save_dir=tmp_path).micro_acc_steps == 4
    pieces = train_coder(cache, arm=SAE, recipe=tiny_recipe(), out=tmp_path / "pieces")
    assert pieces["training"]["steps"] == whole["training"]["steps"]
    assert pieces["training"]["final_fvu"] == pytest.approx(whole["training"]["final_fvu"], rel=1e-3)


def test_a_dead_latent_is_counted(cache, tmp_path, monkeypatch):
    """Latents that no row can fire are dead; upstream would count those that TopK picks at value 0."""
    made = SparseCoder.__init__

    def with_dead(self, *args, **kwargs):
        made(self, *args, **kwargs)
        self.encoder.bias.data[:16] = -1e4

    monkeypatch.setattr(SparseCoder, "__init__", with_dead)
    meta = train_coder(cache, arm=SAE, recipe=tiny_recipe(k=64), out=tmp_path)
    assert meta["training"]["dead_fraction"] == pytest.approx(16 / 64, abs=1 / 64)


def test_a_loss_that_is_not_a_number_names_the_step_and_the_mend(cache, tmp_path):
    with pytest.raises(SparringError, match=r"training loss is (nan|inf) at step \d+; lower lr"):
        train_coder(cache, arm=TRANSCODER, recipe=tiny_recipe(lr=1e30), out=tmp_path)


def test_global_state_is_left_alone(cache, tmp_path, capfd):
    torch.manual_seed(5)
    before = torch.random.get_rng_state(), torch.get_float32_matmul_precision()
    train_coder(cache, arm=SAE, recipe=tiny_recipe(), out=tmp_path)
    assert torch.equal(before[0], torch.random.get_rng_state())
    assert before[1] == torch.get_float32_matmul_precision()
    assert capfd.readouterr() == ("", "")


CHILD = """
import json, os, signal, sys
from pathlib import Path
from sparring.coders import training
from sparring.coders.recipe import Arm, Recipe

real, calls = training.progress, []
def bar(*args, **kwargs):
    made = real(*args, **kwargs)
    update = made.update
    def dying(n):
        calls.append(n)
        if len(calls) == 5:
            os.kill(os.getpid(), signal.SIGKILL)
        update(n)
    made.update = dying
    return made
training.progress = bar
given = json.loads(sys.argv[1])
arm, recipe = Arm(**given["arm"]), Recipe(**given["recipe"])
training.train_coder(Path(given["cache"]), arm=arm, recipe=recipe, out=Path(given["out"]))
"""


def test_killed_in_the_middle_the_same_command_gives_the_same_coder(cache, tmp_path):
    """SIGKILL at step 5 leaves nothing outside `out`, and a run into a fresh `out` is as if nothing had happened."""
    workplace = tmp_path / "work"
    workplace.mkdir()
    given = {"cache": str(cache), "arm": asdict(SAE), "recipe": asdict(tiny_recipe()), "out": str(workplace / "out")}
    before = {path: path.stat().st_mtime_ns for path in cache.rglob("*")}
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    died = subprocess.run(
        [sys.executable, "-c", CHILD, json.dumps(given)], cwd=workplace, env=environment, capture_output=True
    )
    assert died.returncode == -signal.SIGKILL
    assert {path.name for path in tmp_path.iterdir()} == {"work"}
    assert {path.name for path in workplace.iterdir()} <= {"out"}
    assert before == {path: path.stat().st_mtime_ns for path in cache.rglob("*")}
    for name in ("again", "undisturbed"):
        train_coder(cache, arm=SAE, recipe=tiny_recipe(), out=tmp_path / name)
    assert (tmp_path / "again/sae.safetensors").read_bytes() == (tmp_path / "undisturbed/sae.safetensors").read_bytes()


def test_unequal_widths_are_refused(tmp_path):
    index = Rows(*(np.zeros(512, np.int64) for _ in Rows._fields))
    widths = {READ: 8, WRITE: 4}
    with RowFile(tmp_path / "activations.h5", rows={"train": index}, widths=widths, dtype="float32") as file:
        for site, d in widths.items():
            file.write("train", site, np.arange(512), torch.ones(512, d))
    with pytest.raises(SparringError, match=r"layers\.1\.mlp\.in has 8 dimensions and layers\.1\.mlp\.out 4"):
        train_coder(Path(tmp_path), arm=TRANSCODER, recipe=tiny_recipe(), out=tmp_path / "out")
