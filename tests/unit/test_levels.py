"""Kill levels: when they rise by themselves, what lowering takes, and what a KILL file says."""

from datetime import timedelta

import pytest

from ops_pipeline.app.brake import EmergencyBrake, read_kill_file
from ops_pipeline.domain import events as e
from ops_pipeline.domain.accounts import BrokerAccount, ControlLevel
from ops_pipeline.domain.alerts import AlertCode, AlertRaised, Severity
from ops_pipeline.domain.breaks import BreakFound, Cause
from ops_pipeline.domain.controls import FREE, Brake, kill_id_of
from ops_pipeline.domain.ids import client_order_id
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.orders import BrokerOrder, BrokerStatus, Purpose
from ops_pipeline.domain.units import to_usd4
from ops_pipeline.stages.execution import alarms
from ops_pipeline.stages.execution.levels import lowering_objection, raised
from tests.builders_ledger import (
    META_CALL,
    TINY,
    accepted,
    account_opened,
    intended,
    minute,
    planned,
    sending,
)
from tests.unit.test_lifecycle import RULES, told

NORMAL, REDUCE, CANCEL, FLATTEN, STOP = ControlLevel
FIRST, SECOND = minute(0), minute(1)


def changed(level, reason="a test"):
    return e.ControlChanged(level=level, reason=reason, actor="operator")


def standing(level, *, at=0):
    return told(Ledger(account=TINY), account_opened(), changed(level), at=at)


def objection(ledger, *, now=SECOND, agreed_at=SECOND, brake=FREE, level=NORMAL):
    return lowering_objection(ledger, level, now=now, agreed_at=agreed_at, brake=brake, rules=RULES)


@pytest.mark.parametrize("level", [REDUCE, CANCEL, FLATTEN, STOP])
def test_a_level_is_raised_in_one_step_and_never_lowered_by_a_raise(level):
    body = raised(standing(NORMAL), level, reason="why", actor="who")
    assert [(b.level, b.reason, b.actor) for b in body] == [(level, "why", "who")]
    assert raised(standing(level), level, reason="why", actor="who") == []
    assert raised(standing(STOP), level, reason="why", actor="who") == []


@pytest.mark.parametrize("actor", ["alarm", "reconcile", "disk", "database", "restore"])
def test_what_was_decided_before_a_level_rose_does_not_lower_it(actor):
    by_itself = e.ControlChanged(level=REDUCE, reason="an older look", actor=actor)
    ledger = told(standing(STOP), by_itself)
    assert (ledger.control, ledger.control_reason, ledger.raised_at) == (STOP, "a test", FIRST)
    assert told(standing(NORMAL), by_itself).control is REDUCE
    assert told(standing(STOP), changed(REDUCE)).control is REDUCE


def test_lowering_waits_60_seconds_from_the_raise():
    ledger = standing(CANCEL)
    early = objection(ledger, now=minute(1) - timedelta(seconds=1))
    assert early == (
        "expected 60 s since it was raised at 15:00:00 UTC, found 59 s; try again from 15:01:00 on"
    )
    assert objection(ledger, now=minute(1)) == ""


def test_a_higher_raise_begins_the_cool_down_anew_and_a_lowering_does_not():
    ledger = told(standing(CANCEL), changed(STOP), at=5)
    assert "raised at 15:05:00" in objection(ledger, now=minute(5), agreed_at=minute(5))
    ledger = told(ledger, changed(REDUCE), at=7)
    assert objection(ledger, now=minute(7), agreed_at=minute(7)) == ""


@pytest.mark.parametrize(("agreed_at", "found"), [(None, "none"), (minute(-1), "the last at 14:59:00 UTC")])
def test_lowering_needs_a_clean_reconciliation_since_the_raise(agreed_at, found):
    ledger = standing(REDUCE)
    text = objection(ledger, now=minute(9), agreed_at=agreed_at)
    assert text == f"expected a clean reconciliation since it was raised at 15:00:00 UTC, found {found}"
    assert objection(ledger, now=minute(9), agreed_at=minute(0)) == ""


