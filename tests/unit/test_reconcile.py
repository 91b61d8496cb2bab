"""What the broker's answers mean for the ledger, each with its cause."""

from datetime import timedelta

import pytest

from ops_pipeline.domain import events as e
from ops_pipeline.domain.accounts import BrokerPosition, ControlLevel
from ops_pipeline.domain.breaks import Cause, ExternalMoved
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.orders import Activity, ActivityKind, BrokerOrder, BrokerStatus, Fill, OrderState
from ops_pipeline.domain.positions import ExitReason
from ops_pipeline.domain.units import to_usd4
from ops_pipeline.stages.execution import reconcile
from ops_pipeline.stages.execution.booking import bookings
from ops_pipeline.stages.execution.resolutions import By, Objection, resolve_break, resolve_order
from tests.builders_ledger import META_CALL, TINY, account_opened, entry, minute
from tests.unit.test_lifecycle import CID, RULES, in_state, told

HELD = told(Ledger(account=TINY), account_opened(), *entry(qty=4))
UNIT = to_usd4("100")


def activity(kind, qty, amount="0", *, cid=None, price="1.00", detail="", number="A1"):
    fill = None
    if kind is ActivityKind.FILL:
        fill = Fill(
            execution_id=number,
            client_order_id=cid or "",
            occ=META_CALL,
            qty=qty,
            price=to_usd4(price),
            fees=0,
            at=minute(5),
        )
    return Activity(
        activity_id=number,
        kind=kind,
        at=minute(5),
        symbol=META_CALL,
        qty=qty,
        price=to_usd4(price),
        amount=to_usd4(amount),
        fill=fill,
        detail=detail,
    )


@pytest.mark.parametrize(
    ("kind", "qty", "detail", "cause"),
    [
        (ActivityKind.EXPIRY, -4, "", ExitReason.EXPIRED),
        (ActivityKind.EXERCISE, -4, "", ExitReason.EXERCISED),
        (ActivityKind.FILL, -4, "liquidation", ExitReason.LIQUIDATED),
        (ActivityKind.FILL, -1, "", ExitReason.EXTERNAL),
    ],
)
def test_contracts_that_leave_without_our_order_have_a_cause(kind, qty, detail, cause):
    (body,) = bookings(HELD, [activity(kind, qty, "12", detail=detail)])
    assert isinstance(body, e.ContractsRemoved)
    assert (body.cause, body.qty, body.amount) == (cause, -qty, to_usd4("12"))
    assert told(HELD, body).positions["P1"].qty == 4 + qty


def test_a_booked_activity_is_never_booked_again():
    (body,) = bookings(HELD, [activity(ActivityKind.EXPIRY, -4)])
    after = told(HELD, body)
    assert bookings(after, [activity(ActivityKind.EXPIRY, -4)]) == []


def test_a_batch_follows_the_quantities_it_books_itself():
    batch = [
        activity(ActivityKind.FILL, 4, "-400", cid=CID, number="A1"),
        activity(ActivityKind.FILL, -3, "300", number="A2"),
        activity(ActivityKind.FILL, -3, "300", number="A3"),
    ]
    ledger = in_state(OrderState.UNKNOWN)
    bodies = bookings(ledger, batch)
    assert [type(body).__name__ for body in bodies] == [
        "ControlChanged",
        "FillBooked",
        "ContractsRemoved",
        "ContractsRemoved",
        "ExternalMoved",
    ]
    after = told(ledger, *bodies)
    assert (after.positions["P1"].qty, bodies[3].qty) == (0, 1)
    # Every dollar is somewhere: 400 out, 600 in, of which 400 belong to our 4; two are sold short.
    assert after.cash - ledger.cash == to_usd4("200")
    assert (after.held(), after.control) == ({META_CALL: -2}, ControlLevel.REDUCE_ONLY)


def test_cash_that_no_position_explains_is_a_movement_of_its_own():
    (body,) = bookings(HELD, [activity(ActivityKind.FEE, 0, "-0.04")])
    assert isinstance(body, e.CashMoved)
    assert told(HELD, body).cash == HELD.cash - to_usd4("0.04")


def test_a_purchase_by_hand_is_held_beside_the_position_and_not_managed():
    (body,) = bookings(HELD, [activity(ActivityKind.FILL, 2, "-200")])
    assert isinstance(body, ExternalMoved)
    after = told(HELD, body)
    assert (after.positions["P1"].qty, after.held()) == (4, {META_CALL: 6})
    assert (after.cash, after.realised) == (HELD.cash - to_usd4("200"), HELD.realised)


