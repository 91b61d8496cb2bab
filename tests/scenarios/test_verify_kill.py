"""The kill switch measured at random instants, rehearsed level by level, and what a broken one looks like."""

import json

import pytest
from typer.testing import CliRunner

from ops_pipeline.app.cli.main import app
from ops_pipeline.app.settings import load_settings
from ops_pipeline.domain import ledger_fold
from ops_pipeline.domain.accounts import ControlLevel
from ops_pipeline.domain.orders import GateResult
from ops_pipeline.engine.tick import Engine
from ops_pipeline.stages.execution import checks, gateway
from ops_pipeline.stages.execution import service as execution
from ops_pipeline.stages.position_manager import arbiter
from ops_pipeline.verify import kill
from ops_pipeline.verify.drill import LEVELS, rehearse
from ops_pipeline.verify.goals import Bench
from ops_pipeline.verify.kill import GOAL, KillCase, run_case, watch_calm

SETTINGS = load_settings()


def test_g17_no_entry_starts_after_the_level_rose_at_any_of_the_short_forms_instants():
    result = GOAL.measure(Bench(book=SETTINGS), GOAL.short)
    assert result.passed, result.failures
    assert (result.seeds, result.details["between SENDING and the socket"] >= GOAL.short // 4) == (40, True)
    assert set(result.details["levels"]) == {level.name for level in LEVELS}


def sendings(calm):
    """The points right after a SENDING was stored, where the entry of the scenario is sent first."""
    return [n for n, name in enumerate(calm.points, 1) if name == kill._AT_THE_SOCKET]


@pytest.fixture(scope="module")
def calm():
    return watch_calm(SETTINGS, "entry_and_stop")


def objections(calm, point, level=ControlLevel.CANCEL_ENTRIES):
    return run_case(SETTINGS, (KillCase(calm.scenario, point, level.name), calm)).objections


def test_a_door_that_does_not_look_again_is_caught(calm, monkeypatch):
    first = sendings(calm)[0]
    assert objections(calm, first) == ()
    monkeypatch.setattr(gateway, "control", lambda *_: GateResult("control", True, "", ""))
    assert any(text.startswith("K1") for text in objections(calm, first))


def test_a_gateway_that_never_looks_is_stopped_by_the_ledger_and_caught(calm, monkeypatch):
    blind = tuple(pair for pair in checks.ALWAYS if pair[0] != "control")
    monkeypatch.setattr(checks, "ALWAYS", blind)
    before = sendings(calm)[0] - 2  # after the intent was stored
    reduce_only = ControlLevel.REDUCE_ONLY
    assert objections(calm, before, reduce_only) == (), "the transaction that writes SENDING refuses it"
    monkeypatch.setattr(ledger_fold, "_may_send", lambda *_: None)
    monkeypatch.setattr(gateway, "control", lambda *_: GateResult("control", True, "", ""))
    assert any(text.startswith("K1") for text in objections(calm, before, reduce_only))


def test_entries_that_are_left_to_the_usual_pace_are_caught(monkeypatch):
    calm = watch_calm(SETTINGS, "unfilled_entry")
    point = sendings(calm)[0] + 2  # the answer is stored: the entry works
    assert objections(calm, point) == ()
    monkeypatch.setattr(execution, "_cancel_forbidden", lambda *_: None)
    monkeypatch.setattr(execution.lifecycle, "entry_objection", lambda *_: "")
    monkeypatch.setattr(Engine, "_level", lambda *_: 0)
    assert any("live 5 s after" in text for text in objections(calm, point))


def test_exits_that_stop_at_a_lower_level_are_caught(calm, monkeypatch):
    before_the_stop = calm.points.index("after commit EntryCompleted") + 1
    assert objections(calm, before_the_stop, ControlLevel.REDUCE_ONLY) == ()
    hold = arbiter.arbitrate

    def timid(triggers, standing):
        return hold(triggers if standing.control is ControlLevel.NORMAL else (), standing)

    monkeypatch.setattr(arbiter, "arbitrate", timid)
    found = objections(calm, before_the_stop, ControlLevel.REDUCE_ONLY)
    assert any(text.startswith("X6") for text in found)


def test_feature_18_the_drill_shows_what_each_level_does():
    seen = rehearse(SETTINGS)
    assert [one for one in seen if not one.passed] == []
    assert {one.level for one in seen} == {level.name for level in LEVELS}
    assert {one.check for one in seen if one.level == "HARD_STOP"} == {
        "no entry starts",
        "a working entry is cancelled",
        "nothing is sent",
        "the broker itself takes no order",
        "survives a restart",
        "lowering waits for the cool-down",
        "lowered after it, reconciled",
        "every invariant holds",
    }


def test_feature_18_a_switch_that_does_not_work_fails_the_drill(monkeypatch):
    monkeypatch.setattr(execution, "_cancel_forbidden", lambda *_: None)
    monkeypatch.setattr(execution.lifecycle, "entry_objection", lambda *_: "")
    told = CliRunner().invoke(app, ["drill", "--json"])
    failed = [(row["level"], row["check"]) for row in json.loads(told.stdout) if row["result"] == "FAIL"]
    assert told.exit_code == 1
    assert failed == [
        (level.name, "a working entry is cancelled") for level in LEVELS if level > ControlLevel.REDUCE_ONLY
    ]


def test_an_entry_that_contradicts_what_was_sent_is_taken_from_the_broker_too():
    calm = watch_calm(SETTINGS, "contradicted_order")
    quarantined = calm.points.index("after commit ControlChanged") + 1
    assert objections(calm, quarantined, ControlLevel.REDUCE_ONLY) == ()
    assert objections(calm, quarantined, ControlLevel.FLATTEN) == ()
