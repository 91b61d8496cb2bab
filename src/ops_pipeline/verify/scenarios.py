"""Every scenario by name. Pure."""

from collections.abc import Mapping

from ops_pipeline.verify.scenario import Scenario
from ops_pipeline.verify.scenarios_crowd import CROWDS
from ops_pipeline.verify.scenarios_entry import ENTRIES
from ops_pipeline.verify.scenarios_exit import EXITS
from ops_pipeline.verify.scenarios_life import LIVES
from ops_pipeline.verify.scenarios_marks import MARKS
from ops_pipeline.verify.scenarios_risk import RISKS
from ops_pipeline.verify.scenarios_stream import STREAMS

_ALL = (*ENTRIES, *EXITS, *LIVES, *RISKS, *MARKS, *CROWDS, *STREAMS)
SCENARIOS: Mapping[str, Scenario] = {scenario.__name__: scenario for scenario in _ALL}
