"""Sparring: from text and a language model to a verdict between sparse coders. Study: config/config.yaml."""

from sparring.workflow import mend, start


include: "rules/study.smk"
include: "rules/sources.smk"
include: "rules/activations.smk"
include: "rules/coders.smk"
include: "rules/gates.smk"
include: "rules/probing.smk"
include: "rules/autointerp.smk"
include: "rules/llm.smk"
include: "rules/headtohead.smk"
include: "rules/runs.smk"


onstart:
    start(workflow)


onerror:
    mend(workflow)


rule all:
    default_target: True
    input:
        rules.headtohead.output,
