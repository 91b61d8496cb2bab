"""`ops verify latency` (G13): exits reach the broker in time, and what would delay them is seen."""

from dataclasses import replace

import pytest

from ops_pipeline.app.settings import Settings
from ops_pipeline.domain import events as e
from ops_pipeline.domain.breaks import BreakFound
from ops_pipeline.stages.execution import lifecycle
from ops_pipeline.verify.crash import finish, open_lab
from ops_pipeline.verify.fuse import Fuse
from ops_pipeline.verify.goals import Bench
from ops_pipeline.verify.kinds import Kind
from ops_pipeline.verify.latency import GOAL
from ops_pipeline.verify.scenario import LARGE
from ops_pipeline.verify.scenarios import SCENARIOS
from ops_pipeline.verify.waits import waits_of

BENCH = Bench(book=Settings())


@pytest.fixture
def lived(tmp_path):
    """Runs a scenario under a script of faults; gives its laboratory and the waits of its exits."""
    labs = []

    def live(scenario, **script):
        plan = replace(SCENARIOS[scenario](), script=script)
        lab = open_lab(plan, Settings(), tmp_path, Fuse())
        labs.append(lab)
        assert finish(lab, plan) == []
        return lab, waits_of(lab)

    yield live
    for lab in labs:
        lab.close()


def test_feature_08_the_short_form_finds_every_exit_at_the_broker_in_time():
    result = GOAL.measure(BENCH, GOAL.short)
    assert result.passed, result.failures
    assert result.details["without faults, s"]["count"] > 20
    assert result.details["with all faults, s"]["count"] > 40


def test_an_exit_that_waits_two_minutes_after_a_refusal_is_found(monkeypatch):
    monkeypatch.setattr(lifecycle, "_EXIT_BACKOFF_S", (120, 120))
    result = GOAL.measure(BENCH, GOAL.short)
    assert not result.passed
    assert any("ops verify latency --case" in failure for failure in result.failures)
    case = result.failures[0].rsplit("--case ", 1)[1].split()[0]
    assert GOAL.replay(BENCH, case).objections


def test_an_exit_refused_for_the_rate_goes_out_at_its_time_though_nothing_can_be_read(lived):
    # The broker names an instant 15 s away; every read of activities after it fails.
    _, waits = lived(
        "stuck_exit", submit=[Kind.RATE_LIMITED], activities=[*[None] * 6, *[Kind.READ_FAILED] * 40]
    )
    assert [wait.accepted for wait in waits] == [True]
    assert 15 <= waits[0].seconds <= 16


def test_an_exit_whose_holdings_cannot_be_read_is_tried_again_in_seconds(lived):
    _, waits = lived("stuck_exit", positions=[*[None] * 2, *[Kind.READ_FAILED] * 2])
    assert [wait.accepted for wait in waits] == [True]
    assert waits[0].seconds <= 4


def test_an_empty_list_of_positions_freezes_nothing_while_the_account_is_worth_more_than_its_cash(lived):
    lab, waits = lived("stuck_exit", positions=[Kind.EMPTY_LIST] * 6)
    kinds = {type(event.body) for event in lab.store.events(LARGE.id)}
    assert BreakFound not in kinds
    assert e.PositionFrozen not in kinds
    assert [wait.accepted for wait in waits] == [True]
    assert waits[0].seconds <= 15


def test_time_in_which_nobody_bids_is_left_out_and_named(lived):
    _, (wait,) = lived("no_bid_for_the_stop", submit=[Kind.REJECTED] * 5)
    # Refused at 14:41:10, 11, 13, 18, 28; the next try falls in 14:41:40 to 14:43:00, where there is no bid.
    assert wait.accepted
    assert wait.excluded == {"rejected five times in a row": 12.0, "nobody bid": 80.0}
    assert 18 <= wait.seconds <= 20
