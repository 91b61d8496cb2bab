"""Feature 2 on the services: what others do to an account is booked with its cause, exits follow it."""

from datetime import date, timedelta

import pytest

from ops_pipeline.adapters.simulator.book import Holding
from ops_pipeline.adapters.store.verify import verify
from ops_pipeline.app.alerting import _of_account as alerts_of
from ops_pipeline.app.listing import event_rows, position_rows
from ops_pipeline.domain.accounts import ControlLevel
from ops_pipeline.domain.breaks import BreakSettled, Cause
from ops_pipeline.domain.orders import Activity, ActivityKind, Fill, OrderState, Purpose
from ops_pipeline.domain.positions import ExitReason
from ops_pipeline.domain.units import to_usd4
from tests.builders_market import ACCOUNT, CALL, OPEN, Fault, Rig, at

LAST_DAY = date(2026, 4, 17)


@pytest.fixture
def rig(tmp_path):
    made = Rig(tmp_path)
    made.market.put(OPEN, "9.90", "10.00")
    yield made
    made.store.close()


def happen(rig, now, kind, qty=0, amount="0", *, symbol=CALL, fill=None, number="A1"):
    """Let the broker book something; its holdings follow."""
    rig.clock.move_to(now)
    rig.broker._advance()
    cash = to_usd4(amount)
    rig.book.cash += cash
    held = rig.book.holdings.setdefault(symbol, Holding(qty=0, cost=0, multiplier=100))
    held.qty += qty
    if not held.qty:
        del rig.book.holdings[symbol]
    told = Activity(
        activity_id=number,
        kind=kind,
        at=now,
        symbol=symbol,
        qty=qty,
        price=0,
        amount=cash,
        fill=fill,
    )
    rig.book.activities.append(told)


def fill_of(rig, purpose):
    order = rig.orders(purpose)[0]
    told = [row.fill for row in rig.book.activities if row.fill and row.fill.client_order_id == order.id]
    return told[0]


def busted(rig, now, purpose):
    """Let the exchange take the first fill of an order back."""
    fill = fill_of(rig, purpose)
    back = fill.price * fill.qty * 100 + fill.fees
    rig.clock.move_to(now)
    happen(rig, now, ActivityKind.BUST, -fill.qty, str(back / 10_000), fill=fill, number="BUST-1")
    return fill


def test_feature_02_a_busted_sale_is_held_watched_and_sold_again(rig):
    rig.opened(4)
    rig.market.put(at(14, 40), "7.00", "7.10")
    rig.run(at(14, 40), at(14, 42))
    assert not rig.position.is_open
    busted(rig, at(14, 43), Purpose.EXIT)
    rig.run(at(14, 43), at(14, 43))
    assert (rig.position.is_open, rig.position.qty) == (True, 4)
    assert verify(rig.store.database) == []
    assert not rig.store.trades(ACCOUNT, since=OPEN, limit=9)
    rig.run(at(14, 43, 15), at(14, 46))
    assert not rig.position.is_open
    rig.assert_sound()
    assert verify(rig.store.database) == []


def test_feature_02_a_busted_purchase_resizes_the_exit_that_works(rig):
    rig.opened(4)
    half = fill_of(rig, Purpose.ENTRY)
    part = Fill(**{n: getattr(half, n) for n in half.__slots__} | {"qty": 2, "fees": 0})
    # The stop's order finds no buyer.
    rig.market.put(at(14, 40), "7.00", "7.10", size=0)
    rig.run(at(14, 40), at(14, 40, 30))
    assert [order.intent.qty for order in rig.orders(Purpose.EXIT) if order.is_live] == [4]
    back = str(part.price * 2 * 100 / 10_000)
    happen(rig, at(14, 40, 40), ActivityKind.BUST, -2, back, fill=part, number="BUST-1")
    rig.run(at(14, 40, 45), at(14, 41, 15))
    live = [order.intent.qty for order in rig.orders(Purpose.EXIT) if order.is_live]
    assert (live, rig.position.qty) == ([2], 2)


def test_feature_02_more_filled_than_ordered_freezes_and_reduces(rig):
    rig.opened(4)
    entry = rig.orders(Purpose.ENTRY)[0]
    extra = Fill(execution_id="X9", client_order_id=entry.id, occ=CALL, qty=1, price=1, fees=0, at=at(14, 40))
    happen(rig, at(14, 40), ActivityKind.FILL, 1, "-0.01", fill=extra)
    rig.run(at(14, 40), at(14, 40, 15))
    assert rig.orders(Purpose.ENTRY)[0].state is OrderState.QUARANTINED
    assert (rig.position.qty, bool(rig.position.frozen)) == (5, True)
    assert rig.ledger.control is ControlLevel.REDUCE_ONLY


def test_feature_02_an_exercise_to_shares_reduces_and_pages(rig):
    rig.opened(4)
    happen(rig, at(14, 40), ActivityKind.EXERCISE, -4, number="E1")
    happen(rig, at(14, 40), ActivityKind.OPTION_TRADE, 400, "-200000", symbol="META", number="E2")
    rig.run(at(14, 40), at(14, 40, 30))
    assert rig.position.close_reason == ExitReason.EXERCISED
    assert (rig.ledger.held(), rig.ledger.control) == ({"META": 400}, ControlLevel.REDUCE_ONLY)
    assert rig.ledger.cash == rig.book.cash
    row = next(row for row in alerts_of(rig.ledger, None) if row["alert"] == "external")
    assert (row["severity"], row["detail"]) == ("page", "400 shares held, not managed")
    (beside,) = [row for row in position_rows(rig.ledger, open_only=True) if row["flags"] == "EXTERNAL"]
    assert (beside["occ"], beside["qty"], beside["entry"]) == ("META", 400, 500.0)


