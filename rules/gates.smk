# Needs: the subject model, the tokens, the cached activations and the coders.
# Gives, for each arm: results/gates/hook_parity/{arm}.json, that its cached rows are what Hugging Face and TransformerLens
# have at its sites; results/sae_lens/{arm}.json, the coder as a class of sae_lens; results/gates/encode_fidelity/{arm}.json,
# that it is the same coder: whatever takes the one takes the other as an input. A gate that fails is a job that fails.


rule hook_parity:
    input:
        subject=lambda w: specs.subject_of(w.arm),
        tokens=rules.tokens.output.manifest,
        activations=lambda w: specs.activations_of(w.arm),
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


rule to_sae_lens:
    input:
        coder=rules.coder.output.manifest,
    output:
        manifest="results/sae_lens/{arm}.json",
    log:
        "logs/to_sae_lens-{arm}.log",
    benchmark:
        "results/benchmarks/to_sae_lens-{arm}.tsv"
    conda:
        "../envs/cpu.yaml"
    resources:
        mem_mb=2000,
    params:
        spec=lambda w: specs.to_sae_lens(),
    message:
        "{wildcards.arm} for sae_lens"
    script:
        "../workflow/scripts/to_sae_lens.py"


rule encode_fidelity:
    input:
        activations=lambda w: specs.activations_of(w.arm),
        coder=rules.coder.output.manifest,
        sae_lens=rules.to_sae_lens.output.manifest,
    output:
        result="results/gates/encode_fidelity/{arm}.json",
    log:
        "logs/encode_fidelity-{arm}.log",
    benchmark:
        "results/benchmarks/encode_fidelity-{arm}.tsv"
    conda:
        "../envs/cpu.yaml"
    resources:
        mem_mb=2000,
    params:
        spec=lambda w: specs.encode_fidelity(),
    message:
        "Is {wildcards.arm} in sae_lens the same coder?"
    script:
        "../workflow/scripts/encode_fidelity.py"
