# Needs: the results that a run of the study reads (sparring/registry/files.py).
# Gives: results/memory/{memory}.json, whether a model fits on a card; results/runs/{run}.json, one run with its figures,
# provenance and status; results/registry.{json,parquet,md}, a query over all run results in the store, which makes no run
# anew but those that are there, or asked for with it.


rule memory:
    output:
        result="results/memory/{memory}.json",
    log:
        "logs/memory-{memory}.log",
    benchmark:
        "results/benchmarks/memory-{memory}.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        spec=lambda w: specs.memory(w.memory),
    message:
        "Does {wildcards.memory} fit on its card?"
    script:
        "../workflow/scripts/memory.py"


rule study_run:
    input:
        upstream=lambda w: specs.run_files(w.run),
    output:
        result="results/runs/{run}.json",
    log:
        "logs/study_run-{run}.log",
    benchmark:
        "results/benchmarks/study_run-{run}.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        spec=lambda w: specs.study_run(w.run),
    message:
        "Run {wildcards.run}"
    script:
        "../workflow/scripts/study_run.py"


rule registry:
    input:
        runs=lambda w: known_runs(study, workflow),
    output:
        result="results/registry.json",
        table="results/registry.parquet",
        page=report(
            "results/registry.md",
            caption="../docs/report/registry.rst",
            category="Runs",
        ),
    log:
        "logs/registry.log",
    benchmark:
        "results/benchmarks/registry.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        spec=lambda w: specs.registry(),
    message:
        "Registry of runs"
    script:
        "../workflow/scripts/registry.py"
