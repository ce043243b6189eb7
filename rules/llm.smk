# Needs: the drawn latents, their token lists, and a language model (the study's `llm`).
# Gives: results/llm.json, the model; for each arm results/llm_explanations/{arm}.json, what it says of the latents, and
# results/llm_scores/{arm}.json, how it judges explanations; or, under the protocol delphi, results/delphi/{arm}.json,
# delphi's own explanations and scores; and results/agreement.json, whether two scorers agree on the same latents.


rule llm:
    input:
        source=specs.llm_files(),
    output:
        manifest="results/llm.json",
    log:
        "logs/llm.log",
    benchmark:
        "results/benchmarks/llm.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        spec=lambda w: specs.llm(),
    message:
        "The language model"
    script:
        "../workflow/scripts/llm.py"


rule llm_explain:
    input:
        subject=lambda w: specs.subject_of(w.arm),
        latents=rules.latents.output.manifest,
        draw=rules.draw.output.result,
        llm=rules.llm.output.manifest,
    output:
        manifest="results/llm_explanations/{arm}.json",
    log:
        "logs/llm_explain-{arm}.log",
    benchmark:
        "results/benchmarks/llm_explain-{arm}.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 16  # the model takes all cores
    resources:
        mem_mb=specs.llm_mb,
    params:
        spec=lambda w: specs.llm_explain(w.arm),
    message:
        "A language model explains latents of {wildcards.arm}"
    script:
        "../workflow/scripts/llm_explain.py"


rule llm_score:
    input:
        subject=lambda w: specs.subject_of(w.arm),
        latents=rules.latents.output.manifest,
        draw=rules.draw.output.result,
        explanations=rules.explain.output.manifest,
        written=specs.written,
        llm=rules.llm.output.manifest,
        after_registration=lambda w: (
            ancient(rules.preregister.output.result) if w.arm in study.scored else []
        ),
    output:
        manifest="results/llm_scores/{arm}.json",
    log:
        "logs/llm_score-{arm}.log",
    benchmark:
        "results/benchmarks/llm_score-{arm}.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 16
    resources:
        mem_mb=specs.llm_mb,
    params:
        spec=lambda w: specs.llm_score(w.arm),
    message:
        "A language model judges explanations of {wildcards.arm}"
    script:
        "../workflow/scripts/llm_score.py"


rule delphi:
    input:
        subject=lambda w: specs.subject_of(w.arm),
        latents=rules.latents.output.manifest,
        draw=rules.draw.output.result,
        explanations=rules.explain.output.manifest,
        llm=rules.llm.output.manifest,
        after_registration=lambda w: (
            ancient(rules.preregister.output.result) if w.arm in study.scored else []
        ),
    output:
        manifest="results/delphi/{arm}.json",
    log:
        "logs/delphi-{arm}.log",
    benchmark:
        "results/benchmarks/delphi-{arm}.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 16
    resources:
        mem_mb=specs.llm_mb,
    params:
        spec=lambda w: specs.delphi(w.arm),
    message:
        "Delphi explains and judges latents of {wildcards.arm}"
    script:
        "../workflow/scripts/delphi.py"


rule agreement:
    input:
        scores=expand(rules.score.output.manifest, arm=study.compare),
        llm_scores=expand(rules.llm_score.output.manifest, arm=study.compare),
    output:
        result="results/agreement.json",
        page=report(
            "results/agreement.md",
            caption="../docs/report/agreement.rst",
            category="Head-to-head",
        ),
        svg=report(
            "results/agreement.svg",
            caption="../docs/report/agreement.rst",
            category="Head-to-head",
        ),
    log:
        "logs/agreement.log",
    benchmark:
        "results/benchmarks/agreement.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        spec=lambda w: specs.agreement(),
    message:
        "Do the two scorers agree?"
    script:
        "../workflow/scripts/agreement.py"