def test_lowering_is_refused_while_a_difference_stands():
    found = BreakFound(
        symbol=META_CALL,
        ledger_qty=2,
        broker_qty=1,
        cause=Cause.UNKNOWN,
        confirmed=False,
        seen_at=minute(0),
    )
    ledger = told(standing(REDUCE), found)
    assert objection(ledger, now=minute(9)).endswith(f"found one in {META_CALL}")


def test_lowering_is_refused_below_what_a_kill_file_says():
    ledger, brake = standing(STOP), Brake(CANCEL, "KILL file")
    assert objection(ledger, brake=brake) == (
        "expected nothing that holds it higher, found CANCEL_ENTRIES: KILL file"
    )
    assert objection(ledger, brake=brake, level=CANCEL) == ""


def test_a_flatten_keeps_its_id_until_another_begins():
    ledger = standing(FLATTEN)
    first = ledger.kill_id
    assert first == kill_id_of(TINY, 2)
    assert told(ledger, changed(STOP), changed(FLATTEN)).kill_id == first
    assert told(ledger, changed(NORMAL)).kill_id == first
    assert told(ledger, changed(NORMAL), changed(FLATTEN)).kill_id == kill_id_of(TINY, 4)


@pytest.mark.parametrize(
    ("text", "named", "level", "reason"),
    [
        ("", "", STOP, "KILL file"),
        (" \n", "", STOP, "KILL file"),
        ("flatten", "", FLATTEN, "KILL file"),
        ("Reduce_Only quotes look odd", "", REDUCE, "KILL file - quotes look odd"),
        ("cancel_entries account=tiny the feed\nis late", "tiny", CANCEL, "KILL file - the feed is late"),
        ("normal", "", STOP, "KILL file: 'normal' is no level to stop at"),
        ("flaten all", "", STOP, "KILL file: 'flaten' is no level to stop at"),
    ],
)
def test_what_a_kill_file_says(text, named, level, reason):
    assert read_kill_file(text) == (named, Brake(level, reason))


def test_a_kill_file_holds_from_the_moment_it_is_there_until_it_is_gone(tmp_path):
    brake, file = EmergencyBrake(tmp_path, ["tiny", "large"]), tmp_path / "KILL"
    assert brake.at_once("tiny") == FREE
    file.touch()
    assert brake.at_once("tiny").level is STOP
    file.write_text("flatten account=large gone mad")
    assert (brake.at_once("tiny"), brake.at_once("large").level) == (FREE, FLATTEN)
    file.write_text("flatten account=nobody gone mad")
    assert brake.at_once("tiny").level is FLATTEN
    file.unlink()
    assert brake.at_once("large") == FREE


def test_a_kill_file_that_cannot_be_read_stops_everything(tmp_path):
    (tmp_path / "KILL").mkdir()
    assert EmergencyBrake(tmp_path, ["tiny"]).at_once("tiny").level is STOP


def test_a_process_that_stops_takes_no_entry_and_stores_no_level(tmp_path):
    brake = EmergencyBrake(tmp_path, ["tiny"])
    brake.stop()
    assert (brake.at_once("tiny").level, brake.lasting("tiny")) == (REDUCE, FREE)


def test_a_signal_counts_until_it_is_stored_and_is_kept_as_a_file_if_it_cannot_be(tmp_path):
    brake = EmergencyBrake(tmp_path, ["tiny"])
    brake._note(10, None)
    assert brake.lasting("tiny").level is CANCEL
    brake.keep()
    seen = brake.signalled
    brake._note(10, None)
    brake.stored(seen)
    assert brake.signalled.level is CANCEL, "another signal came meanwhile"
    brake.stored(brake.signalled)
    assert brake.signalled == FREE
    assert EmergencyBrake(tmp_path, ["tiny"]).at_once("tiny").level is CANCEL


def shown(cid, *, at=0):
    return BrokerOrder(
        broker_order_id="B1",
        client_order_id=cid,
        status=BrokerStatus.NEW,
        qty=1,
        cum=0,
        legs=(),
        limit=to_usd4("1"),
        submitted_at=minute(at),
    )


