"""What every Broker keeps: the same promises in process and at the venue over HTTP."""

from datetime import timedelta

import pytest

from ops_pipeline.adapters.calendar.exchange import exchange_calendar
from ops_pipeline.domain.accounts import BrokerPosition
from ops_pipeline.domain.instruments import parse_occ, split_contract
from ops_pipeline.domain.orders import Accepted, ActivityKind, BrokerStatus, Leg, Rejected, Side, Unknown
from ops_pipeline.domain.units import ClientOrderId
from tests.builders_alpaca import approved
from tests.builders_brokers import BEGINNING, flows, rig_of, settled


@pytest.fixture(params=["in process", "over HTTP"])
def rig(request):
    with rig_of(request.param) as found:
        yield found


def buy(rig, identity, quote, *, qty=2, limit=None):
    leg = Leg(occ=quote.occ, side=Side.BUY_TO_OPEN)
    return rig.broker.submit(approved(identity, legs=(leg,), qty=qty, limit=limit or quote.ask))


def sell(rig, identity, quote, *, qty=2, limit=None):
    leg = Leg(occ=quote.occ, side=Side.SELL_TO_CLOSE)
    return rig.broker.submit(approved(identity, legs=(leg,), qty=qty, limit=limit or quote.bid))


def bought(rig, identity="op1aaaa-e-buy-1", *, qty=2, quote=None):
    quote = quote or rig.calls()[0]
    outcome = buy(rig, identity, quote, qty=qty)
    assert isinstance(outcome, Accepted), outcome
    assert settled(rig, identity).status is BrokerStatus.FILLED
    return quote


def test_a_fresh_account_is_flat_and_has_no_history(rig):
    account = rig.broker.account()
    assert (account.number, account.cash, account.equity) == (rig.number, rig.cash, rig.cash)
    assert (account.options_buying_power, account.options_level) == (rig.cash, 3)
    assert (account.blocked, account.as_of) == (False, rig.now())
    assert list(rig.broker.positions()) == []
    assert list(rig.broker.orders(since=BEGINNING)) == []
    assert list(rig.broker.activities(since=BEGINNING)) == []
    assert rig.broker.order(ClientOrderId("op1aaaa-e-none-1")) is None