def test_feature_02_a_cause_is_provisional_until_its_activity_confirms_or_corrects_it(rig):
    """It closes in the money, the broker shows nothing held, and next day it says: expired."""
    rig.market.put(at(14, day=LAST_DAY), None, None)
    rig.opened(2)
    rig.market.put_spot(at(19, 59, day=LAST_DAY), "510")
    rig.broker._settle = lambda _: None
    del rig.book.holdings[CALL]
    evening = at(21, 5, day=LAST_DAY)
    rig.run(evening, evening + timedelta(seconds=30))
    found = rig.ledger.breaks[CALL]
    assert (found.cause, found.standing) == (Cause.EXERCISE, "exercise (provisional)")
    # Nothing is closed, frozen or stopped by a guess; entries are refused while it stands.
    assert (rig.position.qty, rig.position.frozen, rig.ledger.control) == (2, "", ControlLevel.NORMAL)
    row = next(row for row in alerts_of(rig.ledger, None) if row["alert"] == "break")
    assert (row["severity"], row["detail"]) == ("warn", "exercise (provisional): ledger 2, broker 0")
    (flags,) = {row["flags"] for row in position_rows(rig.ledger, open_only=True, today=date(2026, 4, 20))}
    assert flags == "EXPIRED"
    monday = at(14, 35, day=date(2026, 4, 20))
    rig.book.holdings[CALL] = Holding(qty=2, cost=0, multiplier=100)
    happen(rig, monday, ActivityKind.EXPIRY, -2, number="OPEXP-1")
    rig.run(monday, monday + timedelta(seconds=15))
    settled = [v.body for v in rig.store.events(ACCOUNT) if isinstance(v.body, BreakSettled)]
    assert settled == [
        BreakSettled(symbol=CALL, cause="expiry", inferred="exercise", evidence="OPEXP-1"),
    ]
    assert rig.position.close_reason == ExitReason.EXPIRED
    told = [row["detail"] for row in event_rows(rig.store, ACCOUNT, CALL, 9)]
    assert told[-1] == "expiry, was exercise (OPEXP-1)"


def test_feature_02_a_guess_that_nothing_confirms_in_four_days_is_unknown(rig):
    rig.opened(2)
    del rig.book.holdings[CALL]
    rig.book.holdings["META"] = Holding(qty=200, cost=0, multiplier=1)
    rig.run(at(14, 40), at(14, 40, 30))
    assert rig.ledger.breaks[CALL].cause is Cause.EXERCISE
    later = at(14, 41, day=date(2026, 3, 9))
    rig.run(later, later + timedelta(seconds=15))
    assert rig.ledger.breaks[CALL].cause is Cause.UNKNOWN
    assert rig.position.frozen


def test_feature_02_a_stop_sells_what_the_broker_still_holds_of_what_is_explained(rig):
    """An exit of a position that a person sold one of is not held up until the activity arrives."""
    rig.opened(4)
    rig.book.holdings[CALL].qty = 3
    shown = rig.book.orders[next(iter(rig.book.orders))]
    from ops_pipeline.domain.orders import BrokerStatus, Leg, Side

    rig.book.orders["b-app"] = type(shown)(
        broker_order_id="b-app",
        client_order_id="app-1",
        status=BrokerStatus.FILLED,
        qty=1,
        cum=1,
        legs=(Leg(occ=CALL, side=Side.SELL_TO_CLOSE),),
        limit=1,
        submitted_at=at(14, 39),
    )
    rig.run(at(14, 40), at(14, 40, 30))
    found = rig.ledger.breaks[CALL]
    assert (found.cause, found.confirmed) == (Cause.MANUAL_TRADE, True)
    rig.market.put(at(14, 41), "7.00", "7.10")
    rig.run(at(14, 41), at(14, 42))
    assert rig.sold() == [("option_stop_loss", 3)]


def test_feature_02_an_activity_of_nine_days_ago_is_booked_after_a_long_night(rig):
    rig.opened(2)
    rig.run(at(14, 40), at(14, 40))
    missed = at(15, day=date(2026, 3, 4))
    happen(rig, missed, ActivityKind.FEE, 0, "-1.25", number="FEE-9")
    back = at(14, 35, day=date(2026, 3, 13))
    rig.faults.plan["activities"] = [Fault.READ_FAILED]
    before = rig.ledger.read_through
    rig.run(back, back)
    assert rig.ledger.read_through == before
    rig.run(back + timedelta(seconds=15), back + timedelta(seconds=15))
    assert (rig.ledger.read_through.date(), rig.ledger.cash) == (back.date(), rig.book.cash)


def test_feature_02_what_happened_before_the_account_was_opened_is_in_its_cash_already(tmp_path):
    rig = Rig(tmp_path)
    early = OPEN - timedelta(days=1)
    rig.book.activities.append(
        Activity(
            activity_id="OLD",
            kind=ActivityKind.FEE,
            at=early,
            symbol="",
            qty=0,
            price=0,
            amount=-to_usd4("7"),
        )
    )
    rig.market.put(OPEN, "9.90", "10.00")
    rig.run(at(14, 40), at(14, 40))
    assert rig.ledger.cash == rig.book.cash
    rig.store.close()


def test_feature_02_an_empty_answer_that_the_account_belies_changes_nothing(rig):
    rig.opened(4)
    real = rig.broker.positions
    rig.broker.positions = lambda: ()
    rig.run(at(14, 40), at(14, 41))
    assert (dict(rig.ledger.breaks), rig.position.frozen) == ({}, "")
    assert rig.reports[-2].failed[0].error.endswith("was an empty list")
    rig.broker.positions = real
    rig.run(at(14, 41, 15), at(14, 41, 30))
    rig.assert_sound()