def foreign(cid, *, now=FIRST, level=NORMAL):
    found = alarms.foreign_instance(standing(level), [shown(cid)], database_id="ab12" * 8, now=now)
    return [body.level for body in found]


def test_an_order_of_another_database_of_ours_within_a_day_cancels_entries():
    def made_by(database):
        return client_order_id(database, "simulator|PA1", Purpose.ENTRY, "S1", 1)

    assert foreign(made_by("cd34" * 8)) == [CANCEL]
    assert foreign(made_by("cd34" * 8), now=minute(24 * 60) - timedelta(seconds=1)) == [CANCEL]
    assert foreign(made_by("cd34" * 8), now=minute(24 * 60)) == []
    assert foreign(made_by("cd34" * 8), level=STOP) == []
    assert foreign(made_by("ab12" * 8)) == []
    assert foreign("an order typed by hand") == []


def account(equity, last="1000"):
    return BrokerAccount(
        number="PA1",
        equity=to_usd4(equity),
        last_equity=to_usd4(last),
        cash=to_usd4(equity),
        options_buying_power=to_usd4(equity),
        options_level=2,
        blocked=False,
        as_of=minute(0),
    )


def trouble(ledger=None, broker=None, *, skew=0.0, now=SECOND):
    found = alarms.passing_trouble(
        ledger or standing(NORMAL),
        broker,
        now=now,
        skew=timedelta(seconds=skew),
        day_loss=1_000,
        rules=RULES,
    )
    return [(body.level, body.reason) for body in found]


def test_a_day_loss_at_its_limit_reduces_only():
    assert trouble(broker=account("900.01")) == []
    assert trouble(broker=account("900")) == [(REDUCE, "lost $100.00 of $1,000.00 today")]
    assert trouble(broker=None) == []


def test_a_clock_more_than_ten_seconds_off_reduces_only():
    assert trouble(skew=10) == []
    assert trouble(skew=10.1) == [(REDUCE, "the broker's clock is 10 s from ours")]


def test_a_position_nobody_can_price_reduces_only():
    blind = AlertRaised(code=AlertCode.BLIND, key="P1", severity=Severity.PAGE, detail="no mark")
    late = AlertRaised(code=AlertCode.JOB_SILENT, key="news", severity=Severity.WARN, detail="late")
    assert trouble(told(standing(NORMAL), late)) == []
    assert trouble(told(standing(NORMAL), blind)) == [(REDUCE, "no mark of P1")]


@pytest.mark.parametrize(("count", "found"), [(10, []), (11, [CANCEL])])
def test_more_than_ten_orders_within_a_minute_cancel_entries(count, found):
    ledger = standing(NORMAL)
    for number in range(count):
        key = f"Q{number}"
        ledger = told(ledger, planned(key), intended(f"{key}-e1", position=key), sending(f"{key}-e1"))
    assert [level for level, _ in trouble(ledger, now=minute(0.9))] == found
    assert trouble(ledger, now=minute(1)) == []


def test_alarms_never_lower_a_level():
    assert trouble(standing(STOP), broker=account("500")) == []
    assert trouble(standing(CANCEL), broker=account("500"), skew=100) == []


@pytest.mark.parametrize(("fate", "found"), [("accepted", [CANCEL]), ("rejected", [])])
def test_an_entry_that_repeats_one_which_lives_cancels_entries(fate, found):
    ledger = told(standing(NORMAL), planned(), intended("P1-e1"), sending("P1-e1"))
    answer = (
        accepted("P1-e1") if fate == "accepted" else e.OrderAnswered(client_order_id="P1-e1", outcome=fate)
    )
    ledger = told(ledger, answer, planned("P2"), intended("P2-e1", position="P2"))
    twin = ledger.orders["P2-e1"].intent
    assert [body.level for body in alarms.duplicate(ledger, twin, now=minute(0))] == found
    assert alarms.duplicate(ledger, twin, now=minute(1)) == []
