# Needs: the subject model, the tokens, the cached activations and the coders.
# Gives, for each arm: results/gates/hook_parity/{arm}.json, that its cached rows are what Hugging Face and TransformerLens
# have at its sites. A gate that fails is a job that fails.


rule hook_parity:
    input:
        subject=rules.subject.output.manifest,
        tokens=rules.tokens.output.manifest,
        activations=rules.activations.output.manifest,
        coder=rules.coder.output.manifest,
    output:
        result="results/gates/hook_parity/{arm}.json",
    log:
        "logs/hook_parity-{arm}.log",
    benchmark:
        "results/benchmarks/hook_parity-{arm}.tsv"
    conda:
        "../envs/cpu.yaml"
    resources:
        mem_mb=4000,
    params:
        spec=lambda w: specs.hook_parity(),
    message:
        "Are the rows of {wildcards.arm} those of its sites?"
    script:
        "../workflow/scripts/hook_parity.py"