def test_a_sale_beyond_the_ledgers_quantity_freezes_and_keeps_the_cash_true():
    sold_out = told(HELD, *bookings(HELD, [activity(ActivityKind.FILL, -4, "400", number="A0")]))
    entry_id = next(iter(sold_out.orders))
    bodies = bookings(sold_out, [activity(ActivityKind.FILL, -1, "100", cid=entry_id)])
    after = told(sold_out, *bodies)
    assert after.positions["P1"].frozen
    assert after.cash == sold_out.cash + to_usd4("100")


def test_an_assignment_stops_everything():
    bodies = bookings(HELD, [activity(ActivityKind.ASSIGNMENT, 1, "-5000")])
    assert told(HELD, *bodies).control is ControlLevel.HARD_STOP
    assert bookings(told(HELD, *bodies), [activity(ActivityKind.ASSIGNMENT, 1, "-5000")]) == []


def shown(order, *, status=BrokerStatus.NEW, qty=4, cum=0, legs=None):
    return BrokerOrder(
        broker_order_id="broker-1",
        client_order_id=order.id,
        status=status,
        qty=qty,
        cum=cum,
        legs=order.intent.legs if legs is None else legs,
        limit=order.intent.limit,
        submitted_at=minute(0),
    )


def test_nothing_new_gives_no_event():
    ledger = in_state(OrderState.WORKING)
    assert reconcile.observations(ledger, [shown(ledger.orders[CID])]) == []


def test_an_order_of_another_quantity_than_intended_is_quarantined_and_the_account_reduces():
    ledger = in_state(OrderState.WORKING)
    bodies = reconcile.observations(ledger, [shown(ledger.orders[CID], qty=5)])
    after = told(ledger, *bodies)
    assert (after.orders[CID].state, after.control) == (OrderState.QUARANTINED, ControlLevel.REDUCE_ONLY)
    assert reconcile.observations(after, [shown(after.orders[CID], qty=5)]) == []


def test_an_order_of_somebody_else_is_nobodys_event():
    ledger = in_state(OrderState.WORKING)
    other = shown(ledger.orders[CID])
    other = BrokerOrder(**{name: getattr(other, name) for name in other.__slots__} | {"client_order_id": "x"})
    assert reconcile.observations(ledger, [other]) == []


def position(qty):
    return BrokerPosition(symbol=META_CALL, qty=qty, average_price=UNIT)


def test_differences_are_over_the_union_of_both_sides():
    assert reconcile.differences(HELD, [position(4)]) == {}
    assert reconcile.differences(HELD, []) == {META_CALL: (4, 0)}
    assert reconcile.differences(Ledger(account=TINY), [position(2)]) == {META_CALL: (0, 2)}


def found_at(ledger, seconds, pair, cause=Cause.UNKNOWN):
    found = {META_CALL: pair} if pair else {}
    now = minute(10) + timedelta(seconds=seconds)
    return told(ledger, *reconcile.breaks(ledger, found, {META_CALL: cause}, now=now, rules=RULES))


def test_a_difference_counts_once_the_same_one_is_seen_15_seconds_later():
    ledger = found_at(HELD, 0, (4, 3))
    assert not ledger.breaks[META_CALL].confirmed
    assert not found_at(ledger, 14, (4, 3)).breaks[META_CALL].confirmed
    confirmed = found_at(ledger, 15, (4, 3))
    assert (confirmed.breaks[META_CALL].confirmed, confirmed.control) == (True, ControlLevel.REDUCE_ONLY)
    assert confirmed.positions["P1"].frozen
    assert confirmed.positions["P1"].is_open


def test_another_difference_starts_anew():
    ledger = found_at(found_at(HELD, 0, (4, 3)), 15, (4, 2))
    assert not ledger.breaks[META_CALL].confirmed
    assert found_at(ledger, 30, (4, 2)).breaks[META_CALL].confirmed


def test_a_difference_that_ends_thaws_what_it_froze():
    ledger = found_at(found_at(found_at(HELD, 0, (4, 3)), 15, (4, 3)), 30, None)
    assert (dict(ledger.breaks), ledger.positions["P1"].frozen) == ({}, "")
    assert ledger.control is ControlLevel.REDUCE_ONLY


def test_a_person_s_freeze_is_not_thawed():
    ledger = told(HELD, e.PositionFrozen(position_id="P1", reason="corporate action"))
    ledger = found_at(found_at(found_at(ledger, 0, (4, 3)), 15, (4, 3)), 30, None)
    assert ledger.positions["P1"].frozen == "corporate action"


def test_orders_thought_never_placed_are_watched_for_the_session():
    ledger = told(
        in_state(OrderState.ABANDONING),
        e.OrderSettled(client_order_id=CID, state="NOT_PLACED", reason="quarantine over"),
    )
    assert [order.id for order in reconcile.watched(ledger, now=minute(60))] == [CID]
    assert reconcile.watched(ledger, now=minute(60 * 9)) == []
    # One that was never sent cannot turn up.
    assert reconcile.watched(in_state(OrderState.NOT_PLACED), now=minute(1)) == []


