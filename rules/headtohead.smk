# Needs: both arms' scores, coders, reconstruction and explanations; where there are controls, what they say of them.
# Gives: results/headtohead_autointerp.json, the verdict with its intervals and its instrument check; a page; a figure.


rule headtohead:
    input:
        tokens=rules.tokens.output.manifest,
        registration=rules.preregister.output.result,
        draw=expand(rules.draw.output.result, arm=study.scored),
        coder=expand(rules.coder.output.manifest, arm=study.scored),
        recon=expand(rules.recon.output.result, arm=study.scored),
        latents=expand(rules.latents.output.manifest, arm=study.scored),
        explanations=expand(specs.explanations, arm=study.scored),
        scores=expand(specs.scores, arm=study.scored),
        controls=(
            rules.controls.output.result if study.controlled != study.compare else []
        ),
    output:
        result="results/headtohead_autointerp.json",
        page=report(
            "results/headtohead_autointerp.md",
            caption="../docs/report/headtohead.rst",
            category="Head-to-head",
        ),
        svg=report(
            "results/headtohead_autointerp.svg",
            caption="../docs/report/headtohead_figure.rst",
            category="Head-to-head",
        ),
        png="results/headtohead_autointerp.png",
    log:
        "logs/headtohead.log",
    benchmark:
        "results/benchmarks/headtohead.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        spec=lambda w: specs.headtohead(),
    message:
        "Head to head: {params.spec[compare]}"
    script:
        "../workflow/scripts/headtohead.py"
