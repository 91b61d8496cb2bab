"""Orders from the entry to the trade row, on the shipped broker and store."""

from datetime import date, timedelta

import pytest

from ops_pipeline.adapters.simulator.broker import Fault
from ops_pipeline.domain import events as e
from ops_pipeline.domain.accounts import ControlLevel
from ops_pipeline.domain.orders import OrderState, Purpose
from ops_pipeline.domain.positions import PositionStatus
from ops_pipeline.domain.signals import Strategy
from ops_pipeline.domain.units import to_usd4
from tests.builders_market import ACCOUNT, CALL, CLOSE, OPEN, Rig, at, only


@pytest.fixture
def rig(tmp_path):
    return Rig(tmp_path)


def test_an_entry_fills_in_parts_and_opens_with_its_original_quantity(rig):
    rig.market.put(OPEN, "9.90", "10.00", size=3)
    rig.clock.move_to(at(14, 31))
    rig.buy(7, limit="10.00")
    assert (rig.position.status, rig.position.original_qty) == (PositionStatus.OPENING, 0)
    rig.run(at(14, 31, 10), at(14, 31, 40), step=10)
    assert (rig.position.status, rig.position.original_qty, rig.position.qty) == (PositionStatus.OPEN, 7, 7)
    assert rig.position.cost == to_usd4("7000")
    rig.assert_sound()


def test_the_entry_walks_from_the_mid_to_the_ask_by_cancel_and_next_generation(rig):
    rig.market.put(OPEN, "1.00", "1.06")
    rig.clock.move_to(at(14, 31))
    rig.buy(2)
    rig.run(at(14, 31, 10), at(14, 31, 40), step=10)
    entries = rig.orders(Purpose.ENTRY)
    assert [order.intent.limit for order in entries] == [to_usd4(p) for p in ("1.03", "1.04", "1.05", "1.06")]
    assert [order.state for order in entries] == [OrderState.CANCELED] * 3 + [OrderState.FILLED]
    assert rig.position.original_qty == 2
    rig.assert_sound()


@pytest.mark.parametrize(
    ("bid", "ask"),
    [("0.50", "1.50"), ("1.06", "1.00"), ("1.00", None), ("500.50", "500.60")],
    ids=["wide", "crossed", "one-sided", "impossible"],
)
def test_an_entry_stands_while_no_usable_quote_prices_it(rig, bid, ask):
    rig.market.put(OPEN, "1.00", "1.06")
    rig.clock.move_to(at(14, 31))
    rig.buy(2)
    rig.market.put(at(14, 31, 5), bid, ask)
    rig.run(at(14, 31, 10), at(14, 31, 40), step=10)
    (entry,) = rig.orders(Purpose.ENTRY)
    assert (entry.intent.limit, entry.state) == (to_usd4("1.03"), OrderState.WORKING)
    rig.tick(at(14, 31, 45))
    assert not rig.ledger.live_orders
    assert rig.position.close_reason == "not_filled"


def test_an_entry_cancelled_for_its_next_step_goes_on_only_from_a_usable_quote(rig):
    rig.market.put(OPEN, "1.00", "1.06", size=0)
    rig.clock.move_to(at(14, 31))
    rig.buy(2)
    rig.faults.plan["orders"] = [Fault.NONE, Fault.READ_FAILED]  # the cancel is seen one look later
    rig.tick(at(14, 31, 10))
    assert rig.orders()[0].state is OrderState.CANCELING
    rig.market.put(at(14, 31, 15), "0.50", "1.50")
    rig.tick(at(14, 31, 20))
    assert [order.state for order in rig.orders()] == [OrderState.CANCELED]
    rig.market.put(at(14, 31, 25), "1.00", "1.06")
    rig.tick(at(14, 31, 30))
    assert [order.intent.limit for order in rig.orders()] == [to_usd4("1.03"), to_usd4("1.06")]


def test_an_entry_that_nobody_fills_is_cancelled_after_45_seconds_and_closes_empty(rig):
    rig.market.put(OPEN, "1.00", "1.06", size=0)
    rig.clock.move_to(at(14, 31))
    rig.buy(2)
    rig.run(at(14, 31, 10), at(14, 32, 10), step=10)
    assert not rig.ledger.live_orders
    assert (rig.position.status, rig.position.close_reason) == (PositionStatus.CLOSED, "not_filled")
    assert not rig.store.trades(ACCOUNT, since=OPEN, limit=10)
    rig.assert_sound()


def test_a_partial_entry_is_kept(rig):
    rig.market.put(OPEN, "1.00", "1.06", size=1)
    rig.market.put(at(14, 31, 5), "1.00", "1.20", size=1)
    rig.clock.move_to(at(14, 31))
    rig.buy(3, limit="1.06")
    rig.run(at(14, 31, 10), at(14, 32, 10), step=10)
    assert (rig.position.status, rig.position.original_qty) == (PositionStatus.OPEN, 1)
    rig.assert_sound()


