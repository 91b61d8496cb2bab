"""What an order that ended at the broker still holds, and what resolves it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from ops_pipeline.domain import events as e
from ops_pipeline.domain.breaks import FillBusted
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.order_fold import FILLS_MISSING
from ops_pipeline.domain.orders import Activity, ActivityKind, BrokerStatus, Fill, OrderState, Purpose
from ops_pipeline.domain.positions import PositionStatus
from ops_pipeline.domain.units import ClientOrderId, to_usd4
from ops_pipeline.stages.execution import lifecycle
from ops_pipeline.stages.execution.booking import bookings
from ops_pipeline.stages.position_manager.exit_orders import working_entries, working_exits
from tests.builders_ledger import (
    META_CALL,
    START,
    TINY,
    accepted,
    account_opened,
    answered_,
    closed,
    entry,
    filled,
    intended,
    observed,
    planned,
    sending,
)
from tests.unit.test_lifecycle import told

EXIT = "P1-x1"
SOLD_TWO = [
    intended(EXIT, purpose=Purpose.TIER, qty=2),
    sending(EXIT),
    accepted(EXIT),
    observed(EXIT, BrokerStatus.FILLED, 2),
]
HELD = told(Ledger(account=TINY), account_opened(), *entry(qty=4))


def quarantined(cid, reason=FILLS_MISSING):
    return e.OrderSettled(
        client_order_id=ClientOrderId(cid), state=OrderState.QUARANTINED.value, reason=reason
    )


def fill_of(qty, execution, cid=EXIT):
    return filled(cid, qty, "1.00", execution=execution)


def test_fills_that_come_late_resolve_an_order_that_was_quarantined_for_them():
    waiting = told(HELD, *SOLD_TWO, quarantined(EXIT))
    half = told(waiting, fill_of(-1, "f1"))
    assert half.orders[EXIT].state is OrderState.QUARANTINED
    assert told(half, fill_of(-1, "f2")).orders[EXIT].state is OrderState.FILLED


def test_any_other_contradiction_waits_for_a_person():
    waiting = told(HELD, *SOLD_TWO, quarantined(EXIT, "the broker shows another quantity"))
    late = told(waiting, fill_of(-2, "f1"))
    assert late.orders[EXIT].state is OrderState.QUARANTINED


@pytest.mark.parametrize(
    ("bodies", "leaves", "holds_slot"),
    [
        (SOLD_TWO[:3], 2, True),
        ([*SOLD_TWO[:3], observed(EXIT, BrokerStatus.CANCELED, 1)], 1, True),
        ([*SOLD_TWO, fill_of(-1, "f1")], 1, True),
        ([*SOLD_TWO, quarantined(EXIT)], 2, False),
        ([*SOLD_TWO[:3], quarantined(EXIT, "contradicted")], 2, True),
        ([*SOLD_TWO, fill_of(-2, "f1")], 0, False),
    ],
    ids=["works", "ended in part", "draining", "ended, quarantined", "works, quarantined", "booked"],
)
def test_what_an_order_may_still_take_and_whether_it_holds_the_exit_slot(bodies, leaves, holds_slot):
    ledger = told(HELD, *bodies)
    order = ledger.orders[EXIT]
    assert (order.leaves, order.holds_slot) == (leaves, holds_slot)
    assert bool(working_exits(ledger, ledger.positions["P1"])) is holds_slot


def test_what_rests_at_the_broker_and_what_it_has_just_taken_are_counted_apart():
    resting, draining = told(HELD, *SOLD_TWO[:3]), told(HELD, *SOLD_TWO)
    gone = told(draining, quarantined(EXIT))
    counted = [
        (lifecycle.sell_leaves(ledger, META_CALL), lifecycle.sell_leaves(ledger, META_CALL, ended=True))
        for ledger in (resting, draining, gone)
    ]
    assert counted == [(2, 0), (0, 2), (0, 0)]


def test_an_entry_that_ended_at_the_broker_keeps_no_exit_waiting():
    buying = told(
        Ledger(account=TINY),
        account_opened(),
        planned(),
        intended("P1-e1"),
        sending("P1-e1"),
        accepted("P1-e1"),
    )
    assert working_entries(buying, buying.positions["P1"])
    ended = told(buying, observed("P1-e1", BrokerStatus.FILLED, 4))
    assert ended.orders["P1-e1"].state is OrderState.DRAINING
    assert not working_entries(ended, ended.positions["P1"])


def test_an_entry_that_turns_up_after_it_was_given_up_opens_its_position_again():
    given_up = told(
        Ledger(account=TINY),
        account_opened(),
        planned(),
        intended("P1-e1"),
        sending("P1-e1"),
        answered_("P1-e1", "rejected"),
        closed(reason="not_filled"),
    )
    assert not given_up.open_positions
    found = told(given_up, observed("P1-e1", BrokerStatus.NEW, 0))
    assert found.orders["P1-e1"].state is OrderState.ORPHAN
    (position,) = found.open_positions
    assert (position.status, position.close_reason) == (PositionStatus.OPENING, "")


def test_a_sale_by_hand_of_what_a_bust_just_brought_back_is_taken_off_its_position():
    sold_out = told(
        HELD,
        intended(EXIT, purpose=Purpose.EXIT, qty=4),
        sending(EXIT),
        accepted(EXIT),
        fill_of(-4, "f1"),
        observed(EXIT, BrokerStatus.FILLED, 4),
        closed(reason="option_stop_loss"),
    )
    fill = Fill(
        execution_id="f1",
        client_order_id=ClientOrderId(EXIT),
        occ=META_CALL,
        qty=-4,
        price=to_usd4("1.00"),
        fees=0,
        at=START,
    )
    bust = _activity("b1", ActivityKind.BUST, 4, fill, seconds=1)
    by_hand = _activity("h1", ActivityKind.FILL, -4, None, seconds=2)
    taken_back, removed = bookings(sold_out, [bust, by_hand])
    assert isinstance(taken_back, FillBusted)
    assert isinstance(removed, e.ContractsRemoved)
    assert (removed.position_id, removed.qty) == ("P1", 4)


def test_a_fill_of_our_own_order_is_booked_though_the_broker_stamps_it_before_the_account_was_opened():
    buying = told(
        Ledger(account=TINY), account_opened(), planned(), intended("P1-e1"), sending("P1-e1"), at=2
    )
    fill = replace(fill_of(4, "f1", "P1-e1").fill, at=START)
    early = _activity("f1", ActivityKind.FILL, 4, fill, seconds=0)
    (booked,) = bookings(buying, [early])
    assert isinstance(booked, e.FillBooked)
    stranger = _activity("h1", ActivityKind.FILL, 4, None, seconds=0)
    assert bookings(buying, [stranger]) == []


def _activity(number, kind, qty, fill, *, seconds):
    return Activity(
        activity_id=number,
        kind=kind,
        at=START + timedelta(seconds=seconds),
        symbol=META_CALL,
        qty=qty,
        price=to_usd4("1.00"),
        amount=-qty * to_usd4("100"),
        fill=fill,
    )
