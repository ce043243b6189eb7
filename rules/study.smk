# Needs: a study, config/config.yaml or the one that --configfile names, with what --config changes in it.
# Gives: `study`, validated, and `specs`, the one parameter of each rule.
from sparring.workflow import one_of, open_study

# A study is one whole file: the default is read only where no --configfile names another.
if not workflow.config_settings.configfiles:

    configfile: "config/config.yaml"


study, specs = open_study(config, workflow)


wildcard_constraints:
    arm=one_of(study.arms),