def test_the_stop_needs_two_marks_then_walks_down_and_leaves_a_trade_row(rig):
    rig.opened(4)
    rig.market.put(at(14, 40), "7.40", "7.50")
    rig.tick(at(14, 40))
    assert not rig.orders(Purpose.EXIT)
    # The bid has gone by the time the order stands: it is repriced from the new one.
    rig.market.put(at(14, 40, 14), "7.40", "7.50", size=0)
    rig.run(at(14, 40, 15), at(14, 40, 45))
    rig.market.put(at(14, 40, 50), "7.20", "7.30")
    rig.run(at(14, 41), at(14, 41, 15))
    limits = [order.intent.limit for order in rig.orders(Purpose.EXIT)]
    # The bid, then 5 % and 10 % below it, 7.03 and 6.66, down to the nickel; the sale is at the bid.
    assert limits[:3] == [to_usd4("7.40"), to_usd4("7.00"), to_usd4("6.65")]
    trade = only(rig.store.trades(ACCOUNT, since=OPEN, limit=10))
    assert (trade.reason, trade.qty, trade.proceeds) == ("option_stop_loss", 4, to_usd4("2880"))
    assert trade.pnl == trade.proceeds - trade.cost - trade.fees
    assert rig.position.status is PositionStatus.CLOSED
    rig.assert_sound()


def test_the_ladder_sells_five_then_two_of_ten_and_three_ride(rig):
    rig.opened(10)
    rig.market.put(at(14, 40), "15.00", "15.10")
    rig.run(at(14, 40), at(14, 41, 15))
    assert rig.sold() == [("first_profit_target", 5)]
    rig.market.put(at(14, 45), "17.50", "17.60")
    rig.run(at(14, 45), at(14, 46, 15))
    assert rig.sold() == [("first_profit_target", 5), ("second_profit_target", 2)]
    assert (rig.position.qty, rig.position.exit) == (3, None)
    rig.assert_sound()


def test_a_gap_through_both_levels_is_one_order(rig):
    rig.opened(10)
    rig.market.put(at(14, 40), "18.00", "18.10")
    rig.run(at(14, 40), at(14, 41))
    assert rig.sold() == [("second_profit_target", 7)]
    rig.assert_sound()


def test_the_riders_leave_by_the_trailing_stop(rig):
    rig.opened(10)
    for minute, price in ((40, 18.0), (42, 22.0), (44, 25.0), (46, 20.0)):
        rig.market.put(at(14, minute), f"{price - 0.05:.2f}", f"{price + 0.05:.2f}")
    rig.run(at(14, 40), at(14, 47))
    # Peak 25: the stop is 25 - 25 % of 15 = 21.25; the market at 20 pays its bid.
    assert rig.sold() == [("second_profit_target", 7), ("trailing_stop", 3)]
    trade = only(rig.store.trades(ACCOUNT, since=OPEN, limit=10))
    assert (trade.reason, trade.qty) == ("trailing_stop", 10)
    rig.assert_sound()


def test_day_trades_are_flat_before_the_close(rig):
    rig.opened(3, strategy=Strategy.DAY)
    rig.run(at(20, 54, 30), at(20, 55, 30))
    assert rig.position.close_reason == "eod_flat"
    rig.assert_sound()


def test_a_stop_pre_empts_a_working_target(rig):
    rig.opened(10)
    rig.market.put(at(14, 40), "15.00", "15.10", size=2)
    rig.tick(at(14, 40))
    rig.tick(at(14, 40, 15))
    rig.tick(at(14, 40, 25))
    assert rig.sold() == [("first_profit_target", 4)]
    assert rig.orders(Purpose.TIER)[0].state is OrderState.WORKING
    rig.market.put(at(14, 40, 28), "7.00", "7.10")
    rig.run(at(14, 40, 30), at(14, 41, 30))
    assert rig.position.close_reason == "option_stop_loss"
    assert sum(qty for _, qty in rig.sold()) == 10
    rig.assert_sound()


def test_flatten_sells_everything_and_cancels_working_entries(rig):
    rig.opened(3)
    rig.market.put(OPEN, "1.00", "1.06", occ="META260417C00520000", size=0)
    rig.buy(1, occ="META260417C00520000", signal="S2")
    stop = e.ControlChanged(level=ControlLevel.FLATTEN, reason="drill", actor="operator")
    rig.store.commit(ACCOUNT, [stop], at=rig.clock.now())
    rig.run(at(14, 31, 30), at(14, 32))
    assert not rig.ledger.live_orders
    assert {p.close_reason for p in rig.ledger.positions.values()} == {"kill", "not_filled"}
    rig.assert_sound()


