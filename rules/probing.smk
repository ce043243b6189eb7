# Needs: the subject model, labelled texts (the study's `tasks`), tokens, a coder as sae_lens has it, and the gate on that.
# Gives, for each task: results/tasks/{task}.json, its texts, split into train and test; results/task_rows/{task}.json, their
# activations at every site; and for each arm results/saebench/{task}/{arm}.json, SAEBench's sparse probing by its own code,
# ours on the same texts, and the baselines; results/saebench_core/{arm}.json, SAEBench's core on evaluated sequences; and
# results/probing/{task}/{arm}.*, our probes on the coder as it is, against its random controls on the same texts.


rule task:
    input:
        source=lambda w: specs.local_files(study.tasks[w.task].source),
    output:
        manifest="results/tasks/{task}.json",
    log:
        "logs/task-{task}.log",
    benchmark:
        "results/benchmarks/task-{task}.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        spec=lambda w: specs.task(w.task),
    message:
        "Labelled texts {params.spec[source][uri]}"
    script:
        "../workflow/scripts/task.py"


rule task_rows:
    input:
        subject=rules.subject.output.manifest,
        task=rules.task.output.manifest,
    output:
        manifest="results/task_rows/{task}.json",
    log:
        "logs/task_rows-{task}.log",
    benchmark:
        "results/benchmarks/task_rows-{task}.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 16
    resources:
        mem_mb=6000,
    params:
        spec=lambda w: specs.task_rows(w.task),
    message:
        "Activations of the texts of {wildcards.task} in one forward pass"
    script:
        "../workflow/scripts/task_rows.py"


rule saebench:
    input:
        task=rules.task.output.manifest,
        task_rows=lambda w: specs.task_rows_of(w.task, w.arm),
        sae_lens=rules.to_sae_lens.output.manifest,
        gate=rules.encode_fidelity.output.result,
    output:
        result="results/saebench/{task}/{arm}.json",
    log:
        "logs/saebench-{task}-{arm}.log",
    benchmark:
        "results/benchmarks/saebench-{task}-{arm}.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 16
    resources:
        mem_mb=4000,
    params:
        spec=lambda w: specs.saebench(w.arm),
    message:
        "Sparse probing of {wildcards.arm} on {wildcards.task}"
    script:
        "../workflow/scripts/saebench.py"


rule saebench_core:
    input:
        subject=lambda w: specs.subject_of(w.arm),
        tokens=rules.tokens.output.manifest,
        sae_lens=rules.to_sae_lens.output.manifest,
        gate=rules.encode_fidelity.output.result,
    output:
        result="results/saebench_core/{arm}.json",
    log:
        "logs/saebench_core-{arm}.log",
    benchmark:
        "results/benchmarks/saebench_core-{arm}.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 16
    resources:
        mem_mb=6000,
    params:
        spec=lambda w: specs.saebench_core(w.arm),
    message:
        "SAEBench's core on {wildcards.arm}"
    script:
        "../workflow/scripts/saebench_core.py"


rule probing:
    input:
        task=rules.task.output.manifest,
        task_rows=lambda w: [
            specs.task_rows_of(w.task, arm) for arm in specs.probed(w.arm)
        ],
        coder=lambda w: expand(rules.coder.output.manifest, arm=specs.probed(w.arm)),
    output:
        result="results/probing/{task}/{arm}.json",
        page=report(
            "results/probing/{task}/{arm}.md",
            caption="../docs/report/probing.rst",
            category="Controls",
            subcategory="Probing",
        ),
        svg=report(
            "results/probing/{task}/{arm}.svg",
            caption="../docs/report/probing.rst",
            category="Controls",
            subcategory="Probing",
        ),
    log:
        "logs/probing-{task}-{arm}.log",
    benchmark:
        "results/benchmarks/probing-{task}-{arm}.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 16
    resources:
        mem_mb=4000,
    params:
        spec=lambda w: specs.probing(w.arm),
    message:
        "Probes of {wildcards.arm} on {wildcards.task}, against its controls"
    script:
        "../workflow/scripts/probing.py"
