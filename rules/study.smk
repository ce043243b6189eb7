# Needs: a study, config/config.yaml or the one that --configfile names, with what --config changes in it.
# Gives: `study`, validated, and `specs`, the one parameter of each rule.
from sparring.registry.plan import RUN_NAME
from sparring.workflow import known_runs, open_study

# A study is one whole file: the default is read only where no --configfile names another.
if not workflow.config_settings.configfiles:

    configfile: "config/config.yaml"


study, specs = open_study(config, workflow)


wildcard_constraints:
    arm="|".join(study.arms),
    run=RUN_NAME,
    task="|".join(study.tasks) or "(?!)",  # without tasks nothing is called one
    feature_set="|".join(study.feature_sets) or "(?!)",
    steering="|".join(study.steering) or "(?!)",
    memory="|".join(study.memory) or "(?!)",
