# Needs: the subject model, the tokens and the labelled texts; reconstruction and scores of the compared coders and twins.
# Gives, for each control that is a model: results/random/{control}/subject.json, the subject randomised, and its
# activations.json and task_rows/{task}.json, of the same tokens and texts at the same sites. A coder's twin by a control,
# {coder}_{control}, is an arm like any other, trained and measured on these by the rules of the other files;
# and results/controls.json: every figure of the compared coders beside those of their twins, for the head-to-head;
# results/controls.{md,svg}: the same and the probes on every task.


rule random_subject:
    input:
        subject=rules.subject.output.manifest,
    output:
        manifest="results/random/{control}/subject.json",
    log:
        "logs/random_subject-{control}.log",
    benchmark:
        "results/benchmarks/random_subject-{control}.tsv"
    conda:
        "../envs/cpu.yaml"
    resources:
        mem_mb=3000,
    params:
        spec=lambda w: specs.random_subject(w.control),
    message:
        "Subject model, randomised: {wildcards.control}"
    script:
        "../workflow/scripts/random_subject.py"


rule random_activations:
    input:
        subject=rules.random_subject.output.manifest,
        tokens=rules.tokens.output.manifest,
    output:
        manifest="results/random/{control}/activations.json",
    log:
        "logs/random_activations-{control}.log",
    benchmark:
        "results/benchmarks/random_activations-{control}.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 16
    resources:
        mem_mb=6000,
    params:
        spec=lambda w: specs.random_activations(),
    message:
        "Activations of the model {wildcards.control} in one forward pass"
    script:
        "../workflow/scripts/activations.py"


rule random_task_rows:
    input:
        subject=rules.random_subject.output.manifest,
        task=rules.task.output.manifest,
    output:
        manifest="results/random/{control}/task_rows/{task}.json",
    log:
        "logs/random_task_rows-{control}-{task}.log",
    benchmark:
        "results/benchmarks/random_task_rows-{control}-{task}.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 16
    resources:
        mem_mb=6000,
    params:
        spec=lambda w: specs.random_task_rows(w.task),
    message:
        "Activations of the texts of {wildcards.task}, of the model {wildcards.control}"
    script:
        "../workflow/scripts/task_rows.py"


rule controls:
    input:
        recon=expand(rules.recon.output.result, arm=study.controlled),
        scores=expand(specs.scores, arm=study.controlled),
    output:
        result="results/controls.json",
    log:
        "logs/controls.log",
    benchmark:
        "results/benchmarks/controls.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        spec=lambda w: specs.controls(),
    message:
        "Trained against random: {params.spec[arms]}"
    script:
        "../workflow/scripts/controls.py"


rule controls_page:
    input:
        controls=rules.controls.output.result,
        probing=expand(rules.probing.output.result, task=study.tasks, arm=study.compare),
    output:
        page=report(
            "results/controls.md",
            caption="../docs/report/controls.rst",
            category="Controls",
            subcategory="Trained against random",
        ),
        svg=report(
            "results/controls.svg",
            caption="../docs/report/controls.rst",
            category="Controls",
            subcategory="Trained against random",
        ),
    log:
        "logs/controls_page.log",
    benchmark:
        "results/benchmarks/controls_page.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        spec=lambda w: specs.controls_page(),
    message:
        "Trained against random on one page, with probes {params.spec[probed]}"
    script:
        "../workflow/scripts/controls_page.py"
