# Needs: the subject model, a task's texts and rows, and some coders.
# Gives: results/feature_sets/{feature_set}.json, their strongest latents for a class, against random sets.


rule feature_sets:
    input:
        task=lambda w: expand(
            rules.task.output.manifest, task=study.feature_sets[w.feature_set].task
        ),
        task_rows=lambda w: [
            specs.task_rows_of(
                study.feature_sets[w.feature_set].task,
                study.feature_sets[w.feature_set].arms[0],
            )
        ],
        coder=lambda w: expand(
            rules.coder.output.manifest, arm=study.feature_sets[w.feature_set].arms
        ),
    output:
        result="results/feature_sets/{feature_set}.json",
    log:
        "logs/feature_sets-{feature_set}.log",
    benchmark:
        "results/benchmarks/feature_sets-{feature_set}.tsv"
    conda:
        "../envs/cpu.yaml"
    resources:
        mem_mb=4000,
    params:
        spec=lambda w: specs.feature_sets(w.feature_set),
    message:
        "Feature set {wildcards.feature_set} against random ones"
    script:
        "../workflow/scripts/feature_sets.py"
