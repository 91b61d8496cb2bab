"""What a person must know of is raised once, cleared once, and stands in the audit trail."""

from datetime import timedelta

import pytest

from ops_pipeline.adapters.simulator.broker import Fault
from ops_pipeline.adapters.store.inspection import events_of_position
from ops_pipeline.adapters.store.verify import verify
from ops_pipeline.app.alerting import alert_rows
from ops_pipeline.app.evidence import explain_id
from ops_pipeline.domain.alerts import AlertCleared, AlertCode, AlertRaised, Severity
from ops_pipeline.domain.events import chain
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.ledger_fold import apply_all
from ops_pipeline.stages.position_manager.alerts import run_alerts
from tests.builders_demo import assembled, drive_until, sessions_of
from tests.builders_market import ACCOUNT, CALL, CLOSE, OPEN, TODAY, Rig, at


@pytest.fixture
def rig(tmp_path):
    return Rig(tmp_path)


def told(rig, code):
    """Every raise (+) and clear (-) of a code with its instant, in order."""
    found = []
    for event in rig.store.events(ACCOUNT):
        match event.body:
            case AlertRaised() as raised if raised.code is code:
                found.append(("+", event.at, raised.key))
            case AlertCleared() as cleared if cleared.code is code:
                found.append(("-", event.at, cleared.key))
    return found


def test_five_minutes_without_a_mark_are_one_alert_and_the_next_mark_clears_it(rig):
    position = rig.opened(4)
    rig.tick(at(14, 35))
    rig.market.put(at(14, 35, 5), "9.90", None)  # one-sided: no mark
    rig.run(at(14, 35, 15), at(14, 50))
    rig.market.put(at(14, 50, 5), "9.95", "10.05")
    rig.run(at(14, 50, 15), at(14, 51))
    assert told(rig, AlertCode.BLIND) == [
        ("+", at(14, 40), position.id),
        ("-", at(14, 50, 15), position.id),
    ]
    assert dict(rig.ledger.alerts) == {}


def test_a_night_without_marks_is_no_alert(rig):
    rig.opened(4)
    rig.run(at(14, 35), at(14, 36))
    following = OPEN.date() + timedelta(days=1)
    rig.run(at(14, 30, day=following), at(14, 31, day=following))
    assert told(rig, AlertCode.BLIND) == []


def test_the_third_rejection_of_an_exit_pages_and_its_acceptance_clears(rig):
    position = rig.opened(4)
    rig.market.put(at(14, 40), "7.00", "7.10")
    rig.faults.plan["submit"] = [Fault.REJECTED] * 4
    rig.run(at(14, 40), at(14, 41), step=1)
    # Two marks 10 s apart decide at 14:40:10; rejections at :10, +1, +2, +5; accepted 10 s later.
    assert told(rig, AlertCode.EXIT_REJECTED) == [
        ("+", at(14, 40, 13), position.id),
        ("-", at(14, 40, 28), position.id),
    ]
    raised = next(e.body for e in rig.store.events(ACCOUNT) if isinstance(e.body, AlertRaised))
    assert raised.severity is Severity.PAGE
    assert raised.detail.startswith("option_stop_loss rejected 3 times in a row: ")


def test_an_exit_that_no_order_was_accepted_for_within_a_minute_is_escalated(rig):
    position = rig.opened(4)
    rig.market.put(at(14, 40), "7.00", "7.10")
    rig.faults.plan["submit"] = [Fault.REJECTED] * 6
    rig.run(at(14, 40), at(14, 43), step=1)
    # Decided at 14:40:10; accepted with the seventh order, 1+2+5+10+30+30 s later.
    assert told(rig, AlertCode.EXIT_NOT_ACCEPTED) == [
        ("+", at(14, 41, 11), position.id),
        ("-", at(14, 41, 28), position.id),
    ]


def test_an_order_whose_fate_is_unknown_for_a_minute_is_an_alert_while_it_lasts(rig):
    rig.market.put(OPEN, "9.90", "10.10")
    rig.clock.move_to(at(14, 31))
    rig.faults.plan["submit"] = [Fault.LOST_REQUEST]
    rig.faults.plan["orders"] = [Fault.READ_FAILED] * 100
    rig.faults.plan["order"] = [Fault.READ_FAILED] * 100
    rig.faults.plan["activities"] = [Fault.READ_FAILED] * 8
    rig.buy(2)
    (order,) = rig.orders()
    rig.run(at(14, 31, 15), at(14, 32))
    assert told(rig, AlertCode.ORDER_UNKNOWN) == []
    rig.run(at(14, 32, 15), at(14, 32, 30))
    assert told(rig, AlertCode.ORDER_UNKNOWN) == [("+", at(14, 32, 15), order.id)]
    rig.faults.plan.clear()
    rig.run(at(14, 32, 45), at(14, 40))
    assert [sign for sign, _, _ in told(rig, AlertCode.ORDER_UNKNOWN)] == ["+", "-"]


def test_a_contract_held_into_the_last_hour_of_its_last_day_is_escalated_once(rig):
    position = rig.opened(2, occ=TODAY)
    rig.market.put(at(15), "0.00", "0.05", occ=TODAY)
    rig.run(CLOSE - timedelta(minutes=76), CLOSE - timedelta(minutes=55), step=60)
    assert told(rig, AlertCode.EXPIRY_HELD) == [("+", CLOSE - timedelta(minutes=60), position.id)]


