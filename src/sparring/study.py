"""A study: one YAML file, typed, validated before any job starts.

Unknown keys, wrong types and contradictions are SparringErrors of one line each that name the key, the value and what
would be right. Nothing heavy is imported: a study is read each time the Snakefile is parsed.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from sparring.errors import SparringError
from sparring.feature_sets.plan import readout_of
from sparring.sites import check_site, n_layers
from sparring.study_arms import StudyArms
from sparring.study_checks import (
    check_measures,
    check_names,
    check_numbers,
    check_sites,
    check_sources,
    subject_config,
)
from sparring.study_errors import line
from sparring.study_keys import STRICT


@dataclass(frozen=True, config=STRICT)
class Study(StudyArms):
    """All that decides a head-to-head; see config/config.yaml for a comment at each key."""

    def __post_init__(self) -> None:
        for check in (check_names, check_numbers, check_sources, check_measures, check_sites):
            check(self)
        for name in self.feature_sets:
            check_site(self.readout(name), subject_config(self))

    def readout(self, feature_set: str) -> str:
        """The site where the faithfulness of a feature set is read off. SparringError where there is none."""
        written = {arm: self.arm(arm).write_site for arm in self.arms}
        try:
            return readout_of(self.feature_sets[feature_set], written, n_layers(subject_config(self)))
        except SparringError as error:
            raise SparringError(f"feature_sets.{feature_set}.{error}") from None


_ADAPTER = TypeAdapter(Study)


def read_study(config: Mapping[str, Any]) -> Study:
    """The study that Snakemake's `config` holds. Raises SparringError with one line for each thing that is wrong."""
    try:
        return _ADAPTER.validate_python(dict(config))
    except ValidationError as error:
        raise SparringError("\n".join(line(dict(problem), Study) for problem in error.errors())) from None
