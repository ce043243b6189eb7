"""Is a concept found that is known to be there, and is none claimed where it is not? By every control of a study.

    snakemake results/reconstruction.json results/task_rows/bbc.json --configfile config/studies/controls.yaml
    python benchmarks/planted_truth.py docs/benchmarks/planted_truth.md docs/figures/planted_truth.svg

On the finished study in the working directory. A direction, what tells BBC's sports from its other topics in the
residual stream after block 8, is added there in half of all sequences of the news and in half of the BBC's texts on
other topics, chosen by a hash: the class "planted". Coders are trained on those activations; the same texts with the
same labels go through the model without the direction, with the study's own coders. Then both go through probing,
feature sets and edges, and the model as it is is steered along the latent that each finds for the class.
"""

import sys
import tempfile
from pathlib import Path

import torch
import yaml
from planted_page import Found, draw, table

from sparring.activations import capture
from sparring.coders.coder import Coder
from sparring.coders.recipe import Arm
from sparring.coders.training import train_coder
from sparring.controls.planted import is_planted, write_planted
from sparring.edges.plan import EdgesPlan
from sparring.edges.stage import edges
from sparring.feature_sets.plan import FeatureSetPlan
from sparring.feature_sets.stage import feature_sets
from sparring.manifest import read_manifest
from sparring.probing.contrasts import Contrast, contrasts_of
from sparring.probing.labelled import read_task, write_task
from sparring.probing.means import mean_latents, mean_rows
from sparring.probing.plan import ProbingPlan
from sparring.probing.probe import mean_difference
from sparring.probing.stage import probing
from sparring.probing.task_rows import capture_task
from sparring.probing.task_tokens import task_tokens
from sparring.probing.vectors import ArmFiles
from sparring.steering.concept import concept
from sparring.steering.directions import directions
from sparring.steering.judge import Judges
from sparring.steering.plan import SteeringPlan
from sparring.steering.residual import residual_units
from sparring.steering.stage import try_prompt
from sparring.steering.written import SCAN, Writer
from sparring.store import open_store
from sparring.study import Study, read_study
from sparring.subject_model import load_subject
from sparring.tokenizer import load_tokenizer

STUDY = Path("config/studies/controls.yaml")
NEAR, FAR, READOUT = "resid_8", "resid_12", "layers.14.resid_post"
CLASS, STRENGTH = "planted", 0.5  # in units of the residual stream's RMS norm
CONTEXT, LEAST = 64, 16  # tokens; a text whose half is decided by fewer is left out


def folder(scratch: Path, name: str) -> Path:
    """The files of an artifact of the study."""
    out = scratch / "study" / name.replace("/", "-")
    if out.exists():
        return out
    manifest = read_manifest(Path(f"results/{name}.json"))
    assert manifest is not None, f"results/{name}.json is no manifest: make the study first"
    return manifest.link_into(open_store(), out)


def direction(scratch: Path, contrast: Contrast) -> torch.Tensor:
    """What is planted, unit length: the difference of class means of rows after the block of NEAR."""
    site = Coder.load(folder(scratch, f"coders/{NEAR}")).write_site
    gap = mean_difference(
        mean_rows(site, folder(scratch, "task_rows/bbc"))[contrast.train.texts], contrast.train.positive
    )
    return gap / gap.norm()


def relabelled(scratch: Path, subject: Path, out: Path) -> None:
    """The texts of BBC's other topics, of either class by the hash that plants, as many of each in each split."""
    task = read_task(folder(scratch, "tasks/bbc"))
    kept = [i for i, label in enumerate(task.labels) if label != "sports"]
    ids = torch.from_numpy(task_tokens(subject, [task.texts[i] for i in kept], context=CONTEXT).ids)
    rows: dict[str, list[tuple[str, str, str]]] = {}
    for split in ("train", "test"):
        sides: dict[bool, list[tuple[str, str, str]]] = {True: [], False: []}
        for i, planted in zip(kept, is_planted(ids).tolist(), strict=True):
            if bool(task.is_train[i]) == (split == "train"):
                sides[planted].append((str(i), CLASS if planted else "plain", task.texts[i]))
        least = min(map(len, sides.values()))
        rows[split] = [*sides[True][:least], *sides[False][:least]]
    out.mkdir()
    write_task(out, rows)


