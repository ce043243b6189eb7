"""A study is validated before anything runs: each mistake is one line that names the key, the value and the mend."""

import copy
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from checkout import ROOT

from sparring.errors import SparringError
from sparring.outdated import _planned
from sparring.specs import Specs
from sparring.study import Study, read_study

LLAMA = {"engine": "llama.cpp", "name": "m"}
SERVED = {"engine": "openai", "name": "m", "url": "http://127.0.0.1:8000/v1", "weights": "w"}
SAE = {"kind": "sae", "read": "mlp.out", "write": "mlp.out"}
SCOPE = {"uri": "hf:google/gemma-scope-2b-pt-mlp", "revision": "1" * 40, "member": "layer_1/width_16k/average_l0_82/*"}
FOREIGN = {"format": "gemma_scope", "source": SCOPE}
LATE = {"kind": "sae", "layer": 4, "read": "mlp.out", "write": "mlp.out"}
EDGES = {"task": "bbc", "label": "sports", "arms": ["sae", "transcoder"], "readout": "layers.3.resid_post"}
UNLEARNING = {"task": "bbc", "label": "sports", "arms": ["sae"]}
DEFAULT = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())


def changed(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    config = copy.deepcopy(DEFAULT)
    change(config)
    return config


@pytest.mark.parametrize(
    "path",
    [ROOT / "config" / "config.yaml", *sorted((ROOT / "config" / "studies").glob("*.yaml"))],
    ids=lambda path: path.stem,
)
def test_every_study_that_is_kept_is_valid(path: Path) -> None:
    assert isinstance(read_study(yaml.safe_load(path.read_text())), Study)


def test_the_default_explains_every_key() -> None:
    explained = False
    for before, line in itertools.pairwise((ROOT / "config" / "config.yaml").read_text().splitlines()):
        if line and line[0].isalpha():
            explained = before.startswith("#") or "#" in line or (explained and bool(before))
        if line.strip() and not line.startswith("#"):
            assert explained or "#" in line, line


MISTAKES: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "unknown key": (lambda c: c.update(lyer=3), "unknown key 'lyer' .value 3.; did you mean 'layer'"),
    "unknown nested key": (lambda c: c["recipe"].update(wdth=3), "unknown key 'recipe.wdth'.*'width'"),
    "unknown coder key": (lambda c: c["coders"]["sae"].update(red="x"), "unknown key 'coders.sae.red'.*'read'"),
    "missing key": (lambda c: c.pop("layer"), "key 'layer' is missing"),
    "missing nested key": (lambda c: c["recipe"].pop("lr"), "key 'recipe.lr' is missing"),
    "wrong type": (lambda c: c["recipe"].update(lr="fast"), "recipe.lr is 'fast'"),
    "k over width": (lambda c: c["recipe"].update(k=10**6), "k = 1000000 exceeds width"),
    "no such block": (lambda c: c.update(layer=30), r"layers\.30\.mlp.*layers\.0 to layers\.29"),
    "no such place": (lambda c: c["coders"]["sae"].update(read="mlp", write="mlp"), r"layers\.\d+\.mlp"),
    "unknown key of a run": (lambda c: c["runs"]["steering"].update(wat=1), "unknown key 'runs.steering.wat'.*'what'"),
    "run without its task": (lambda c: c["runs"]["sparse-probing"].pop("about"), "saebench needs `about`.*tasks"),
    "run of no task": (lambda c: c["runs"]["sparse-probing"].update(about="x"), "about: 'x' is not among tasks .bbc"),
    "run of no arm": (lambda c: c["runs"]["steering"].update(arms=["sea"]), "arms: 'sea' is not among sae"),
    "run replaced by none": (lambda c: c["runs"]["steering"].update(superseded_by="x"), "'x' is no run of this study"),
    "feature set of no arm": (lambda c: c["feature_sets"]["sports"].update(arms=["x"]), "feature_sets.sports: 'x'"),
    "readout before the set": (
        lambda c: c["feature_sets"]["sports"].update(readout="layers.1.mlp.in"),
        r"feature_sets.sports.readout: 'layers.1.mlp.in' is not later than 'layers.1.mlp.out'",
    ),
    "readout beyond the model": (
        lambda c: c["feature_sets"]["sports"].update(readout="layers.30.resid_post"),
        r"'layers.30.resid_post': the model has layers.0 to layers.29",
    ),
    "feature set of two coders of one site": (
        lambda c: c["feature_sets"]["sports"].update(arms=["sae", "transcoder"]),
        "feature_sets.sports.arms sae, transcoder: two write one site",
    ),
    "feature set of two models": (
        lambda c: (
            c.update(controls={"noise": {"model": "weights"}}),
            c["feature_sets"]["sports"].update(arms=["sae", "sae_noise"]),
        ),
        "feature_sets.sports: sae, sae_noise are not of one model",
    ),
    "steering on no task": (lambda c: c["steering"]["topics"].update(task="x"), "steering.topics.task: 'x'"),
    "edges between coders of one layer": (
        lambda c: c.update(edges={"x": EDGES}),
        r"edges.x.arms: transcoder reads layers.1.mlp.in, which is not behind layers.1.mlp.out, where sae writes",
    ),
    "a readout before the last coder": (
        lambda c: (c["coders"].update(late=LATE), c.update(edges={"x": EDGES | {"arms": ["sae", "late"]}})),
        r"edges.x.readout: layers.3.resid_post is not behind layers.4.mlp.out, where late writes; name a later site",
    ),
    "edges of no arm": (lambda c: c.update(edges={"x": EDGES | {"arms": ["sae", "y"]}}), "edges.x: 'y' is not among"),
    "unlearning of no class": (
        lambda c: c.update(unlearning={"x": {"task": "bbc", "arms": ["sae"]}}),
        "key 'unlearning.x.label' is missing",
    ),
    "unlearning by two coders of one site": (
        lambda c: c.update(unlearning={"x": UNLEARNING | {"arms": ["sae", "transcoder"]}}),
        "unlearning.x.arms sae, transcoder: two write one site",
    ),
    "unlearning on no task": (
        lambda c: c.update(unlearning={"x": UNLEARNING | {"task": "y"}}),
        "unlearning.x.task: 'y'",
    ),
    "unlearning by no arm": (
        lambda c: c.update(unlearning={"x": UNLEARNING | {"arms": ["y"]}}),
        "unlearning.x: 'y' is",
    ),
    "ablated to what": (
        lambda c: c.update(unlearning={"x": UNLEARNING | {"to": "median"}}),
        "unlearning.x.to is 'medi",
    ),
    "a size twice": (lambda c: c.update(unlearning={"x": UNLEARNING | {"sizes": [5, 5]}}), "unlearning: sizes"),
    "blocks unknown": (lambda c: c["subject"].pop("layers"), "subject.layers: missing"),
    "too many latents": (lambda c: c["draw"].update(latents=10**6), "draw.latents: 1000000 is more than"),
    "no such arm": (lambda c: c.update(compare=["sae", "gate"]), "'gate' is not among coders"),
    "one arm twice": (lambda c: c.update(compare=["sae", "sae"]), "named twice"),
    "an SAE of two sites": (lambda c: c["coders"]["sae"].update(read="mlp.in"), "arm sae: .*one site"),
    "unreadable path": (
        lambda c: c["corpus"].update(source={"uri": "path:nowhere"}),
        "corpus.source.uri: 'path:nowhere'",
    ),
    "a name taken by a seed": (
        lambda c: (c.update(seeds=[1]), c["coders"].update(sae_seed1=c["coders"]["sae"])),
        "'sae_seed1' is the name of a further coder",
    ),
    "a seed twice": (lambda c: c.update(seeds=[1, 0]), "seeds: .1, 0. with recipe.seed 0; name each seed once"),
    "delphi without a model": (lambda c: c.update(protocol="delphi"), "protocol: 'delphi' is explained and judged by"),
    "unknown protocol": (lambda c: c.update(protocol="loose"), "protocol is 'loose'; input should be 'strict'"),
    "a model without a file": (lambda c: c.update(llm={"model": LLAMA}), "llm.sources: llama.cpp needs the sources"),
    "an endpoint with a file": (
        lambda c: c.update(llm={"model": SERVED, "sources": [c["subject"]["source"]], "sha256": "0" * 64}),
        "llm.sources: an endpoint has its own model",
    ),
    "vllm without a model": (
        lambda c: c.update(llm={"model": {"engine": "vllm", "name": "m"}}),
        r"llm.sources: vllm needs one source of a model folder \(here 0\)",
    ),
    "an endpoint without an address": (
        lambda c: c.update(llm={"model": {"engine": "openai", "name": "m", "weights": "w"}}),
        "llm.model.url is missing",
    ),
    "unknown engine": (
        lambda c: c.update(llm={"model": {"engine": "ollama", "name": "m"}}),
        "llm.model.engine is 'oll",
    ),
    "unknown key of the model": (lambda c: c.update(llm={"model": SERVED, "asks": {}}), "'llm.asks'.*mean 'ask'"),
    "sentences for the embedding scorer": (
        lambda c: c.update(llm={"model": SERVED, "judges": False, "describe": {}}),
        "llm.describe: the embedding scorer reads token lists",
    ),
    "quantiles of nothing": (
        lambda c: c.update(llm={"model": SERVED, "delphi": {"n_examples_test": 5}}),
        "llm.delphi.n_examples_test is 5, under n_quantiles = 10",
    ),
    "a transcoder of sae_lens": (
        lambda c: c["coders"]["transcoder"].update(architecture="jumprelu"),
        "coders.transcoder.architecture: 'jumprelu' with kind 'skip-transcoder': sae_lens has no training class",
    ),
    "unknown architecture": (lambda c: c["coders"]["sae"].update(architecture="gated"), "sae.architecture is 'gated'"),
    "keys of sae_lens for sparsify": (lambda c: c["coders"]["sae"].update(sae_lens={}), "coders.sae.sae_lens: a topk"),
    "unknown key of sae_lens": (
        lambda c: c["coders"].update(jump=SAE | {"architecture": "jumprelu", "sae_lens": {"l0_coeficient": 2}}),
        "'coders.jump.sae_lens.l0_coeficient'.*mean 'l0_coefficient'",
    ),
    "a source without a format": (
        lambda c: c["coders"].update(scope=SAE | {"source": SCOPE}),
        "coders.scope.format: missing; say how the coder of `source` lies there: sparsify, sae_lens, gemma_scope",
    ),
    "a format without a source": (
        lambda c: c["coders"].update(scope=SAE | {"format": "gemma_scope"}),
        "coders.scope.source: missing",
    ),
    "a coder without a commit": (
        lambda c: c["coders"].update(scope=SAE | {"format": "gemma_scope", "source": {"uri": SCOPE["uri"]}}),
        "`revision` is missing",
    ),
    "an architecture for a coder from elsewhere": (
        lambda c: c["coders"].update(scope=SAE | FOREIGN | {"architecture": "jumprelu"}),
        "coders.scope.architecture: a coder from hf:google/gemma-scope-2b-pt-mlp has the architecture that it was",
    ),
    "a coder that is not there": (
        lambda c: c["coders"].update(scope=SAE | {"format": "sparsify", "source": {"uri": "path:nowhere"}}),
        "coders.scope.source.uri: 'path:nowhere' is not there",
    ),
    "seeds of a coder from elsewhere": (
        lambda c: (c["coders"]["sae"].update(FOREIGN), c.update(seeds=[1])),
        "seeds: 'sae' was trained elsewhere and has no further seeds",
    ),
    "malformed hash": (lambda c: c["subject"]["source"].update(sha256="abc"), "sha256 'abc' is not"),
    "no hash": (lambda c: c["corpus"]["source"].pop("sha256"), "`sha256` is missing"),
    "branch for a commit": (
        lambda c: c["subject"].update(source={"uri": "hf:org/name", "revision": "main"}),
        "revision 'main' is not a commit",
    ),
    "split without tokens": (lambda c: c["tokens"].update(evaluation=0), "'evaluation' has no tokens"),
    "unknown key of a task": (lambda c: c["tasks"]["bbc"].update(trian=3), "unknown key 'tasks.bbc.trian'.*'train'"),
    "half a text": (lambda c: c["tasks"]["bbc"].update(train=3), "a task's train is 3: it must be a multiple of 2"),
    "folders with a column": (lambda c: c["tasks"]["bbc"].update(label="topic"), "classes from folders; take `label`"),
    "no class column": (lambda c: c["tasks"]["bbc"].update(format="csv"), "format csv needs `label`"),
    "one class": (lambda c: c["tasks"]["bbc"].update(labels=["tech"]), "labels .'tech'.: name at least two"),
    "a task that is not there": (
        lambda c: c["tasks"]["bbc"].update(source={"uri": "path:nowhere"}),
        "tasks.bbc.source.uri: 'path:nowhere' is not there",
    ),
    "no k": (lambda c: c["probing"].update(ks=[]), "probing.ks is ..: name at least one"),
    "k of nothing": (lambda c: c["probing"].update(ks=[0]), "probing.ks.0 is 0; input should be greater"),
    "more than all latents": (lambda c: c["probing"].update(ks=[1, 10**6]), "probing.ks: 1000000 is more than the"),
    "unknown metric": (lambda c: c["test"].update(primary="fuz"), "fuz"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line_that_names_it(name: str) -> None:
    change, said = MISTAKES[name]
    with pytest.raises(SparringError, match=said) as caught:
        read_study(changed(change))
    assert "\n" not in str(caught.value)


def specs(config: dict[str, Any]) -> dict[str, str]:
    made = Specs(read_study(config), ROOT)
    arms = {f"coder-{arm}": repr(made.coder(arm)) for arm in made.study.coders} | {"draw": repr(made.draw("sae"))}
    return {
        name: repr(getattr(made, name)()) for name in ("tokens", "activations", "latents", "recon", "headtohead")
    } | arms


def differing(config: dict[str, Any]) -> set[str]:
    before, after = specs(DEFAULT), specs(config)
    return {name for name in before if before[name] != after[name]}


def test_a_value_changes_the_specs_of_its_rule_alone() -> None:
    assert differing(changed(lambda c: c["recipe"].update(seed=1))) == {"coder-sae", "coder-transcoder"}
    assert differing(changed(lambda c: c["draw"].update(seed=1))) == {"draw"}
    assert "activations" not in differing(changed(lambda c: c["coders"].update(wide=c["coders"]["sae"])))


def test_a_recorded_result_of_a_task_has_a_spec_and_one_of_another_study_has_none() -> None:
    made = Specs(read_study(DEFAULT), ROOT)
    assert _planned(made, "task", {"task": "bbc"}) == made.task("bbc")
    assert _planned(made, "saebench", {"task": "bbc", "arm": "sae"}) == made.saebench("sae")
    assert _planned(made, "saebench", {"task": "gone", "arm": "sae"}) is None
    assert _planned(made, "task", {"task": "sae"}) is None  # an arm is no task


def test_a_tasks_context_is_of_its_rows_alone() -> None:
    before, after = (
        Specs(read_study(DEFAULT), ROOT),
        Specs(read_study(changed(lambda c: c["tasks"]["bbc"].update(context=64))), ROOT),
    )
    assert before.task("bbc") == after.task("bbc") and before.saebench("sae") == after.saebench("sae")
    assert before.task_rows("bbc") != after.task_rows("bbc")


def test_each_arm_has_one_maker_and_no_smoke_run_of_what_is_not_trained() -> None:
    jump = {"jump": SAE | {"architecture": "jumprelu"}, "scope": SAE | FOREIGN}
    study = read_study(changed(lambda c: (c["coders"].update(jump), c.update(seeds=[1]))))
    assert study.made_by("sae_lens") == ["jump", "smoke_jump", "jump_random"] and study.made_by("elsewhere") == [
        "scope"
    ]
    trained = ["sae", "transcoder", "sae_seed1", "transcoder_seed1", "smoke_sae", "smoke_transcoder"]
    trained += ["sae_random", "transcoder_random"]
    assert sorted(study.made_by("sparsify")) == sorted(trained)
    made = Specs(study, ROOT)
    assert made.coder("jump") != made.coder("sae") | {"arm": made.coder("jump")["arm"]}  # another maker, another spec
    assert made.foreign_coder("scope")["source"]["revision"] == "1" * 40


def test_swapped_values_are_seen() -> None:
    swap = {"positives": 11, "negatives": 17}
    back = {"positives": 17, "negatives": 11}
    one, other = (specs(changed(lambda c, v=v: c["draw"].update(v))) for v in (swap, back))
    assert one["draw"] != other["draw"]


def test_how_a_value_is_written_does_not_matter() -> None:
    config = changed(
        lambda c: c["recipe"].update(lr="5e-3" if DEFAULT["recipe"]["lr"] == 0.005 else DEFAULT["recipe"]["lr"])
    )
    config["recipe"] = dict(reversed(config["recipe"].items()))
    assert differing(dict(reversed(config.items()))) == set()


def test_a_default_that_is_written_out_does_not_matter() -> None:
    assert differing(changed(lambda c: c["recipe"].pop("warmup", None))) <= {"coder-sae", "coder-transcoder"}
