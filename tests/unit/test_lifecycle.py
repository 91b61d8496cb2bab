"""The order table (RELIABILITY 3.1) edge by edge, limits and timers by hand."""

from datetime import timedelta

import pytest

from ops_pipeline.domain import events as e
from ops_pipeline.domain.errors import LedgerError
from ops_pipeline.domain.ids import client_order_id
from ops_pipeline.domain.instruments import parse_occ
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.ledger_fold import apply_all
from ops_pipeline.domain.orders import Approved, BrokerStatus, OrderState, Purpose, Refused
from ops_pipeline.domain.positions import ExitReason
from ops_pipeline.domain.rules import ExecutionRules, ExitOrderRules
from ops_pipeline.domain.units import to_usd4
from ops_pipeline.stages.execution import lifecycle
from ops_pipeline.stages.execution.lifecycle import Upkeep
from tests.builders_ledger import (
    META_CALL,
    TINY,
    accepted,
    account_opened,
    entry,
    exit_decided,
    filled,
    intended,
    minute,
    observed,
    planned,
    sending,
)

S = OrderState
CID = "P1-e1"
RULES = ExecutionRules(120, 600, 120, 2, 15, 15, 60, 50, 250_000_000, 10, 3, 5, 2, 60, 30, 10)
EXITS = ExitOrderRules(15, 500, 1_000, 10)


def told(ledger, *bodies, at=0):
    for body in bodies:
        event = e.chain(TINY, ledger.seq + 1, minute(at), body, ledger.head)
        ledger = apply_all(ledger, [event])
    return ledger


def answered(outcome, **more):
    return e.OrderAnswered(client_order_id=CID, outcome=outcome, **more)


def settled(state):
    return e.OrderSettled(client_order_id=CID, state=state.value, reason="a test")


def not_found(count=1):
    return e.OrderNotFound(client_order_id=CID, count=count)


BASE = [account_opened(), planned(), intended(CID)]
# One way to each state, by events alone.
WAYS = {
    S.INTENT: [],
    S.SENDING: [sending(CID)],
    S.UNKNOWN: [sending(CID), answered("unknown")],
    S.RESEND_WAIT: [sending(CID), answered("deferred")],
    S.WORKING: [sending(CID), accepted(CID)],
    S.CANCELING: [sending(CID), accepted(CID), settled(S.CANCELING)],
    S.DRAINING: [sending(CID), accepted(CID), observed(CID, BrokerStatus.CANCELED, 2)],
    S.ABANDONING: [sending(CID), answered("unknown"), settled(S.ABANDONING)],
    S.FILLED: [sending(CID), accepted(CID), filled(CID, 4, "1.00", execution="f1")],
    S.CANCELED: [sending(CID), accepted(CID), observed(CID, BrokerStatus.CANCELED, 0)],
    S.EXPIRED: [sending(CID), accepted(CID), observed(CID, BrokerStatus.EXPIRED, 0)],
    S.REJECTED: [sending(CID), answered("rejected")],
    S.NOT_PLACED: [settled(S.NOT_PLACED)],
    S.ORPHAN: [settled(S.NOT_PLACED), observed(CID, BrokerStatus.NEW, 0)],
    S.QUARANTINED: [settled(S.QUARANTINED)],
}
SETTLES = {
    S.UNKNOWN: {S.SENDING},
    S.RESEND_WAIT: {S.UNKNOWN},
    S.ABANDONING: {S.UNKNOWN, S.RESEND_WAIT},
    S.NOT_PLACED: {S.ABANDONING, S.INTENT, S.RESEND_WAIT, S.QUARANTINED},
    # A person ends a contradiction as what the broker says of the order.
    **{ended: {S.QUARANTINED} for ended in (S.FILLED, S.CANCELED, S.EXPIRED, S.REJECTED)},
    S.CANCELING: {S.WORKING, S.ORPHAN},
    S.QUARANTINED: set(S),
}


def in_state(state):
    ledger = told(Ledger(account=TINY), *BASE, *WAYS[state])
    assert ledger.orders[CID].state is state
    return ledger