def test_a_closed_position_leaves_no_alert_behind(rig):
    rig.opened(4)
    rig.market.put(at(14, 40), "7.00", "7.10")
    rig.faults.plan["submit"] = [Fault.REJECTED] * 6
    rig.run(at(14, 40), at(14, 45), step=1)
    assert not rig.position.is_open
    assert dict(rig.ledger.alerts) == {}


def test_alerts_are_part_of_the_fold_and_survive_a_restart(rig):
    rig.opened(4)
    rig.market.put(at(14, 35, 5), "9.90", None)
    rig.run(at(14, 35), at(14, 42))
    before = dict(rig.ledger.alerts)
    rig.start()
    assert dict(rig.ledger.alerts) == before
    assert [alert.code for alert in before.values()] == [AlertCode.BLIND]
    assert apply_all(Ledger(account=ACCOUNT), rig.store.events(ACCOUNT)).alerts == before
    rig.run(at(14, 42, 15), at(14, 45))
    assert len(told(rig, AlertCode.BLIND)) == 1
    assert verify(rig.store.database) == []


def test_a_job_that_was_silent_is_told_once_and_cleared_when_it_runs_again():
    gap = {"telemetry": timedelta(seconds=400)}
    (raised,) = run_alerts(Ledger(account=ACCOUNT), gap, "")
    assert (raised.code, raised.key, raised.severity) == (AlertCode.JOB_SILENT, "telemetry", Severity.WARN)
    assert raised.detail == "did not run for 400 s"


def test_a_stream_that_fails_is_told_once_and_cleared_when_it_can_be_relied_on_again():
    ledger = Ledger(account=ACCOUNT)
    (raised,) = run_alerts(ledger, {}, "silent for 31 s")
    assert (raised.code, raised.severity) == (AlertCode.UPDATES_FAILING, Severity.WARN)
    assert raised.detail == "silent for 31 s: nothing is opened, exits go on by polling"
    event = chain(ACCOUNT, 1, at(14, 35), raised, ledger.head)
    standing = apply_all(ledger, [event])
    assert run_alerts(standing, {}, "silent for 91 s") == []
    (cleared,) = run_alerts(standing, {}, "")
    assert cleared.code is AlertCode.UPDATES_FAILING


def test_status_lists_what_stands_and_what_other_events_say_as_plainly(rig):
    position = rig.opened(4)
    rig.market.put(at(14, 35, 5), "9.90", None)
    rig.run(at(14, 35), at(14, 42))
    rig.book.holdings.pop(CALL)  # the contracts vanish at the broker
    rig.run(at(14, 42, 15), at(14, 43))
    rows = alert_rows(rig.store, [ACCOUNT])
    assert [(row["severity"], row["alert"], row["about"]) for row in rows] == [
        ("page", "position_without_mark", position.id),
        ("page", "position_frozen", position.id),
        ("page", "break", position.contract.occ),
        ("warn", "control", ACCOUNT),
    ]
    assert rows[0]["since"] == "2026-03-02T14:40:00Z"
    assert rows[0]["detail"] == "no mark for 5 minutes of session"


def test_the_story_of_a_position_tells_its_alerts(rig):
    position = rig.opened(4)
    rig.market.put(at(14, 35, 5), "9.90", None)
    rig.run(at(14, 35), at(14, 42))
    told = explain_id(rig.store, position.id)
    section = next(section for section in told.sections if section.title == "Alerts")
    assert section.rows == [
        {
            "at": "2026-03-02T14:40:00Z",
            "alert": "position_without_mark",
            "message": "no mark for 5 minutes of session",
        }
    ]


def test_the_story_of_a_position_tells_the_alerts_of_its_orders(rig):
    rig.market.put(OPEN, "9.90", "10.10")
    rig.clock.move_to(at(14, 31))
    rig.faults.plan["submit"] = [Fault.LOST_RESPONSE]
    rig.faults.plan["activities"] = [Fault.READ_FAILED] * 20
    rig.buy(2)
    rig.run(at(14, 31, 15), at(14, 32, 30))
    events = events_of_position(rig.store, rig.position.id)
    assert [event.body.code for event in events if isinstance(event.body, AlertRaised)] == [
        AlertCode.ORDER_UNKNOWN
    ]


def test_a_run_that_stood_still_tells_every_account_which_jobs_were_silent(tmp_path):
    assembly, clock = assembled(tmp_path)
    (session,) = sessions_of(assembly, 1)
    with assembly.store:
        drive_until(assembly, clock, session.open_at + timedelta(minutes=2))
        clock.move_to(session.open_at + timedelta(minutes=12))
        assembly.engine.run_due(clock.now())
        found = {
            account: {alert.key for alert in assembly.store.ledger(account).alerts.values()}
            for account in assembly.wiring.accounts
        }
        drive_until(assembly, clock, session.open_at + timedelta(minutes=13))
        left = [assembly.store.ledger(account).alerts for account in assembly.wiring.accounts]
    # 10 to 12 minutes: more than any of these may be silent for; the watchlist may be for 15.
    every_minute = {"news_ingest", "classifier", "telemetry", "feature_computer", "signal_engine", "health"}
    wanted = every_minute | {"dispatcher", "position_manager"}
    assert found == {"tiny": wanted, "large": wanted}
    assert left == [{}, {}]
