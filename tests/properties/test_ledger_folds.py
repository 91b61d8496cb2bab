"""What holds of the ledger's folds for every life an account can have."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops_pipeline.domain import events as e
from ops_pipeline.domain.errors import LedgerError
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.ledger_fold import apply_all
from ops_pipeline.domain.orders import BrokerStatus, OrderState, Purpose
from ops_pipeline.domain.position_fold import trade_of
from ops_pipeline.domain.units import ClientOrderId, PositionId
from tests.builders_ledger import (
    START,
    TINY,
    accepted,
    account_opened,
    closed,
    completed,
    filled,
    intended,
    observed,
    planned,
    sending,
)

CASH = "100000"
START_CASH = 1_000_000_000
CID = ClientOrderId("o1")
P1 = PositionId("P1")

prices = st.integers(1, 5_000).map(lambda cents: f"{cents / 100:.2f}")
fees = st.integers(0, 300).map(lambda cents: f"{cents / 100:.2f}")


def chained(bodies, start=None):
    """Chain bodies one minute apart."""
    ledger = start or Ledger(account=TINY)
    events, head, seq = [], ledger.head, ledger.seq
    for body in bodies:
        seq += 1
        events.append(e.chain(TINY, seq, START + timedelta(minutes=seq), body, head))
        head = events[-1].hash
    return events


def folded(bodies, start=None):
    return apply_all(start or Ledger(account=TINY), chained(bodies, start))


@st.composite
def parts(draw, total):
    """Split a quantity into parts of at least one."""
    left, cut = total, []
    while left:
        cut.append(draw(st.integers(1, left)))
        left -= cut[-1]
    return cut


@st.composite
def lives(draw):
    """Entry fills and exit fills of one position that is bought and sold out, and its fills."""
    qty = draw(st.integers(1, 9))
    bought = [
        filled("o1", part, draw(prices), execution=f"b{n}", fees=draw(fees))
        for n, part in enumerate(draw(parts(qty)))
    ]
    sold = [
        filled("o2", -part, draw(prices), execution=f"s{n}", fees=draw(fees))
        for n, part in enumerate(draw(parts(qty)))
    ]
    before = [account_opened(CASH), planned(), intended("o1", qty=qty), sending("o1"), accepted("o1")]
    between = [
        completed(qty=qty),
        intended("o2", qty=qty, purpose=Purpose.EXIT),
        sending("o2"),
        accepted("o2"),
    ]
    return before, draw(st.permutations(bought)), between, draw(st.permutations(sold))


@given(lives())
def test_any_order_of_the_fills_ends_flat_with_the_same_trade(life):
    before, bought, between, sold = life
    ledgers = [
        folded([*before, *entries, *between, *exits, closed()])
        for entries, exits in ((bought, sold), (bought[::-1], sold[::-1]))
    ]
    trades = [trade_of(ledger.positions[P1]) for ledger in ledgers]
    assert trades[0] is not None
    for ledger in ledgers:
        assert ledger.held() == {}
        assert ledger.live_orders == ()
        assert {order.state for order in ledger.orders.values()} == {OrderState.FILLED}
    assert ledgers[0].cash == ledgers[1].cash
    assert (trades[0].pnl, trades[0].cost, trades[0].fees) == (trades[1].pnl, trades[1].cost, trades[1].fees)


@given(lives(), st.integers(0, 40))
def test_p6_cash_is_conserved_at_every_point_of_a_life(life, stop):
    before, bought, between, sold = life
    bodies = [*before, *bought, *between, *sold, closed()][: max(1, stop)]
    ledger = folded(bodies)
    fills = [body for body in bodies if isinstance(body, e.FillBooked)]
    flow = sum(-body.fill.qty * body.fill.price * 100 - body.fill.fees for body in fills)
    assert ledger.cash == START_CASH + flow
    basis = sum(position.basis for position in ledger.positions.values())
    assert ledger.cash == START_CASH + ledger.realised - basis


@given(lives())
def test_p5_a_closed_position_made_what_its_fills_made_less_fees(life):
    before, bought, between, sold = life
    ledger = folded([*before, *bought, *between, *sold, closed()])
    trade = trade_of(ledger.positions[P1])
    assert trade is not None
    assert trade.pnl == ledger.cash - START_CASH == ledger.realised


@given(lives(), st.data())
def test_o6_no_fill_is_booked_twice_and_a_refusal_changes_nothing(life, data):
    before, bought, between, sold = life
    ledger = folded([*before, *bought, *between, *sold])
    again = data.draw(st.sampled_from([*bought, *sold]))
    with pytest.raises(LedgerError, match="booked twice"):
        folded([again], ledger)
    assert ledger == folded([*before, *bought, *between, *sold])


@given(lives(), st.integers(1, 9))
def test_p2_more_than_is_held_is_never_sold(life, excess):
    before, bought, between, sold = life
    ledger = folded([*before, *bought, *between, *sold])
    with pytest.raises(LedgerError, match="sold"):
        folded([filled("o2", -excess, "1.00", execution="extra")], ledger)
    assert min(position.qty for position in ledger.positions.values()) == 0


@given(lives(), st.data())
def test_o9_folding_in_batches_is_folding_at_once(life, data):
    events = chained([*(before := life[0]), *life[1], *life[2], *life[3], closed()])
    cut = data.draw(st.integers(0, len(events)))
    at_once = apply_all(Ledger(account=TINY), events)
    in_batches = apply_all(apply_all(Ledger(account=TINY), events[:cut]), events[cut:])
    assert in_batches == at_once
    assert len(before) < at_once.seq


@given(lives(), st.data())
def test_o12_a_missing_or_repeated_event_is_refused(life, data):
    events = chained([*life[0], *life[1], *life[2], *life[3]])
    place = data.draw(st.integers(0, len(events) - 2))
    for broken in (events[:place] + events[place + 1 :], events[: place + 1] + events[place:]):
        with pytest.raises(LedgerError, match="expected event"):
            apply_all(Ledger(account=TINY), broken)


@given(lives())
def test_every_event_reads_back_as_it_was_written(life):
    for body in (*life[0], *life[1], *life[2], *life[3], closed()):
        assert e.decode(type(body).__name__, e.canonical(body)) == body


# The table of order states. The broker's word and a booked fill are facts: they raise any lower state,
# also one in which nothing was sent as far as a restored backup knows. Terminal states stay.
LIVE = {OrderState.WORKING, OrderState.DRAINING, OrderState.CANCELING}
DEAD = {OrderState.FILLED, OrderState.CANCELED, OrderState.EXPIRED, OrderState.REJECTED}
FOUND = LIVE | DEAD
EDGES = {
    OrderState.INTENT: FOUND | {OrderState.SENDING, OrderState.NOT_PLACED},
    OrderState.RESEND_WAIT: FOUND | {OrderState.SENDING, OrderState.ABANDONING, OrderState.NOT_PLACED},
    OrderState.SENDING: FOUND | {OrderState.RESEND_WAIT, OrderState.UNKNOWN},
    OrderState.UNKNOWN: FOUND | {OrderState.RESEND_WAIT, OrderState.ABANDONING},
    OrderState.ABANDONING: FOUND | {OrderState.NOT_PLACED},
    OrderState.NOT_PLACED: {OrderState.ORPHAN},
    OrderState.REJECTED: {OrderState.ORPHAN},
    OrderState.ORPHAN: FOUND,
    OrderState.WORKING: FOUND,
    OrderState.CANCELING: FOUND - {OrderState.WORKING},
    OrderState.DRAINING: DEAD,
    OrderState.FILLED: set(),
    OrderState.CANCELED: set(),
    OrderState.EXPIRED: set(),
    OrderState.QUARANTINED: DEAD | {OrderState.NOT_PLACED, OrderState.REJECTED},
}


@st.composite
def order_events(draw):
    """Any event that may be claimed of the order `o1` of 3 contracts."""
    kind = draw(st.sampled_from(["send", "answer", "observe", "not_found", "settle", "fill"]))
    match kind:
        case "send":
            return sending("o1", attempt=draw(st.integers(1, 3)))
        case "answer":
            outcome = draw(st.sampled_from(["accepted", "rejected", "deferred", "unknown"]))
            return (
                accepted("o1")
                if outcome == "accepted"
                else e.OrderAnswered(client_order_id=CID, outcome=outcome)
            )
        case "observe":
            return observed("o1", draw(st.sampled_from(BrokerStatus)), draw(st.integers(0, 3)))
        case "not_found":
            return e.OrderNotFound(client_order_id=CID, count=draw(st.integers(1, 3)))
        case "settle":
            state = draw(st.sampled_from(OrderState))
            return e.OrderSettled(client_order_id=CID, state=state.value, reason="a test")
        case _:
            return filled("o1", 1, "1.00", execution=f"f{draw(st.integers(1, 4))}")


@given(st.lists(order_events(), max_size=25))
def test_o10_an_order_moves_only_along_the_table(bodies):
    ledger = folded([account_opened(CASH), planned(), intended("o1", qty=3)])
    for body in bodies:
        before = ledger.orders[CID]
        try:
            ledger = folded([body], ledger)
        except LedgerError:
            assert ledger.orders[CID] == before
            continue
        after = ledger.orders[CID]
        allowed = EDGES[before.state] | {before.state, OrderState.QUARANTINED}
        assert after.state in allowed, f"{before.state} -> {after.state} by {body}"
        # A person who ends an overfilled order has it count as filled to its quantity.
        ended_overfilled = after.state.is_terminal and after.booked > 3
        assert after.cum >= (3 if ended_overfilled else before.cum)
        assert 0 <= after.booked <= after.cum or (ended_overfilled and after.cum == 3)
        overfilled = after.booked > max(3, before.booked)
        assert not overfilled or after.state is OrderState.QUARANTINED


def sent_order(*more):
    return folded(
        [account_opened(CASH), planned(), intended("o1", qty=3), sending("o1"), accepted("o1"), *more]
    )


@pytest.mark.parametrize("status", [BrokerStatus.CANCELED, BrokerStatus.EXPIRED])
@pytest.mark.parametrize("late", [1, 3])
def test_o7_a_fill_that_comes_late_is_booked_and_the_order_stays_what_it_is(status, late):
    ledger = sent_order(observed("o1", status, 0), filled("o1", late, "1.00", execution="late"))
    order = ledger.orders[CID]
    assert (order.state, order.booked, order.leaves) == (OrderState[status.name], late, 0)
    assert ledger.positions[P1].qty == late
    assert ledger.cash == START_CASH - late * 1_000_000


def test_o5_more_fills_than_were_ordered_are_a_persons_to_judge_even_late():
    ledger = sent_order(observed("o1", BrokerStatus.CANCELED, 0), filled("o1", 4, "1.00", execution="late"))
    assert ledger.orders[CID].state is OrderState.QUARANTINED


def test_an_older_word_does_not_bring_a_draining_order_back_to_work():
    ledger = sent_order(
        observed("o1", BrokerStatus.CANCELED, 2), observed("o1", BrokerStatus.PARTIALLY_FILLED, 2)
    )
    assert ledger.orders[CID].state is OrderState.DRAINING
    ledger = folded([filled("o1", 2, "1.00", execution="f")], ledger)
    assert (ledger.orders[CID].state, ledger.orders[CID].booked) == (OrderState.CANCELED, 2)


@pytest.mark.parametrize("booked", [1, 3])
def test_a_rejected_order_that_filled_after_all_is_an_orphan_until_the_broker_ends_it(booked):
    begun = [account_opened(CASH), planned(), intended("o1", qty=3), sending("o1")]
    rejected = e.OrderAnswered(client_order_id=CID, outcome="rejected")
    ledger = folded([*begun, rejected, filled("o1", booked, "1.00", execution="f")])
    assert ledger.orders[CID].state is OrderState.ORPHAN
    ended = BrokerStatus.FILLED if booked == 3 else BrokerStatus.CANCELED
    assert folded([observed("o1", ended, booked)], ledger).orders[CID].state is OrderState[ended.name]


@pytest.mark.parametrize("attempted", [False, True])
def test_an_order_the_broker_knows_is_taken_up_even_if_nothing_was_sent_as_far_as_we_know(attempted):
    deferred = e.OrderAnswered(client_order_id=CID, outcome="deferred")
    before = [sending("o1"), deferred] if attempted else []
    ledger = folded([account_opened(CASH), planned(), intended("o1", qty=3), *before])
    assert ledger.orders[CID].state is (OrderState.RESEND_WAIT if attempted else OrderState.INTENT)
    assert folded([observed("o1", BrokerStatus.NEW, 0)], ledger).orders[CID].state is OrderState.WORKING