@pytest.mark.parametrize("state", S, ids=str)
@pytest.mark.parametrize("target", S, ids=str)
def test_o10_our_own_rules_move_an_order_along_the_table_only(state, target):
    ledger = in_state(state)
    if state in SETTLES.get(target, set()):
        assert told(ledger, settled(target)).orders[CID].state is target
    else:
        with pytest.raises(LedgerError, match="no edge"):
            told(ledger, settled(target))


@pytest.mark.parametrize("state", S, ids=str)
def test_only_an_intent_or_a_waiting_resend_is_sent(state):
    ledger = in_state(state)
    again = sending(CID, attempt=ledger.orders[CID].attempt + 1)
    if state in (S.INTENT, S.RESEND_WAIT):
        assert told(ledger, again).orders[CID].state is S.SENDING
    else:
        with pytest.raises(LedgerError, match="expected INTENT or RESEND_WAIT"):
            told(ledger, again)


@pytest.mark.parametrize("state", S, ids=str)
def test_an_answer_belongs_to_what_was_asked(state):
    ledger = in_state(state)
    if state in (S.SENDING, S.UNKNOWN):
        assert told(ledger, accepted(CID)).orders[CID].state is S.WORKING
    else:
        with pytest.raises(LedgerError, match="needs SENDING or UNKNOWN"):
            told(ledger, accepted(CID))


@pytest.mark.parametrize(
    ("outcome", "state"),
    [("rejected", S.REJECTED), ("deferred", S.RESEND_WAIT), ("unknown", S.UNKNOWN)],
)
def test_what_a_post_comes_to(outcome, state):
    assert told(in_state(S.SENDING), answered(outcome)).orders[CID].state is state


ALIVE = {
    S.SENDING: S.WORKING,
    S.UNKNOWN: S.WORKING,
    S.RESEND_WAIT: S.WORKING,
    S.WORKING: S.WORKING,
    S.CANCELING: S.CANCELING,
    S.ABANDONING: S.CANCELING,
    S.NOT_PLACED: S.ORPHAN,
    S.REJECTED: S.ORPHAN,
    S.FILLED: S.FILLED,
    S.CANCELED: S.CANCELED,
    S.EXPIRED: S.EXPIRED,
    S.QUARANTINED: S.QUARANTINED,
}


@pytest.mark.parametrize(("state", "then"), ALIVE.items(), ids=str)
def test_what_the_broker_shows_alive(state, then):
    cum = 4 if state is S.FILLED else 0
    assert told(in_state(state), observed(CID, BrokerStatus.NEW, cum)).orders[CID].state is then


@pytest.mark.parametrize("state", [S.SENDING, S.UNKNOWN, S.WORKING, S.CANCELING, S.ABANDONING])
def test_an_order_is_over_when_its_fills_are_booked_not_when_the_broker_says_so(state):
    ledger = told(in_state(state), observed(CID, BrokerStatus.CANCELED, 2))
    assert ledger.orders[CID].state is S.DRAINING
    ledger = told(ledger, filled(CID, 1, "1.00", execution="f1"))
    assert ledger.orders[CID].state is S.DRAINING
    ledger = told(ledger, filled(CID, 1, "1.00", execution="f2"))
    assert (ledger.orders[CID].state, ledger.orders[CID].booked) == (S.CANCELED, 2)


def test_fills_win_over_a_cancel():
    ledger = told(in_state(S.CANCELING), filled(CID, 4, "1.00", execution="f1"))
    assert ledger.orders[CID].state is S.FILLED


def test_a_count_that_the_broker_takes_back_is_a_contradiction():
    ledger = told(in_state(S.WORKING), observed(CID, BrokerStatus.PARTIALLY_FILLED, 3))
    ledger = told(ledger, observed(CID, BrokerStatus.PARTIALLY_FILLED, 2))
    assert ledger.orders[CID].state is S.QUARANTINED


def test_an_order_list_behind_our_own_fills_is_late_not_a_contradiction():
    ledger = told(in_state(S.WORKING), filled(CID, 2, "1.00", execution="f1"))
    ledger = told(ledger, observed(CID, BrokerStatus.PARTIALLY_FILLED, 1))
    assert (ledger.orders[CID].state, ledger.orders[CID].cum) == (S.WORKING, 2)


