"""Sparring: from text and a language model to a verdict between sparse coders. Study: config/config.yaml."""

from sparring.workflow import mend, start

STAGES = (
    "study sources activations coders gates probing feature_sets steering edges unlearning "
    "autointerp llm controls headtohead runs report"
).split()

for stage in STAGES:

    include: f"rules/{stage}.smk"


onstart:
    start(workflow)


onerror:
    mend(workflow)


rule all:
    default_target: True
    input:
        rules.headtohead.output,
