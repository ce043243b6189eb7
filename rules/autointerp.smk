# Needs: both arms' latents, the tokens, the scorer's model.
# Gives: results/draw.json (which latents, hashed before any score), and for each arm results/explanations/{arm}.json and
# results/scores/{arm}.json (a row for each latent and example).


rule draw:
    input:
        tokens=rules.tokens.output.manifest,
        latents=expand(rules.latents.output.manifest, arm=study.compare),
    output:
        result="results/draw.json",
    log:
        "logs/draw.log",
    benchmark:
        "results/benchmarks/draw.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        spec=lambda w: specs.draw(),
    message:
        "Drawing {params.spec[plan][latents]} latents an arm"
    script:
        "../workflow/scripts/draw.py"


rule explain:
    input:
        subject=rules.subject.output.manifest,
        tokens=rules.tokens.output.manifest,
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
        subject=rules.subject.output.manifest,
        tokens=rules.tokens.output.manifest,
        latents=rules.latents.output.manifest,
        draw=rules.draw.output.result,
        explanations=rules.explain.output.manifest,
        scorer=rules.scorer.output.manifest,
    output:
        manifest="results/scores/{arm}.json",
    log:
        "logs/score-{arm}.log",
    benchmark:
        "results/benchmarks/score-{arm}.tsv"
    conda:
        "../envs/cpu.yaml"
    resources:
        mem_mb=2000,
    params:
        spec=lambda w: specs.score(w.arm),
    message:
        "Scoring explanations of {wildcards.arm}"
    script:
        "../workflow/scripts/score.py"
