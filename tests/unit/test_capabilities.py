"""What the broker allows on which day: order kinds, levels, day-trade regimes; unknown passes nothing."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from ops_pipeline.domain.accounts import DayTradePolicy
from ops_pipeline.domain.capabilities import (
    ALPACA,
    CONSERVATIVE,
    Capability,
    Fact,
    Plan,
    Support,
    followed_policy,
)
from ops_pipeline.domain.instruments import parse_occ
from ops_pipeline.domain.orders import Leg, OrderIntent, Purpose, Side
from ops_pipeline.domain.preflight import (
    LegShape,
    Moment,
    OrderClass,
    OrderShape,
    OrderType,
    PositionIntent,
    TimeInForce,
    check_order,
    describe_intent,
    objections,
)
from ops_pipeline.domain.units import AccountId, ClientOrderId, Occ, PositionId
from tests.builders_dispatch import scene_of, usd

CALL = parse_occ("AAPL260918C00200000")
FAR = parse_occ("AAPL261016C00205000")
AUGUST, SEPTEMBER = date(2026, 8, 1), date(2026, 9, 1)
BUY = LegShape(contract=CALL, intent=PositionIntent.BUY_TO_OPEN)
SELL = LegShape(contract=CALL, intent=PositionIntent.SELL_TO_CLOSE)


def order(**changes):
    plain = OrderShape(
        client_order_id="op1ab12-e-0123456789abcdefghijklmnop-1",
        type=OrderType.LIMIT,
        time_in_force=TimeInForce.DAY,
        order_class=OrderClass.SIMPLE,
        legs=(BUY,),
        qty=1,
        limit=usd("2.45"),
    )
    return replace(plain, **changes)


def mleg(*legs, **changes):
    return order(order_class=OrderClass.MLEG, legs=legs, **changes)


def broken(shape, *, on=SEPTEMBER, level=3, profile=ALPACA, **moment):
    found = objections(shape, moment=Moment(on=on, options_level=level, **moment), profile=profile)
    return [result.name for result in found]


def roll():
    return mleg(SELL, LegShape(contract=FAR, intent=PositionIntent.BUY_TO_OPEN), limit=usd("-0.15"))


def test_a_plain_day_limit_order_has_no_objection_on_any_day():
    for on in (date(2026, 1, 5), AUGUST, SEPTEMBER):
        assert broken(order(), on=on, level=2) == []


def test_a_gtc_option_order_is_refused_in_early_august_2026_and_taken_in_september():
    lasting = order(time_in_force=TimeInForce.GTC)
    assert broken(lasting, on=AUGUST) == ["tif_gtc"]
    assert broken(lasting, on=date(2026, 8, 27)) == ["tif_gtc"]
    assert broken(lasting, on=date(2026, 8, 28)) == []
    assert broken(lasting, on=SEPTEMBER) == []


@pytest.mark.parametrize("kind", [OrderType.STOP, OrderType.STOP_LIMIT])
def test_single_leg_stops_exist_from_27_august_2026(kind):
    limit = usd("2.40") if kind is OrderType.STOP_LIMIT else None
    shape = order(type=kind, legs=(SELL,), stop=usd("2.50"), limit=limit)
    assert broken(shape, on=date(2026, 8, 26)) == [f"type_{kind}"]
    assert broken(shape, on=date(2026, 8, 27)) == []


def test_what_options_never_have_is_refused():
    trailing = order(type=OrderType.TRAILING_STOP, limit=None)
    assert broken(trailing) == ["type_trailing_stop"]
    assert broken(order(order_class=OrderClass.BRACKET)) == ["class_bracket"]
    assert broken(order(extended_hours=True)) == ["extended_hours"]
    assert broken(order(notional=usd("100"))) == ["notional"]
    assert broken(order(qty=0)) == ["quantity"]


def test_market_orders_need_an_open_market_that_is_known_to_be_open():
    at_market = order(type=OrderType.MARKET, limit=None)
    assert broken(at_market, is_open=True) == []
    assert broken(at_market, is_open=False) == ["market_hours"]
    assert broken(at_market) == ["market_hours"]


@pytest.mark.parametrize(
    ("price", "fits"), [("2.99", True), ("3.00", True), ("3.05", True), ("3.01", False), ("2.995", False)]
)
def test_limits_lie_on_the_ticks_of_the_penny_programme(price, fits):
    assert broken(order(limit=usd(price))) == ([] if fits else ["limit"])


def test_outside_the_penny_programme_ticks_are_five_and_ten_cents():
    wide = LegShape(contract=replace(CALL, penny=False), intent=PositionIntent.BUY_TO_OPEN)
    assert broken(order(legs=(wide,), limit=usd("2.95"))) == []
    assert broken(order(legs=(wide,), limit=usd("2.96"))) == ["limit"]
    assert broken(order(legs=(wide,), limit=usd("3.05"))) == ["limit"]


def test_a_price_stands_exactly_where_the_type_wants_one():
    assert broken(order(limit=None)) == ["limit"]
    assert broken(order(stop=usd("2.00"))) == ["stop"]


def test_levels_rise_from_long_options_to_spreads_and_unknown_is_none_of_them():
    assert broken(order(), level=1) == ["options_level"]
    assert broken(order(), level=None) == ["options_level"]
    vertical = mleg(BUY, LegShape(contract=replace(FAR, expiration=CALL.expiration), intent=BUY.intent))
    assert broken(vertical, level=2) == ["options_level"]
    assert broken(vertical, level=3) == []


def test_a_two_leg_roll_waits_for_an_answer_of_the_broker():
    assert broken(roll()) == ["mleg_roll"]
    (result,) = objections(roll(), moment=Moment(on=SEPTEMBER, options_level=3), profile=ALPACA)
    assert (result.observed, result.limit) == ("unknown", "yes")
    asked = ALPACA.with_answers([Fact(Capability.MLEG_ROLL, date(2026, 8, 30), Support.YES, "probe")])
    assert broken(roll(), profile=asked) == []
    assert broken(roll(), profile=asked, on=date(2026, 8, 29)) == ["mleg_roll"]
    assert broken(roll(), profile=asked, level=2) == ["options_level"]
    below = asked.with_answers([Fact(Capability.MLEG_ROLL_LEVEL_2, SEPTEMBER, Support.YES, "probe")])
    assert broken(roll(), profile=below, level=2) == []


def test_multi_leg_orders_have_two_to_four_legs_once_each_in_lowest_terms():
    other = LegShape(contract=FAR, intent=PositionIntent.BUY_TO_OPEN)
    assert broken(mleg(BUY)) == ["legs"]
    assert broken(mleg(BUY, BUY)) == ["legs_differ"]
    assert broken(mleg(replace(BUY, ratio=2), replace(other, ratio=4))) == ["ratios"]
    assert broken(mleg(replace(BUY, ratio=1), replace(other, ratio=4))) == []
    assert broken(mleg(BUY, other, type=OrderType.STOP, stop=usd("1"), limit=None)) == ["mleg_type"]
    assert broken(order(legs=(BUY, other))) == ["legs"]


def test_what_a_multi_leg_order_sells_to_open_is_bought_in_it_and_lives_as_long():
    short_near = LegShape(contract=CALL, intent=PositionIntent.SELL_TO_OPEN)
    short_far = LegShape(contract=FAR, intent=PositionIntent.SELL_TO_OPEN)
    long_far = LegShape(contract=FAR, intent=PositionIntent.BUY_TO_OPEN)
    assert broken(mleg(short_near, long_far)) == []
    assert broken(mleg(short_far, BUY)) == ["covered"]
    assert broken(mleg(replace(short_near, ratio=2), long_far)) == ["covered"]


def test_an_expiring_contract_is_not_opened_in_the_hour_in_which_the_broker_may_sell_it():
    assert broken(order(), on=CALL.expiration, minutes_to_close=61) == []
    assert broken(order(), on=CALL.expiration, minutes_to_close=60) == ["expiry_cut_off"]
    assert broken(order(), on=CALL.expiration) == ["expiry_cut_off"]
    assert broken(order(legs=(SELL,)), on=CALL.expiration, minutes_to_close=5) == []
    assert broken(order(legs=(SELL,)), on=CALL.expiration + timedelta(days=1)) == ["expired"]


def test_an_adjusted_contract_may_only_be_sold():
    odd = parse_occ("AAPL1260918C00200000")
    assert broken(order(legs=(replace(BUY, contract=odd),))) == ["standard"]
    assert broken(order(legs=(replace(SELL, contract=odd),))) == []


def test_ids_keep_to_what_is_known_to_be_taken():
    assert broken(order(client_order_id="a" * 48)) == []
    assert broken(order(client_order_id="a" * 49)) == ["client_order_id"]
    assert broken(order(client_order_id="")) == ["client_order_id"]
    assert broken(order(client_order_id="a b")) == ["client_order_id"]
    longer = ALPACA.with_answers([Fact(Capability.ID_OF_128, SEPTEMBER, Support.YES, "probe")])
    assert broken(order(client_order_id="a" * 128), profile=longer) == []
    assert broken(order(client_order_id="a" * 129), profile=longer) == ["client_order_id"]


def test_an_intent_is_described_as_it_will_be_sent():
    legs = (
        Leg(occ=Occ(CALL.occ), side=Side.SELL_TO_CLOSE),
        Leg(occ=Occ(FAR.occ), side=Side.BUY_TO_OPEN),
    )
    intent = OrderIntent(
        client_order_id=ClientOrderId("op1ab12-r-x-1"),
        account=AccountId("large"),
        purpose=Purpose.ROLL,
        key="r",
        generation=1,
        legs=legs,
        qty=3,
        limit=usd("-0.15"),
        multiplier=100,
        position_id=PositionId("p"),
        reason="roll",
    )
    assert describe_intent(intent) == replace(roll(), client_order_id="op1ab12-r-x-1", qty=3)
    single = describe_intent(replace(intent, legs=legs[:1], limit=usd("2.45"), purpose=Purpose.EXIT))
    assert (single.order_class, single.legs) == (OrderClass.SIMPLE, (SELL,))


def test_every_rule_is_evaluated_and_named():
    names = [r.name for r in check_order(order(), moment=Moment(on=SEPTEMBER), profile=ALPACA)]
    assert {"tif_day", "type_limit", "class_simple", "limit", "legs", "options_level"} <= set(names)


def test_what_nobody_asked_is_unknown_has_a_conservative_branch_and_an_answer_ends_it():
    unknown = ALPACA.unknowns(on=SEPTEMBER)
    assert Capability.MLEG_ROLL in unknown
    assert set(unknown) == set(CONSERVATIVE)
    answer = Fact(Capability.MLEG_ROLL, SEPTEMBER, Support.NO, "probe")
    asked = ALPACA.with_answers([answer])
    assert Capability.MLEG_ROLL not in asked.unknowns(on=SEPTEMBER)
    assert asked.support(Capability.MLEG_ROLL, on=SEPTEMBER - timedelta(days=1)) is Support.UNKNOWN


def test_the_last_answer_of_a_day_stands_and_outranks_a_document():
    day = date(2026, 8, 28)
    no, yes = (Fact(Capability.TIF_GTC, day, s, "probe") for s in (Support.NO, Support.YES))
    assert ALPACA.with_answers([no]).support(Capability.TIF_GTC, on=SEPTEMBER) is Support.NO
    assert ALPACA.with_answers([no, yes]).support(Capability.TIF_GTC, on=SEPTEMBER) is Support.YES


def test_the_day_trade_regime_changes_on_4_june_2026():
    legacy, margin = DayTradePolicy.LEGACY_PDT, DayTradePolicy.INTRADAY_MARGIN
    assert ALPACA.day_trade_policy(on=date(2026, 6, 3)) is legacy
    assert ALPACA.day_trade_policy(on=date(2026, 6, 4)) is margin
    own = DayTradePolicy.NONE
    assert followed_policy(own, on=date(2026, 5, 1), profile=ALPACA) is own


@pytest.mark.parametrize(("day", "active"), [(date(2026, 5, 13), True), (date(2026, 8, 18), False)])
def test_an_account_that_follows_the_broker_has_the_pdt_gate_in_may_2026_and_none_in_august(day, active):
    scene = scene_of().with_(
        account__profile__day_trade_policy=DayTradePolicy.BROKER, account__day__day_trades=3
    )
    session = replace(scene.account.session, date=day)
    assert ("day_trades" in scene.with_(account__session=session).failing()) is active


def test_data_plans_have_their_limits():
    basic, plus = ALPACA.rate_limits(Plan.BASIC), ALPACA.rate_limits(Plan.PLUS)
    assert (basic.trading_per_minute, basic.data_per_minute, basic.option_quotes_streamed) == (200, 200, 200)
    assert (plus.data_per_minute, plus.option_quotes_streamed) == (10_000, 1_000)
    assert (ALPACA.cut_offs.may_sell, ALPACA.cut_offs.typically_sells) == (60, 45)
