# Needs: a study, config/config.yaml or the one that --configfile names, with what --config changes in it.
# Gives: `study`, validated, and `specs`, the one parameter of each rule.
from sparring.registry.plan import RUN_NAME
from sparring.workflow import known_runs, one_of, open_study

# A study is one whole file: the default is read only where no --configfile names another.
if not workflow.config_settings.configfiles:

    configfile: "config/config.yaml"


study, specs = open_study(config, workflow)


wildcard_constraints:
    arm=one_of([*study.arms, *study.twins.refused]),
    control=one_of(study.wildcards["control"]),
    run=RUN_NAME,
    task=one_of(study.tasks),
    feature_set=one_of(study.feature_sets),
    steering=one_of(study.steering),
    edges=one_of(study.edges),
    unlearning=one_of(study.unlearning),
    memory=one_of(study.memory),
