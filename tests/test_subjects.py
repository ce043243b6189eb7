"""Another subject by configuration alone: randomly initialised models of two families in a folder, the whole graph."""

import json
import shutil
from pathlib import Path

import pytest
import yaml
from checkout import ROOT, Checkout
from subjects_data import packaged_texts, save_model

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory, mini: Checkout) -> list[str]:
    return packaged_texts(mini, tmp_path_factory.mktemp("texts") / "corpus")


@pytest.mark.parametrize("family", ["llama", "gpt_neox"])
def test_a_random_model_in_a_folder_goes_through_the_whole_graph(
    family: str, texts: list[str], tmp_path: Path, mini: Checkout
) -> None:
    save_model(family, texts, tmp_path / "model")
    study = yaml.safe_load((ROOT / "config" / "studies" / "mini.yaml").read_text())
    study["subject"] = {"source": {"uri": f"path:{tmp_path / 'model'}"}}
    study["layer"] = 1
    study["recipe"] |= {"width": 128, "k": 8}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    checkout = mini.copy(tmp_path, tmp_path / "store")
    shutil.rmtree(checkout.work / "results")
    headline = ("results/headtohead_autointerp.json", "--configfile", str(tmp_path / "study.yaml"))
    ran = checkout.run(*headline)
    assert ran.status == 0, ran.output
    result = json.loads(checkout.result("headtohead_autointerp.json"))
    assert result["arms"]["transcoder"]["read_site"] == "layers.1.mlp.in"
    assert result["verdict"]
    ran = checkout.run("results/activations.json", "--configfile", str(tmp_path / "study.yaml"), "--config", "layer=2")
    assert ran.status != 0
    assert "layers.2" in ran.output
    (tmp_path / "model" / "model.safetensors").touch()
    ran = checkout.run(*headline)
    assert ran.status == 0
    assert not ran.computed
