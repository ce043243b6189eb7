# Needs: the cached activations.
# Gives, for each arm: results/coders/{arm}.json (trained by sparsify), results/recon/{arm}.json (how well it reconstructs,
# on cached rows and in the model's place) and results/latents/{arm}.json (its latents on the evaluated split, as delphi
# reads them); results/reconstruction.md, all coders on one page; and results/smoke.json, quick: 30 steps of each coder.


rule coder:
    input:
        activations=rules.activations.output.manifest,
    output:
        manifest="results/coders/{arm}.json",
    log:
        "logs/coder-{arm}.log",
    benchmark:
        "results/benchmarks/coder-{arm}.tsv"
    conda:
        "../envs/cpu.yaml"
    resources:
        mem_mb=3000,
    params:
        spec=lambda w: specs.coder(w.arm),
    message:
        "Training {wildcards.arm}"
    script:
        "../workflow/scripts/coder.py"


rule recon:
    input:
        subject=rules.subject.output.manifest,
        tokens=rules.tokens.output.manifest,
        activations=rules.activations.output.manifest,
        coder=rules.coder.output.manifest,
    output:
        result="results/recon/{arm}.json",
    log:
        "logs/recon-{arm}.log",
    benchmark:
        "results/benchmarks/recon-{arm}.tsv"
    conda:
        "../envs/cpu.yaml"
    resources:
        mem_mb=2000,
    params:
        spec=lambda w: specs.recon(),
    message:
        "Reconstruction by {wildcards.arm}"
    script:
        "../workflow/scripts/recon.py"


rule reconstruction:
    input:
        recon=expand(rules.recon.output.result, arm=list(study.coders)),
    output:
        result="results/reconstruction.json",
        page="results/reconstruction.md",
        svg="results/reconstruction.svg",
    log:
        "logs/reconstruction.log",
    benchmark:
        "results/benchmarks/reconstruction.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        spec=lambda w: specs.reconstruction(),
    message:
        "Reconstruction by {params.spec[arms]}"
    script:
        "../workflow/scripts/reconstruction.py"


rule smoke:
    input:
        coder=expand(rules.coder.output.manifest, arm=study.smoke),
        recon=expand(rules.recon.output.result, arm=study.smoke),
    output:
        result="results/smoke.json",
    log:
        "logs/smoke.log",
    benchmark:
        "results/benchmarks/smoke.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        spec=lambda w: specs.smoke(),
    message:
        "Do {params.spec[arms]} train, save and load?"
    script:
        "../workflow/scripts/smoke.py"


rule latents:
    input:
        activations=rules.activations.output.manifest,
        tokens=rules.tokens.output.manifest,
        coder=rules.coder.output.manifest,
    output:
        manifest="results/latents/{arm}.json",
    log:
        "logs/latents-{arm}.log",
    benchmark:
        "results/benchmarks/latents-{arm}.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 16  # all cores: after a fix it runs alone
    resources:
        mem_mb=2000,
    params:
        spec=lambda w: specs.latents(),
    message:
        "Latents of {wildcards.arm}"
    script:
        "../workflow/scripts/latents.py"
