# Needs: the cached activations; for a coder from elsewhere its source, and the subject's kind.
# Gives, for each arm: results/coders/{arm}.json (trained by sparsify or sae_lens, or brought in: one rule each), then
# results/recon/{arm}.json (how well it reconstructs, on cached rows and in the model's place) and
# results/latents/{arm}.json (its latents on the evaluated split, as delphi reads them); results/reconstruction.md, all
# coders on one page; and results/smoke.json, quick: 30 steps of each coder that is trained here.


rule coder:
    input:
        activations=lambda w: specs.activations_of(w.arm),
    output:
        manifest="results/coders/{arm}.json",
    log:
        "logs/coder-{arm}.log",
    benchmark:
        "results/benchmarks/coder-{arm}.tsv"
    wildcard_constraints:
        arm=one_of(study.made_by("sparsify")),
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


rule lens_coder:
    input:
        activations=lambda w: specs.activations_of(w.arm),
    output:
        manifest="results/coders/{arm}.json",
    log:
        "logs/lens_coder-{arm}.log",
    benchmark:
        "results/benchmarks/lens_coder-{arm}.tsv"
    wildcard_constraints:
        arm=one_of(study.made_by("sae_lens")),
    conda:
        "../envs/cpu.yaml"
    resources:
        mem_mb=4000,
    params:
        spec=lambda w: specs.lens_coder(w.arm),
    message:
        "Training {wildcards.arm} ({params.spec[architecture]}) by sae_lens"
    script:
        "../workflow/scripts/lens_coder.py"


rule foreign_coder:
    input:
        subject=lambda w: specs.subject_of(w.arm),
        activations=lambda w: specs.activations_of(w.arm),
        source=lambda w: specs.coder_files(w.arm),
    output:
        manifest="results/coders/{arm}.json",
    log:
        "logs/foreign_coder-{arm}.log",
    benchmark:
        "results/benchmarks/foreign_coder-{arm}.tsv"
    wildcard_constraints:
        arm=one_of([*study.made_by("elsewhere"), *study.twins.refused]),
    conda:
        "../envs/cpu.yaml"
    resources:
        mem_mb=4000,
    params:
        spec=lambda w: specs.foreign_coder(w.arm),
    message:
        "{wildcards.arm} from {params.spec[source][uri]}"
    script:
        "../workflow/scripts/foreign_coder.py"


rule recon:
    input:
        subject=lambda w: specs.subject_of(w.arm),
        tokens=rules.tokens.output.manifest,
        activations=lambda w: specs.activations_of(w.arm),
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
        page=report(
            "results/reconstruction.md",
            caption="../docs/report/reconstruction.rst",
            category="Reconstruction",
        ),
        svg=report(
            "results/reconstruction.svg",
            caption="../docs/report/reconstruction.rst",
            category="Reconstruction",
        ),
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
        activations=lambda w: specs.activations_of(w.arm),
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
