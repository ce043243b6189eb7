"""Sparring: from text and a language model to a verdict between sparse coders. Study: config/config.yaml."""

import sys

from sparring.workflow import open_study, start

# A study is one whole file: the default is read only where no --configfile names another.
if not workflow.config_settings.configfiles:

    configfile: "config/config.yaml"


study, specs = open_study(config, workflow)

wildcard_constraints:
    arm="|".join(study.coders),

include: "rules/sources.smk"
include: "rules/activations.smk"
include: "rules/coders.smk"
include: "rules/autointerp.smk"
include: "rules/headtohead.smk"

onstart:
    start(workflow)

rule all:
    input:
        rules.headtohead.output,
    default_target: True