def test_a_restart_makes_what_was_being_sent_unknown():
    ledger = in_state(OrderState.SENDING)
    after = told(ledger, *reconcile.recovered(ledger))
    assert after.orders[CID].state is OrderState.UNKNOWN
    assert reconcile.recovered(after) == []


def quarantined():
    return in_state(OrderState.QUARANTINED)


BY = By(actor="sam", reason="asked the desk", now=minute(30))


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (BrokerStatus.FILLED, OrderState.FILLED),
        (BrokerStatus.CANCELED, OrderState.CANCELED),
        (BrokerStatus.EXPIRED, OrderState.EXPIRED),
        (BrokerStatus.REJECTED, OrderState.REJECTED),
        (None, OrderState.NOT_PLACED),
    ],
)
def test_a_person_ends_a_quarantined_order_as_what_the_broker_says_of_it(status, state):
    ledger = quarantined()
    order = ledger.orders[CID]
    there = shown(order, status=status) if status else None
    proposal = resolve_order(order, there, Cause.BUST, by=BY)
    after = told(ledger, *proposal.bodies)
    assert (after.orders[CID].state, after.orders[CID].detail) == (state, "bust: asked the desk")
    assert [type(body).__name__ for body in proposal.bodies] == ["OperatorActed", "OrderSettled"]


def test_an_order_that_still_works_at_the_broker_is_not_ended():
    order = quarantined().orders[CID]
    refused = resolve_order(order, shown(order), Cause.UNKNOWN, by=BY)
    assert isinstance(refused, Objection)
    assert "cancel it first" in refused.why
    working = in_state(OrderState.WORKING).orders[CID]
    assert isinstance(resolve_order(working, None, Cause.UNKNOWN, by=BY), Objection)


def test_an_activity_that_a_person_told_before_moves_cash_only():
    ledger = found_at(found_at(HELD, 0, (4, 1)), 15, (4, 1))
    resolved = resolve_break(ledger, META_CALL, Cause.MANUAL_TRADE, amount=0, by=BY)
    after = told(ledger, *resolved.bodies)
    assert (after.held(), dict(after.breaks), after.positions["P1"].frozen) == ({META_CALL: 1}, {}, "")
    bodies = bookings(after, [activity(ActivityKind.FILL, -3, "300")])
    late = told(after, *bodies)
    assert (late.held(), dict(late.resolved)) == ({META_CALL: 1}, {})
    assert late.cash == after.cash + to_usd4("300")


def test_what_is_sold_by_hand_is_first_what_was_bought_by_hand():
    bought = told(HELD, *bookings(HELD, [activity(ActivityKind.FILL, 2, "-200", number="A1")]))
    sold = told(bought, *bookings(bought, [activity(ActivityKind.FILL, -3, "450", number="A2")]))
    assert (sold.positions["P1"].qty, dict(sold.external)) == (3, {})
    # Two were theirs: bought for 200, sold for 300; one was ours and brought 150.
    assert sold.other_cash == to_usd4("100")
    assert sold.positions["P1"].proceeds == to_usd4("150")


def test_a_fill_of_an_order_with_our_mark_that_nobody_knows_reduces():
    lost = activity(ActivityKind.FILL, 2, "-200", cid="op1dead-e-abc-1")
    after = told(HELD, *bookings(HELD, [lost]))
    assert (after.held(), after.control) == ({META_CALL: 6}, ControlLevel.REDUCE_ONLY)
    assert after.external[META_CALL].qty == 2


def test_an_order_that_shows_more_filled_than_ordered_is_quarantined():
    ledger = in_state(OrderState.WORKING)
    bodies = reconcile.observations(ledger, [shown(ledger.orders[CID], cum=5)])
    assert told(ledger, *bodies).orders[CID].state is OrderState.QUARANTINED


def test_a_cause_that_is_known_neither_freezes_nor_reduces():
    ledger = found_at(found_at(HELD, 0, (4, 0), Cause.EXPIRY), 15, (4, 0), Cause.EXPIRY)
    assert ledger.breaks[META_CALL].confirmed
    assert (ledger.positions["P1"].frozen, ledger.control) == ("", ControlLevel.NORMAL)
    # Nothing is learnt by looking again.
    assert found_at(ledger, 30, (4, 0), Cause.EXPIRY).seq == ledger.seq


def test_a_batch_that_comes_backwards_is_booked_the_same():
    batch = [
        activity(ActivityKind.FILL, 4, "-400", cid=CID, number="A1"),
        activity(ActivityKind.FILL, -3, "300", number="A2"),
    ]
    ledger = in_state(OrderState.UNKNOWN)
    there, back = (told(ledger, *bookings(ledger, rows)) for rows in (batch, batch[::-1]))
    assert there.held() == back.held() == {META_CALL: 1}
    assert there.cash == back.cash