def test_an_overfill_is_booked_and_quarantined():
    ledger = told(in_state(S.WORKING), filled(CID, 5, "1.00", execution="f1"))
    assert (ledger.orders[CID].state, ledger.positions["P1"].qty) == (S.QUARANTINED, 5)


def test_o6_an_execution_is_booked_once():
    ledger = told(in_state(S.WORKING), filled(CID, 1, "1.00", execution="f1"))
    with pytest.raises(LedgerError, match="booked twice"):
        told(ledger, filled(CID, 1, "1.00", execution="f1"))


def test_o3_a_resend_never_changes_its_body():
    ledger = in_state(S.RESEND_WAIT)
    other = e.OrderSending(client_order_id=CID, epoch=1, attempt=2, body_hash="another")
    with pytest.raises(LedgerError, match="never changes its body"):
        told(ledger, other)


def test_o4_the_next_generation_waits_for_the_one_before():
    with pytest.raises(LedgerError, match="is not terminal"):
        told(in_state(S.CANCELING), intended("P1-e2", generation=2))
    assert "P1-e2" in told(in_state(S.CANCELED), intended("P1-e2", generation=2)).orders


def test_a_late_fill_brings_a_closed_position_back():
    ledger = told(in_state(S.NOT_PLACED), e.PositionClosed(position_id="P1", reason="not_filled"))
    assert not ledger.open_positions
    ledger = told(ledger, filled(CID, 1, "1.00", execution="f1"))
    assert (ledger.orders[CID].state, ledger.open_positions[0].qty) == (S.ORPHAN, 1)


def test_an_old_mark_does_not_move_the_time_of_the_last_mark():
    ledger = told(Ledger(account=TINY), account_opened(), *entry())
    seen = e.PositionMarked(
        position_id="P1",
        mark=to_usd4("1.10"),
        peak=to_usd4("1.10"),
        armed=False,
        trailing_stop=0,
        stop_count=0,
        trail_count=0,
    )
    ledger = told(ledger, seen, at=1)
    blind = e.PositionMarked(
        position_id="P1",
        mark=None,
        peak=to_usd4("1.10"),
        armed=False,
        trailing_stop=0,
        stop_count=1,
        trail_count=0,
    )
    position = told(ledger, blind, at=9).positions["P1"]
    assert (position.mark, position.marked_at, position.stop_count) == (to_usd4("1.10"), minute(1), 1)


def test_a_withdrawn_exit_of_a_position_still_entering_leaves_it_entering():
    ledger = told(in_state(S.WORKING), filled(CID, 1, "1.00", execution="f1"), exit_decided(qty=1))
    withdrawn = e.ExitWithdrawn(position_id="P1", reason="a test")
    assert told(ledger, withdrawn).positions["P1"].status == "OPENING"


def test_ids_follow_from_their_cause_alone_and_stay_short():
    terms = ("ab12cd34", "paper|PA1", Purpose.EXIT, "P1")
    assert client_order_id(*terms, 1) == client_order_id(*terms, 1)
    assert client_order_id(*terms, 1) != client_order_id(*terms, 2)
    assert client_order_id(*terms, 1).startswith("op1ab12-x-")
    assert len(client_order_id(*terms, 1)) <= 48


CALL = parse_occ(META_CALL)