def test_an_order_at_the_ask_fills_and_everything_says_so(rig):
    quote = rig.calls()[0]
    began = rig.now()
    outcome = buy(rig, "op1aaaa-e-buy-1", quote)
    assert isinstance(outcome, Accepted)
    assert outcome.order.client_order_id == "op1aaaa-e-buy-1"
    order = settled(rig, "op1aaaa-e-buy-1")
    assert (order.status, order.qty, order.cum) == (BrokerStatus.FILLED, 2, 2)
    assert order.legs == (Leg(occ=quote.occ, side=Side.BUY_TO_OPEN),)
    assert (order.limit, order.submitted_at) == (quote.ask, began)
    assert order.broker_order_id == outcome.order.broker_order_id
    fills = rig.broker.activities(since=began)
    assert {one.kind for one in fills} == {ActivityKind.FILL}
    assert {one.fill.client_order_id for one in fills} == {"op1aaaa-e-buy-1"}
    assert sum(one.fill.qty for one in fills) == 2
    assert all(0 < one.fill.price <= quote.ask for one in fills)
    assert flows(fills) == -sum(one.fill.price * one.fill.qty * 100 for one in fills)
    assert rig.broker.account().cash == rig.cash + flows(fills)
    spent = -flows(fills)
    assert rig.broker.positions() == [
        BrokerPosition(symbol=quote.occ, qty=2, average_price=spent // 200, multiplier=100)
    ]


def test_a_resting_order_is_live_until_it_is_cancelled(rig):
    quote = rig.calls()[0]
    outcome = buy(rig, "op1aaaa-e-low-1", quote, limit=100)
    assert isinstance(outcome, Accepted)
    rig.pass_market(minutes=2)
    resting = rig.broker.order(ClientOrderId("op1aaaa-e-low-1"))
    assert (resting.status.is_terminal, resting.cum) == (False, 0)
    rig.broker.cancel(resting.broker_order_id)
    rig.broker.cancel(resting.broker_order_id)
    gone = settled(rig, "op1aaaa-e-low-1")
    assert (gone.status, gone.cum) == (BrokerStatus.CANCELED, 0)
    assert list(rig.broker.activities(since=BEGINNING)) == []
    rig.broker.cancel("no-such-order")


def test_buying_power_is_reserved_by_a_resting_order_and_given_back(rig):
    quote = rig.calls()[0]
    assert isinstance(buy(rig, "op1aaaa-e-low-1", quote, qty=3, limit=100), Accepted)
    assert rig.broker.account().options_buying_power == rig.cash - 3 * 100 * 100
    rig.broker.cancel(rig.broker.order(ClientOrderId("op1aaaa-e-low-1")).broker_order_id)
    assert rig.broker.account().options_buying_power == rig.cash


def test_an_id_is_taken_once_for_ever(rig):
    quote = rig.calls()[0]
    assert isinstance(buy(rig, "op1aaaa-e-low-1", quote, limit=100), Accepted)
    assert isinstance(buy(rig, "op1aaaa-e-low-1", quote, limit=100), Unknown)
    order = rig.broker.order(ClientOrderId("op1aaaa-e-low-1"))
    rig.broker.cancel(order.broker_order_id)
    assert isinstance(buy(rig, "op1aaaa-e-low-1", quote, limit=100), Unknown)
    assert len(rig.broker.orders(since=BEGINNING)) == 1


def test_nothing_is_sold_that_is_not_held(rig):
    outcome = sell(rig, "op1aaaa-x-one-1", rig.calls()[0])
    assert isinstance(outcome, Rejected)
    # Over a wire the venue says that the sale would open a short.
    assert outcome.code in ("40310000", "42210000")
    assert list(rig.broker.orders(since=BEGINNING)) == []


def test_a_resting_sale_holds_what_it_would_sell(rig):
    quote = bought(rig)
    high = quote.ask * 4 // 1_000 * 1_000
    assert isinstance(sell(rig, "op1aaaa-x-one-1", quote, limit=high), Accepted)
    again = sell(rig, "op1aaaa-x-two-1", quote, qty=1, limit=high)
    assert isinstance(again, Rejected)
    assert again.code == "40310000"


def test_a_sale_takes_the_position_away_and_pays(rig):
    quote = bought(rig)
    price = rig.world.quotes([quote.occ], now=rig.now())[quote.occ].bid
    assert isinstance(sell(rig, "op1aaaa-x-one-1", quote, limit=max(500, price // 2 // 500 * 500)), Accepted)
    assert settled(rig, "op1aaaa-x-one-1").status is BrokerStatus.FILLED
    assert list(rig.broker.positions()) == []
    account = rig.broker.account()
    assert account.cash == account.equity == rig.cash + flows(rig.broker.activities(since=BEGINNING))


def test_what_cannot_be_paid_is_refused(rig):
    quote = rig.calls()[0]
    qty = rig.cash // (quote.ask * 100) + 1
    outcome = buy(rig, "op1aaaa-e-big-1", quote, qty=qty)
    assert isinstance(outcome, Rejected)
    assert outcome.code == "40310000"
    assert rig.broker.order(ClientOrderId("op1aaaa-e-big-1")) is None


def test_a_limit_between_ticks_is_refused(rig):
    quote = rig.calls()[0]
    outcome = buy(rig, "op1aaaa-e-odd-1", quote, limit=quote.ask + 1)
    assert isinstance(outcome, Rejected)
    assert outcome.code == "42210000"


def test_an_order_of_the_day_ends_with_it(rig):
    quote = rig.calls()[0]
    assert isinstance(buy(rig, "op1aaaa-e-low-1", quote, limit=100), Accepted)
    rig.pass_market(hours=20)
    order = rig.broker.order(ClientOrderId("op1aaaa-e-low-1"))
    assert (order.status, order.cum) == (BrokerStatus.EXPIRED, 0)


def test_orders_are_given_from_an_instant_on_in_their_order(rig):
    quote = rig.calls()[0]
    instants = []
    for number in range(3):
        instants.append(rig.now())
        assert isinstance(buy(rig, f"op1aaaa-e-low-{number}", quote, qty=1, limit=100), Accepted)
        rig.pass_market(minutes=1)
    names = [order.client_order_id for order in rig.broker.orders(since=instants[1])]
    assert names == ["op1aaaa-e-low-1", "op1aaaa-e-low-2"]
    assert len(rig.broker.orders(since=BEGINNING)) == 3
    assert list(rig.broker.orders(since=rig.now())) == []


def test_a_roll_in_one_order_moves_both_legs_under_one_id(rig):
    near = bought(rig)
    later = next(
        quote
        for quote in rig.calls(after_days=50)
        if parse_occ(quote.occ).strike >= parse_occ(near.occ).strike
    )
    legs = (Leg(occ=near.occ, side=Side.SELL_TO_CLOSE), Leg(occ=later.occ, side=Side.BUY_TO_OPEN))
    began = rig.now()
    outcome = rig.broker.submit(approved("op1aaaa-r-roll-1", legs=legs, limit=later.ask))
    assert isinstance(outcome, Accepted)
    order = settled(rig, "op1aaaa-r-roll-1")
    assert (order.status, order.cum, order.legs) == (BrokerStatus.FILLED, 2, legs)
    fills = [one.fill for one in rig.broker.activities(since=began) if one.fill]
    rolled = [fill for fill in fills if fill.client_order_id == "op1aaaa-r-roll-1"]
    moved = {occ: sum(fill.qty for fill in rolled if fill.occ == occ) for occ in (near.occ, later.occ)}
    assert moved == {near.occ: -2, later.occ: 2}
    assert {position.symbol: position.qty for position in rig.broker.positions()} == {later.occ: 2}
    assert rig.broker.account().cash == rig.cash + flows(rig.broker.activities(since=BEGINNING))


def test_what_is_held_to_its_end_is_booked_and_cash_agrees(rig):
    quote = rig.calls(after_days=3)[4]
    bought(rig, qty=1, quote=quote)
    expiration = parse_occ(quote.occ).expiration
    while rig.now().date() <= expiration + timedelta(days=1):
        rig.pass_market(hours=6)
    assert list(rig.broker.positions()) == []
    activities = rig.broker.activities(since=BEGINNING)
    ended = activities[-1]
    assert (ended.symbol, ended.qty) == (quote.occ, -1)
    assert ended.at.date() == expiration
    assert sum(one.qty for one in activities) == 0
    account = rig.broker.account()
    assert account.cash == account.equity == rig.cash + flows(activities)


def test_a_split_turns_what_is_held_into_what_it_became(rig):
    began = rig.now().date()
    split = next(
        split
        for ticker in rig.world.tickers
        for split in rig.world.splits(
            ticker, first=began + timedelta(days=1), last=began + timedelta(days=120)
        )
    )
    calendar = exchange_calendar()
    while (split.session - rig.now().date()).days > 6 or calendar.session_at(rig.now()) is None:
        rig.move_to(rig.now() + timedelta(days=1))
    quote = next(quote for quote in rig.calls(after_days=15, ticker=split.ticker) if quote.ask % 100 == 0)
    before = parse_occ(quote.occ)
    bought(rig, qty=2, quote=quote)
    while rig.now().date() <= split.session:
        rig.pass_market(hours=12)
    after, for_one = split_contract(before, split)
    assert {row.symbol: row.qty for row in rig.broker.positions()} == {after.occ: 2 * for_one}
    (changed,) = [one for one in rig.broker.activities(since=BEGINNING) if one.kind is ActivityKind.SPLIT]
    assert (changed.symbol, changed.split, changed.qty, changed.amount) == (quote.occ, split, 0, 0)
    assert rig.broker.account().cash == rig.cash + flows(rig.broker.activities(since=BEGINNING))


def test_the_same_day_is_the_same_in_process_and_over_http():
    """One market, one seed, one script: every order, activity and amount agrees, whatever the transport."""
    told = []
    for kind in ("in process", "over HTTP"):
        with rig_of(kind) as rig:
            quote = bought(rig, qty=4)
            rig.pass_market(minutes=30)
            buy(rig, "op1aaaa-e-mid-1", quote, qty=3, limit=(quote.bid + quote.ask) // 2 // 500 * 500)
            rig.pass_market(minutes=20)
            bid = rig.world.quotes([quote.occ], now=rig.now())[quote.occ].bid
            sell(rig, "op1aaaa-x-out-1", quote, qty=2, limit=max(500, bid // 2 // 500 * 500))
            rig.pass_market(hours=20)
            orders = rig.broker.orders(since=BEGINNING)
            activities = rig.broker.activities(since=BEGINNING)
            told.append(
                (
                    [(o.client_order_id, o.status, o.cum, o.limit) for o in orders],
                    [(a.kind, a.at, a.symbol, a.qty, a.price, a.amount) for a in activities],
                    rig.broker.positions(),
                    rig.broker.account(),
                )
            )
    assert told[0] == told[1]
    assert len(told[0][0]) == 3
    assert len(told[0][1]) >= 2
