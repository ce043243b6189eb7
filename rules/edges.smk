# Needs: the subject model, a task's texts and rows, and coders of several layers.
# Gives: results/edges/{edges}.json, which latents act on which later ones, by attribution and by ablation; a page; a
# figure.


rule edges:
    input:
        subject=lambda w: specs.subject_of(study.edges[w.edges].arms[0]),
        task=lambda w: expand(
            rules.task.output.manifest, task=study.edges[w.edges].task
        ),
        task_rows=lambda w: [
            specs.task_rows_of(study.edges[w.edges].task, study.edges[w.edges].arms[0])
        ],
        coder=lambda w: expand(
            rules.coder.output.manifest, arm=study.edges[w.edges].arms
        ),
    output:
        result="results/edges/{edges}.json",
        page=report(
            "results/edges/{edges}.md",
            caption="../docs/report/edges.rst",
            category="Controls",
            subcategory="Edges",
        ),
        svg=report(
            "results/edges/{edges}.svg",
            caption="../docs/report/edges.rst",
            category="Controls",
            subcategory="Edges",
        ),
    log:
        "logs/edges-{edges}.log",
    benchmark:
        "results/benchmarks/edges-{edges}.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 16
    resources:
        mem_mb=6000,
    params:
        spec=lambda w: specs.edges(w.edges),
    message:
        "Edges {wildcards.edges}: attribution against ablation"
    script:
        "../workflow/scripts/edges.py"
