"""The end of an option's life: cut-off, worthless, exercised, liquidated by the broker."""

from datetime import timedelta

import pytest

from ops_pipeline.domain.alerts import AlertCode
from ops_pipeline.domain.positions import PositionStatus
from ops_pipeline.domain.units import to_usd4
from tests.builders_market import ACCOUNT, CLOSE, DAY, OPEN, TODAY, Rig, at, fees_of, only


@pytest.fixture
def rig(tmp_path):
    return Rig(tmp_path)


def trade_of(rig):
    return only(rig.store.trades(ACCOUNT, since=OPEN, limit=10))


def test_an_expiring_position_is_sold_from_75_minutes_before_the_close(rig):
    rig.opened(3, occ=TODAY)
    rig.tick(at(19, 44, 45))
    assert not rig.sold()
    rig.run(at(19, 45), at(19, 45, 30))
    assert trade_of(rig).reason == "expiry_cutoff"
    rig.assert_sound()


def test_on_expiry_day_a_limit_of_one_tick_stands_where_nobody_bids(rig):
    rig.opened(3, occ=TODAY)
    rig.market.put(at(19, 40), None, "0.05", occ=TODAY)
    rig.run(at(19, 45), at(19, 46))
    assert {order.intent.limit for order in rig.orders()[1:]} == {100}
    rig.run(at(20, 0), at(20, 0, 15))
    alert = rig.ledger.alerts[AlertCode.EXPIRY_HELD, rig.position.id]
    assert alert.detail == "expires today, 3 held at C-60"
    # Nobody bids: that is a person's matter, no failure of the job.
    assert not any(report.failed for report in rig.reports)


def test_what_expires_out_of_the_money_is_a_closed_trade_worth_nothing(rig):
    rig.opened(3, occ=TODAY)
    rig.market.put(at(19, 40), None, "0.05", occ=TODAY)
    rig.market.put_spot(at(19, 40), "490")
    rig.run(at(20, 50), CLOSE + timedelta(minutes=1))
    trade = trade_of(rig)
    assert (trade.reason, trade.proceeds) == ("expired", 0)
    assert trade.pnl == -(trade.cost + trade.fees)
    assert rig.position.status is PositionStatus.CLOSED
    assert not rig.ledger.live_orders
    rig.assert_sound()


def test_what_expires_in_the_money_is_exercised_at_its_intrinsic_value(rig):
    rig.opened(1, occ=TODAY)
    rig.market.put(at(19, 40), None, "9.00", occ=TODAY)
    rig.market.put_spot(at(19, 40), "507")
    rig.run(at(20, 50), CLOSE + timedelta(minutes=1))
    trade = trade_of(rig)
    assert (trade.reason, trade.proceeds) == ("exercised", to_usd4("700"))
    rig.assert_sound()


def test_the_brokers_own_liquidation_books_as_such_and_ends_our_working_exit(tmp_path):
    rig = Rig(tmp_path, cash="10000")
    rig.opened(2, occ=TODAY, price="1.00")
    # Our exit stands at a price nobody pays, until the broker's desk sells for lack of cash.
    rig.market.put(at(19, 40), "0.50", "0.60", occ=TODAY, size=0)
    rig.run(at(20, 14), at(20, 16))
    trade = trade_of(rig)
    fees = fees_of(-2, to_usd4("0.50"), DAY)
    assert (trade.reason, trade.qty, trade.proceeds) == ("liquidated", 2, to_usd4("100") - fees)
    assert not rig.ledger.live_orders
    rig.assert_sound()


def test_an_expiry_booked_days_later_still_closes_the_position(rig):
    rig.opened(3, occ=TODAY)
    rig.market.put_spot(at(19, 40), "490")
    rig.market.put(at(19, 40), None, "0.05", occ=TODAY)
    monday = at(14, 30) + timedelta(days=7)
    rig.clock.move_to(monday)
    rig.broker._advance()
    rig.start()
    rig.tick(monday)
    assert trade_of(rig).reason == "expired"
    rig.assert_sound()
