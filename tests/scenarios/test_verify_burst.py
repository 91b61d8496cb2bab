"""`ops verify burst` (G12): fifty exits at once go out in time, riskiest first, and nobody is refused."""

import pytest

from ops_pipeline.app.settings import Settings, load_settings
from ops_pipeline.domain.errors import ConfigurationError
from ops_pipeline.stages.execution import rate_budget
from ops_pipeline.stages.position_manager import service
from ops_pipeline.verify import burst
from ops_pipeline.verify.burst import GOAL
from ops_pipeline.verify.goals import Bench

BENCH = Bench(book=Settings())


def test_the_short_form_gets_fifty_out_by_stop_and_by_command():
    result = GOAL.measure(BENCH, GOAL.short)
    assert result.passed, result.failures
    assert result.details["accepted after, s"]["stops"] <= 45


def test_feature_17_ten_times_the_scans_delay_no_exit_beyond_its_bound_and_meet_no_refusal():
    found = burst.run_case(Settings(), "stops-scanned:3")
    assert found.objections == ()
    assert (found.accepted, found.accepted_s <= 45) == (50, True)


def test_exits_in_the_order_of_their_age_are_found(monkeypatch):
    monkeypatch.setattr(service, "urgency", lambda watched: watched.position.id)
    objections = burst.run_case(Settings(), "stops:1").objections
    assert [text for text in objections if "before riskier ones" in text]


def test_a_bucket_that_holds_a_whole_minute_is_refused_by_the_broker(monkeypatch):
    # What the bucket held before: 160 at once and 160 more within the minute, of the 200 there are.
    monkeypatch.setattr(rate_budget, "_burst", rate_budget._pace)
    objections = burst.run_case(Settings(), "stops-drained:1").objections
    assert [text for text in objections if "requests for the rate" in text]


def test_no_setting_allows_a_fifty_first_position(tmp_path):
    file = tmp_path / "run.toml"
    file.write_text("[tiers.large]\npositions = 51\n")
    with pytest.raises(ConfigurationError, match="positions"):
        load_settings(file)
