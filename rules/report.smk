# Needs: the pages and figures of every stage that the study asks for.
# Gives: results/report.html, Snakemake's report: all of them in one file, with captions, the graph, code and run times.
# What stands in it, and under which category, is said where it is made: by `report(...)` around an output.


report: "../docs/report/workflow.rst"


rule report:
    input:
        headtohead=rules.headtohead.output,
        reconstruction=rules.reconstruction.output,
        agreement=rules.agreement.output if study.llm and study.llm.judges else [],
        controls=(
            rules.controls_page.output if study.controlled != study.compare else []
        ),
        probing=expand(rules.probing.output, task=study.tasks, arm=list(study.coders)),
        feature_sets=expand(rules.feature_sets.output, feature_set=study.feature_sets),
        steering=expand(rules.steering.output, steering=study.steering),
        edges=expand(rules.edges.output, edges=study.edges),
        unlearning=expand(rules.unlearning.output, unlearning=study.unlearning),
        registry=rules.registry.output if study.runs else [],
    output:
        html="results/report.html",
    log:
        "logs/report.log",
    benchmark:
        "results/benchmarks/report.tsv"
    localrule: True
    conda:
        "../envs/cpu.yaml"
    params:
        spec=lambda w: specs.report(),
    message:
        "The report"
    script:
        "../workflow/scripts/report.py"