@pytest.mark.parametrize(
    ("reason", "latched", "step", "bid", "limit"),
    [
        (ExitReason.STOP_LOSS, True, 0, "7.40", "7.40"),
        (ExitReason.STOP_LOSS, True, 1, "7.40", "7.00"),  # 7.03, down to the nickel
        (ExitReason.STOP_LOSS, True, 2, "7.40", "6.65"),  # 6.66
        (ExitReason.STOP_LOSS, True, 9, "7.40", "6.65"),
        (ExitReason.THETA, False, 1, "2.00", "1.95"),
        (ExitReason.THETA, False, 2, "2.00", "1.90"),
        (ExitReason.THETA, False, 7, "2.00", "1.90"),
        (ExitReason.FIRST_TARGET, False, 0, "2.00", "2.00"),
        (ExitReason.FIRST_TARGET, False, 1, "2.00", "1.99"),
        (ExitReason.PROFIT_TARGET, False, 5, "4.00", "3.95"),
        (ExitReason.STOP_LOSS, True, 3, "0.01", "0.01"),
        (ExitReason.STOP_LOSS, True, 1, None, None),
    ],
)
def test_exit_limits_by_hand(reason, latched, step, bid, limit):
    found = lifecycle.exit_limit(
        CALL,
        bid=None if bid is None else to_usd4(bid),
        reason=reason,
        latched=latched,
        step=step,
        expiry_day=False,
        rules=EXITS,
    )
    assert found == (None if limit is None else to_usd4(limit))


def test_on_expiry_day_nobodys_bid_is_met_with_one_tick():
    found = lifecycle.exit_limit(
        CALL,
        bid=None,
        reason=ExitReason.EXPIRY_CUTOFF,
        latched=True,
        step=0,
        expiry_day=True,
        rules=EXITS,
    )
    assert found == to_usd4("0.01")


@pytest.mark.parametrize(
    ("state", "seconds", "then"),
    [
        (S.WORKING, 1_000, Upkeep.NOTHING),
        (S.UNKNOWN, 0, Upkeep.LOOK_UP),
        (S.RESEND_WAIT, 0, Upkeep.RESEND),
        (S.INTENT, 0, Upkeep.RESEND),
        (S.ORPHAN, 0, Upkeep.CANCEL),
        (S.CANCELING, 5, Upkeep.NOTHING),
        (S.CANCELING, 6, Upkeep.CANCEL),
        (S.DRAINING, 120, Upkeep.NOTHING),
        (S.DRAINING, 121, Upkeep.QUARANTINE),
        (S.ABANDONING, 500, Upkeep.LOOK_UP),
        (S.FILLED, 500, Upkeep.NOTHING),
        (S.QUARANTINED, 500, Upkeep.NOTHING),
    ],
)
def test_what_an_order_needs_by_its_timers(state, seconds, then):
    order = in_state(state).orders[CID]
    assert lifecycle.upkeep(order, now=minute(0) + timedelta(seconds=seconds), rules=RULES) is then


def test_an_abandoned_order_is_not_placed_after_its_quarantine_and_an_answer():
    ledger = told(in_state(S.ABANDONING), not_found())
    order = ledger.orders[CID]
    assert lifecycle.upkeep(order, now=minute(2), rules=RULES) is Upkeep.LOOK_UP
    assert lifecycle.upkeep(order, now=minute(2.1), rules=RULES) is Upkeep.NOT_PLACED


def test_o11_one_404_is_no_evidence_two_allow_the_same_order_again():
    order = in_state(S.UNKNOWN).orders[CID]
    assert lifecycle.after_not_found(order, count=1, now=minute(1)) is None
    assert lifecycle.after_not_found(order, count=2, now=minute(1)) is S.RESEND_WAIT
    assert lifecycle.after_not_found(in_state(S.WORKING).orders[CID], count=5, now=minute(1)) is None


def test_a_reduction_never_exceeds_what_is_held_and_free():
    sale = intended("P1-x1", purpose=Purpose.EXIT, qty=4).intent
    assert isinstance(lifecycle.approve_reduction(sale, held=6, committed=2), Approved)
    assert isinstance(lifecycle.approve_reduction(sale, held=6, committed=3), Refused)
    assert isinstance(lifecycle.approve_reduction(intended("P1-e9").intent, held=9, committed=0), Refused)


def test_an_orphan_that_the_broker_ended_waits_for_its_fills_and_is_not_cancelled():
    order = told(in_state(S.REJECTED), observed(CID, BrokerStatus.FILLED, 4)).orders[CID]
    assert order.state is S.ORPHAN
    assert lifecycle.upkeep(order, now=minute(1), rules=RULES) is Upkeep.NOTHING
