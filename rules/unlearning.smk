# Needs: the subject model, a task's texts and rows, and some coders.
# Gives: results/unlearning/{unlearning}.json, what it costs the model to have a class's latents ablated, on its texts and
# on others, against random sets; a page; a figure.


rule unlearning:
    input:
        subject=lambda w: specs.subject_of(study.unlearning[w.unlearning].arms[0]),
        task=lambda w: expand(
            rules.task.output.manifest, task=study.unlearning[w.unlearning].task
        ),
        task_rows=lambda w: [
            specs.task_rows_of(
                study.unlearning[w.unlearning].task,
                study.unlearning[w.unlearning].arms[0],
            )
        ],
        coder=lambda w: expand(
            rules.coder.output.manifest, arm=study.unlearning[w.unlearning].arms
        ),
    output:
        result="results/unlearning/{unlearning}.json",
        page=report(
            "results/unlearning/{unlearning}.md",
            caption="../docs/report/unlearning.rst",
            category="Controls",
            subcategory="Unlearning",
        ),
        svg=report(
            "results/unlearning/{unlearning}.svg",
            caption="../docs/report/unlearning.rst",
            category="Controls",
            subcategory="Unlearning",
        ),
    log:
        "logs/unlearning-{unlearning}.log",
    benchmark:
        "results/benchmarks/unlearning-{unlearning}.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 16
    resources:
        mem_mb=6000,
    params:
        spec=lambda w: specs.unlearning(w.unlearning),
    message:
        "Unlearning {wildcards.unlearning}: a class's latents ablated"
    script:
        "../workflow/scripts/unlearning.py"
