# Needs: the subject model, a task's texts and rows, and some coders.
# Gives: results/feature_sets/{feature_set}.json, their strongest latents for a class: against random sets, and
# how faithful the model is to itself with them alone (.md the page, .svg the figure).


rule feature_sets:
    input:
        subject=lambda w: specs.subject_of(study.feature_sets[w.feature_set].arms[0]),
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
        page=report(
            "results/feature_sets/{feature_set}.md",
            caption="../docs/report/feature_sets.rst",
            category="Controls",
            subcategory="Feature sets",
        ),
        svg=report(
            "results/feature_sets/{feature_set}.svg",
            caption="../docs/report/feature_sets.rst",
            category="Controls",
            subcategory="Feature sets",
        ),
    log:
        "logs/feature_sets-{feature_set}.log",
    benchmark:
        "results/benchmarks/feature_sets-{feature_set}.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 16
    resources:
        mem_mb=4000,
    params:
        spec=lambda w: specs.feature_sets(w.feature_set),
    message:
        "Feature set {wildcards.feature_set}: random sets, faithfulness"
    script:
        "../workflow/scripts/feature_sets.py"
