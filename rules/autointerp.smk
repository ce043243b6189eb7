# Needs: the arms' latents, the tokens, the scorer's model.
# Gives: results/windows.json, what explanations are judged on; results/preregistration.json, the plan of the comparison;
# and for each arm: results/draws/{arm}.json (which latents, hashed before any score), results/explanations/{arm}.json
# and results/scores/{arm}.json (a row for each latent and example).


rule windows:
    input:
        subject=rules.subject.output.manifest,
        tokens=rules.tokens.output.manifest,
        scorer=rules.scorer.output.manifest,
    output:
        manifest="results/windows.json",
    log:
        "logs/windows.log",
    benchmark:
        "results/benchmarks/windows.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 16
    resources:
        mem_mb=2000,
    params:
        spec=lambda w: specs.windows(),
    message:
        "Embedding the windows of the scorer's documents"
    script:
        "../workflow/scripts/windows.py"


rule draw:
    input:
        latents=rules.latents.output.manifest,
    output:
        result="results/draws/{arm}.json",
    log:
        "logs/draw-{arm}.log",
    benchmark:
        "results/benchmarks/draw-{arm}.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        spec=lambda w: specs.draw(w.arm),
    message:
        "Drawing {params.spec[plan][latents]} latents of {wildcards.arm}"
    script:
        "../workflow/scripts/draw.py"


rule preregister:
    input:
        draw=expand(rules.draw.output.result, arm=study.scored),
    output:
        result="results/preregistration.json",
    log:
        "logs/preregister.log",
    benchmark:
        "results/benchmarks/preregister.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        spec=lambda w: specs.preregister(),
    message:
        "Writing down the plan of the comparison"
    script:
        "../workflow/scripts/preregister.py"


rule explain:
    input:
        subject=lambda w: specs.subject_of(w.arm),
        latents=rules.latents.output.manifest,
        draw=rules.draw.output.result,
    output:
        manifest="results/explanations/{arm}.json",
    log:
        "logs/explain-{arm}.log",
    benchmark:
        "results/benchmarks/explain-{arm}.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        spec=lambda w: specs.explain(w.arm),
    message:
        "Explaining latents of {wildcards.arm}"
    script:
        "../workflow/scripts/explain.py"


rule score:
    input:
        latents=rules.latents.output.manifest,
        draw=rules.draw.output.result,
        explanations=rules.explain.output.manifest,
        scorer=rules.scorer.output.manifest,
        windows=rules.windows.output.manifest,
        after_registration=lambda w: (
            ancient(rules.preregister.output.result) if w.arm in study.scored else []
        ),
    output:
        manifest="results/scores/{arm}.json",
    log:
        "logs/score-{arm}.log",
    benchmark:
        "results/benchmarks/score-{arm}.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 16  # all cores: after a fix it runs alone
    resources:
        mem_mb=2000,
    params:
        spec=lambda w: specs.score(w.arm),
    message:
        "Scoring explanations of {wildcards.arm}"
    script:
        "../workflow/scripts/score.py"