def measured(scratch: Path, subject: Path, coders: dict[str, Path], task: Path, plan: ProbingPlan) -> Found:
    """Probing, feature sets and edges of two coders on the relabelled texts, run by `subject`."""
    texts, rows = read_task(task), Path(tempfile.mkdtemp(dir=scratch))
    arms = {name: Coder.load(path).arm for name, path in coders.items()}
    sites = tuple(arm.write_site for arm in arms.values())
    capture_task(subject, task, context=CONTEXT, sites=sites, dtype="float32", batch=16, out=rows)
    (contrast,) = contrasts_of(texts, [CLASS], seed=plan.seed, key="class")
    sets = FeatureSetPlan(
        "planted", CLASS, [NEAR], sizes=[1, 5, 20], faithful_texts=32, random_faithful=3, readout=READOUT
    )
    graph = EdgesPlan("planted", CLASS, [NEAR, FAR], readout=READOUT, nodes=15, texts=32, train_texts=200)
    return {
        "probing": probing(ArmFiles(arms[NEAR], coders[NEAR], rows), [], task, plan=plan),
        "feature_sets": feature_sets(
            subject, {NEAR: coders[NEAR]}, task, rows, plan=sets, probing=plan, readout=READOUT, context=CONTEXT
        ),
        "edges": edges(subject, coders, task, rows, plan=graph, probing=plan, context=CONTEXT),
        "along": directions(
            mean_latents(coders[NEAR], rows, len(texts.texts)),
            mean_rows(sites[0], rows),
            Coder.load(coders[NEAR]).decoder.cpu(),
            contrast,
            seed=0,
        ),
    }


def steered(scratch: Path, found: dict[str, Found], site: str, plan: ProbingPlan, study: Study) -> None:
    """Steer the model as it is along what each condition found; success is text about sports."""
    task = read_task(folder(scratch, "tasks/bbc"))
    sports = contrasts_of(task, ["sports"], seed=plan.seed, key="class")
    judges = Judges(folder(scratch, "scorer"), task.texts, sports, layer=study.score.layer, batch=study.score.batch)
    model, tokenizer = load_subject(folder(scratch, "subject")), load_tokenizer(folder(scratch, "subject"))
    steering = SteeringPlan("bbc", [NEAR], labels=["sports"], samples=32, factors=[0.1, 0.15, 0.2], tokens=16)
    train = [text for text, is_train in zip(task.texts, task.is_train, strict=True) if is_train]
    unit = residual_units(model, tokenizer, train, [site])[site]["unit"]
    writer = Writer(model, tokenizer, judges, steering, site=site)
    prompts = {one: float(writer.unsteered(one, stream=SCAN).holds["sports"].mean()) for one in steering.prompts}
    prompt = min(prompts, key=lambda one: abs(prompts[one] - 0.5))
    accuracy = judges.accuracy("sports", resamples=steering.resamples, seed=0)
    for one in found.values():
        tried, _ = try_prompt(writer, prompt, "sports", one["along"], site, unit)
        one["steering"] = concept(writer.unsteered(prompt).tried("sports"), tried, accuracy, steering) | {
            "prompt": prompt
        }


def planted_coders(scratch: Path, subject: Path, study: Study) -> dict[str, Path]:
    """The study's two coders by its own recipe, on the activations of the planted model."""
    arms = {name: study.arm(name) for name in (NEAR, FAR)}
    kept, rows = study.activations, scratch / "activations"
    rows.mkdir()
    capture(
        subject,
        folder(scratch, "tokens"),
        sites=tuple(arm.write_site for arm in arms.values()),
        dtype=kept.dtype,
        batch=kept.batch,
        seed=kept.seed,
        splits=("train",),
        out=rows,
    )
    found = {}
    for name, arm in arms.items():
        found[name] = scratch / name
        found[name].mkdir()
        train_coder(
            rows, arm=Arm(arm.name, arm.kind, arm.read_site, arm.write_site), recipe=study.recipe, out=found[name]
        )
    return found


def main(page: Path, svg: Path) -> int:
    study = read_study(yaml.safe_load(STUDY.read_bytes()))
    plan = ProbingPlan()
    with tempfile.TemporaryDirectory() as made:
        scratch = Path(made)
        plain, task, planted = folder(scratch, "subject"), scratch / "task", scratch / "planted"
        relabelled(scratch, plain, task)
        bbc = read_task(folder(scratch, "tasks/bbc"))
        (contrast,) = contrasts_of(bbc, ["sports"], seed=plan.seed, key="class")
        site = study.arm(NEAR).write_site
        vector = direction(scratch, contrast)
        train = [text for text, is_train in zip(bbc.texts, bbc.is_train, strict=True) if is_train]
        unit = residual_units(load_subject(plain), load_tokenizer(plain), train, [site])[site]["unit"]
        planted.mkdir()
        write_planted(plain, site=site, vector=STRENGTH * unit * vector, out=planted)
        found = {
            "planted": measured(scratch, planted, planted_coders(scratch, planted, study), task, plan),
            "absent": measured(
                scratch, plain, {name: folder(scratch, f"coders/{name}") for name in (NEAR, FAR)}, task, plan
            ),
        }
        for one in found.values():
            one["cosine"] = float(one["along"]["latent"].vector @ vector)
        steered(scratch, found, site, plan, study)
    draw(found, svg)
    texts = found["planted"]["probing"]["examples"]
    said = (
        "# Planted truth",
        "```\n" + "\n".join(line.strip() for line in __doc__.splitlines()[2:4]) + "\n```",
        __doc__.split("\n\n")[2].strip(),
        f"Strength: {STRENGTH} RMS norms; {texts['train']} texts to train on, {texts['test']} to test.",
        "![Planted and absent, by every control](../figures/planted_truth.svg)",
        table(found),
    )
    page.write_text("\n\n".join(said) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
