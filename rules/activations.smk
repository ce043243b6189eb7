# Needs: the subject model and the corpus.
# Gives: results/tokens.json, and results/activations.json: every site of every arm, from one forward pass.


rule tokens:
    input:
        subject=rules.subject.output.manifest,
        corpus=rules.corpus.output.manifest,
    output:
        manifest="results/tokens.json",
    log:
        "logs/tokens.log",
    benchmark:
        "results/benchmarks/tokens.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        spec=lambda w: specs.tokens(),
    message:
        "Tokens, split by document"
    script:
        "../workflow/scripts/tokens.py"


rule activations:
    input:
        subject=rules.subject.output.manifest,
        tokens=rules.tokens.output.manifest,
    output:
        manifest="results/activations.json",
    log:
        "logs/activations.log",
    benchmark:
        "results/benchmarks/activations.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 16
    resources:
        mem_mb=6000,
    params:
        spec=lambda w: specs.activations(),
    message:
        "Activations of {params.spec[sites]} in one forward pass"
    script:
        "../workflow/scripts/activations.py"