def test_an_exit_waits_for_the_working_entry_and_sells_its_partial_fill(rig):
    rig.market.put(OPEN, "9.90", "10.00", size=2)
    rig.clock.move_to(at(14, 31))
    rig.buy(6, limit="10.00")
    stop = e.ControlChanged(level=ControlLevel.FLATTEN, reason="drill", actor="operator")
    # One more contract trades at the instant of the cancel.
    rig.market.put(at(14, 31, 15), "9.90", "10.00", size=1)
    rig.tick(at(14, 31, 5))
    rig.store.commit(ACCOUNT, [stop], at=rig.clock.now())
    rig.run(at(14, 31, 15), at(14, 32), step=15)
    assert rig.orders(Purpose.ENTRY)[0].state is OrderState.CANCELED
    assert (rig.position.status, rig.position.qty) == (PositionStatus.CLOSED, 0)
    assert rig.position.bought == rig.position.sold == 5
    assert len(rig.orders(Purpose.ENTRY)) == 1
    rig.assert_sound()


def test_an_eod_exit_of_a_day_trade_ends_its_working_entry_first(rig):
    rig.market.put(OPEN, "9.90", "10.00", size=1)
    rig.clock.move_to(at(20, 54, 50))
    rig.buy(4, limit="10.00", strategy=Strategy.DAY)
    rig.run(at(20, 55), at(20, 56, 30))
    assert rig.position.close_reason == "eod_flat"
    assert rig.position.bought == rig.position.sold
    rig.assert_sound()


def test_a_latched_exit_that_expires_with_the_day_goes_on_at_the_next_open(rig):
    rig.opened(4)
    rig.market.put(at(20, 58), "7.00", "7.10", size=0)
    rig.run(at(20, 58), CLOSE)
    assert rig.position.exit.latched
    rig.tick(CLOSE + timedelta(minutes=1))
    assert not rig.ledger.live_orders
    following = date(2026, 3, 3)
    rig.market.put(at(14, 0, day=following), "6.90", "7.00")
    rig.run(at(14, 30, day=following), at(14, 31, day=following))
    assert rig.position.close_reason == "option_stop_loss"
    assert OrderState.EXPIRED in [order.state for order in rig.orders(Purpose.EXIT)]
    rig.assert_sound()


def test_a_manual_sale_at_the_broker_is_booked_as_external_and_closes_only_by_its_fill(rig):
    rig.opened(4)
    _sell_by_hand(rig, at(14, 40), 4)
    rig.tick(at(14, 40, 15))
    assert (rig.position.status, rig.position.close_reason) == (PositionStatus.CLOSED, "external")
    rig.assert_sound()


def test_part_of_a_position_sold_by_hand_leaves_the_rest_managed(rig):
    rig.opened(4)
    _sell_by_hand(rig, at(14, 40), 1)
    rig.tick(at(14, 40, 15))
    assert (rig.position.qty, rig.position.is_open) == (3, True)
    rig.market.put(at(14, 41), "7.00", "7.10")
    rig.run(at(14, 41), at(14, 42))
    assert rig.position.sold == 4
    rig.assert_sound()


def test_contracts_that_vanish_without_cause_freeze_and_are_never_closed_by_themselves(rig):
    rig.opened(4)
    rig.book.holdings.pop(CALL)
    rig.run(at(14, 40), at(14, 45), step=15)
    assert (rig.position.qty, rig.position.is_open) == (4, True)
    assert rig.position.frozen
    assert rig.ledger.control is ControlLevel.REDUCE_ONLY
    assert not rig.orders(Purpose.EXIT)


def test_a_break_that_is_gone_thaws_the_position_and_leaves_the_level_to_a_person(rig):
    rig.opened(4)
    held = rig.book.holdings.pop(CALL)
    rig.run(at(14, 40), at(14, 41), step=15)
    assert rig.position.frozen
    rig.book.holdings[CALL] = held
    rig.run(at(14, 41, 15), at(14, 41, 30))
    assert (rig.position.frozen, rig.ledger.control) == ("", ControlLevel.REDUCE_ONLY)
    rig.assert_sound()


def test_an_external_purchase_is_not_ours_but_its_cash_is_known(rig):
    rig.broker._advance()
    from ops_pipeline.domain.orders import Fill

    rig.broker._book_fill(
        Fill(execution_id="manual", client_order_id="", occ=CALL, qty=2, price=to_usd4("3"), fees=0, at=OPEN)
    )
    rig.run(at(14, 40), at(14, 41), step=15)
    assert not rig.ledger.positions
    # It is explained, so nothing is broken; it is held, and nobody here trades it.
    assert (dict(rig.ledger.breaks), rig.ledger.held()) == ({}, {CALL: 2})
    assert rig.ledger.cash == rig.book.cash


def _sell_by_hand(rig, now, qty):
    from ops_pipeline.domain.orders import Fill

    rig.clock.move_to(now)
    rig.broker._advance()
    fill = Fill(
        execution_id=f"manual-{now}",
        client_order_id="",
        occ=CALL,
        qty=-qty,
        price=to_usd4("9.95"),
        fees=to_usd4("0.05"),
        at=now,
    )
    rig.broker._book_fill(fill)
