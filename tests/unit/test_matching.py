"""At what price and size a limit order trades, by hand."""

import pytest

from ops_pipeline.adapters.simulator.matching import MatchRules, chance, match
from ops_pipeline.domain.orders import Side
from ops_pipeline.domain.units import to_usd4
from tests.builders_exits import quote

PLAIN = MatchRules(seed=1, passive_chance=0.0, partial_chance=0.0)


def trade(side, limit, *, qty=4, rules=PLAIN, bid="1.00", ask="1.10"):
    return match(side, limit=to_usd4(limit), qty=qty, quote=quote(bid, ask), look="a look", rules=rules)


@pytest.mark.parametrize(
    ("side", "limit", "price"),
    [
        (Side.BUY_TO_OPEN, "1.10", "1.10"),
        (Side.BUY_TO_OPEN, "1.50", "1.10"),
        (Side.BUY_TO_OPEN, "1.09", None),
        (Side.SELL_TO_CLOSE, "1.00", "1.00"),
        (Side.SELL_TO_CLOSE, "0.01", "1.00"),
        (Side.SELL_TO_CLOSE, "1.01", None),
    ],
)
def test_a_marketable_order_trades_at_the_other_side_and_no_other_does(side, limit, price):
    found = trade(side, limit)
    assert (found and found.price) == (price and to_usd4(price))


def test_no_more_than_the_displayed_size_unless_a_recording_shows_none():
    assert trade(Side.BUY_TO_OPEN, "1.10", qty=25).qty == 10
    sizeless = MatchRules(seed=1, size_limit=False, passive_chance=0.0, partial_chance=0.0)
    assert trade(Side.BUY_TO_OPEN, "1.10", qty=25, rules=sizeless).qty == 25


@pytest.mark.parametrize(("bid", "ask"), [("1.20", "1.10"), (None, None)])
def test_a_crossed_or_empty_market_trades_nothing(bid, ask):
    assert trade(Side.BUY_TO_OPEN, "9.00", bid=bid, ask=ask) is None
    assert trade(Side.SELL_TO_CLOSE, "0.01", bid=bid, ask=ask) is None


def test_nobody_sells_without_an_offer_nor_buys_without_a_bid():
    assert trade(Side.BUY_TO_OPEN, "9.00", ask=None) is None
    assert trade(Side.SELL_TO_CLOSE, "0.01", bid=None) is None


def test_a_limit_inside_the_spread_may_trade_at_its_own_price():
    sure = MatchRules(seed=1, passive_chance=1_000.0, partial_chance=0.0)
    assert trade(Side.BUY_TO_OPEN, "1.05", rules=sure).price == to_usd4("1.05")
    assert trade(Side.SELL_TO_CLOSE, "1.05", rules=sure).price == to_usd4("1.05")
    # At or behind the near side there is nothing to reach into.
    assert trade(Side.BUY_TO_OPEN, "1.00", rules=sure) is None


def test_a_split_fill_takes_the_larger_half_first():
    split = MatchRules(seed=1, passive_chance=0.0, partial_chance=1.0)
    assert trade(Side.BUY_TO_OPEN, "1.10", qty=5, rules=split).qty == 3
    assert trade(Side.BUY_TO_OPEN, "1.10", qty=1, rules=split).qty == 1


def test_chance_depends_on_seed_and_names_alone():
    assert chance(1, "a", "b") == chance(1, "a", "b")
    assert chance(1, "a", "b") != chance(2, "a", "b")
    assert 0 <= chance(1, "a") < 1
