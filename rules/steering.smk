# Needs: the subject model, a task's texts and rows, and coders.
# Gives: results/steering/{steering}.json, text steered along latents, against plainer ways; a page and a figure.


rule steering:
    input:
        subject=lambda w: specs.subject_of(study.steering[w.steering].arms[0]),
        scorer=rules.scorer.output.manifest,
        task=lambda w: expand(
            rules.task.output.manifest, task=study.steering[w.steering].task
        ),
        task_rows=lambda w: [
            specs.task_rows_of(
                study.steering[w.steering].task, study.steering[w.steering].arms[0]
            )
        ],
        coder=lambda w: expand(
            rules.coder.output.manifest, arm=study.steering[w.steering].arms
        ),
    output:
        result="results/steering/{steering}.json",
        page=report(
            "results/steering/{steering}.md",
            caption="../docs/report/steering.rst",
            category="Controls",
            subcategory="Steering",
        ),
        svg=report(
            "results/steering/{steering}.svg",
            caption="../docs/report/steering.rst",
            category="Controls",
            subcategory="Steering",
        ),
    log:
        "logs/steering-{steering}.log",
    benchmark:
        "results/benchmarks/steering-{steering}.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 16
    resources:
        mem_mb=4000,
    params:
        spec=lambda w: specs.steering(w.steering),
    message:
        "Steering {wildcards.steering}"
    script:
        "../workflow/scripts/steering.py"
