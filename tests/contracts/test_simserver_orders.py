"""Orders at the served market: lists, pages, replacements, and what is told of them. Shell."""

from datetime import UTC, date, datetime, timedelta

import pytest

from ops_pipeline.adapters.calendar.exchange import exchange_calendar
from ops_pipeline.adapters.simulator.book import Book
from ops_pipeline.adapters.simulator.matching import MatchRules
from ops_pipeline.adapters.simulator.served import ServedBroker
from ops_pipeline.adapters.simulator.world import World
from ops_pipeline.adapters.simulator.world_rules import WorldRules
from ops_pipeline.domain.orders import Accepted, BrokerStatus, Leg, OrderIntent, Purpose, Side
from ops_pipeline.domain.units import AccountId, ClientOrderId, PositionId
from ops_pipeline.engine.clock import SimulatedClock
from ops_pipeline.simserver.tickets import OrderEvent
from tests.builders_simserver import served, usd


@pytest.fixture
def market():
    with served() as running:
        yield running


def resting(market, *, count=1, price="0.05", **more):
    occ = market.calls()[0].occ
    return [
        market.order(symbol=occ, qty="1", side="buy", limit_price=price, **more).json() for _ in range(count)
    ]


def test_orders_are_listed_by_status_time_side_symbol_and_place(market):
    orders = []
    for _ in range(4):
        orders += resting(market)
        market.pass_market(seconds=10)
    ids = [order["id"] for order in orders]
    market.http.delete(f"/v2/orders/{ids[1]}")

    def listed(**query):
        return [order["id"] for order in market.get("/v2/orders", **query)]

    assert listed() == [ids[3], ids[2], ids[0]]
    assert listed(status="all", direction="asc") == ids
    assert listed(status="closed") == [ids[1]]
    assert listed(status="all", limit=2) == [ids[3], ids[2]]
    # Both bounds are exclusive.
    bounds = {"after": orders[0]["submitted_at"], "until": orders[3]["submitted_at"]}
    assert listed(status="all", direction="asc", **bounds) == ids[1:3]
    assert listed(status="all", direction="asc", after_order_id=ids[0], before_order_id=ids[2]) == [ids[1]]
    assert listed(symbols=orders[0]["symbol"]) == [ids[3], ids[2], ids[0]]
    assert (
        listed(symbols="CLRN260807C00001000") == listed(side="sell") == listed(asset_class="us_equity") == []
    )


def test_a_replacement_keeps_what_it_does_not_name_and_is_told_as_one(market):
    (first,) = resting(market, client_order_id="first")
    market.heard.clear()
    second = market.http.patch(
        f"/v2/orders/{first['id']}", json={"qty": "3", "client_order_id": "second"}
    ).json()
    assert (second["qty"], second["limit_price"], second["client_order_id"]) == ("3", "0.05", "second")
    told = [(change.event, change.ticket.client_order_id) for change in market.heard]
    assert told == [(OrderEvent.NEW, "second"), (OrderEvent.REPLACED, "first")]
    shown = market.get("/v2/orders:by_client_order_id", client_order_id="first")
    assert (shown["status"], shown["replaced_by"], shown["canceled_at"]) == ("replaced", second["id"], None)
    again = market.http.patch(f"/v2/orders/{first['id']}", json={"qty": "2"})
    assert (again.status_code, again.json()["code"]) == (422, 42210000)


@pytest.mark.parametrize(
    ("change", "status"),
    [({"limit_price": "0.051"}, 422), ({"qty": "100000", "limit_price": "50"}, 403), ({"qty": "0"}, 422)],
)
def test_a_refused_replacement_leaves_the_order_as_it_was(market, change, status):
    (order,) = resting(market)
    market.heard.clear()
    assert market.http.patch(f"/v2/orders/{order['id']}", json=change).status_code == status
    assert market.get(f"/v2/orders/{order['id']}") == order
    assert market.get("/v2/orders") == [order]
    assert market.heard == []
    assert market.http.delete(f"/v2/orders/{order['id']}").status_code == 204


def test_the_rest_of_a_partly_filled_order_is_replaced():
    with served() as market:
        quote = market.calls("VLTC")[0]
        for number in range(60):
            order = market.order(
                symbol=quote.occ,
                qty="4",
                side="buy",
                limit_price=usd(quote.ask),
                client_order_id=f"n{number}",
            ).json()
            if order["status"] == "partially_filled":
                break
        assert (order["filled_qty"], order["qty"]) == ("2", "4")
        changed = market.http.patch(f"/v2/orders/{order['id']}", json={"limit_price": "0.05"}).json()
        assert (changed["qty"], changed["filled_qty"]) == ("2", "0")
        old = market.get(f"/v2/orders/{order['id']}")
        assert (old["status"], old["filled_qty"]) == ("replaced", "2")


def test_what_is_offered_for_sale_is_not_there_to_be_sold_again(market):
    quote = market.calls()[0]
    market.order(symbol=quote.occ, qty="1", side="buy", limit_price=usd(quote.ask))
    sale = {"symbol": quote.occ, "qty": "1", "side": "sell", "limit_price": "90"}
    resting_sale = market.order(**sale, position_intent="sell_to_close").json()
    assert market.get(f"/v2/positions/{quote.occ}")["qty_available"] == "0"
    refused = market.order(**sale)
    assert refused.status_code == 403
    assert refused.json() == {
        "code": 40310000,
        "message": "insufficient qty available for order (requested: 1, available: 0)",
        "symbol": quote.occ,
        "available": "0",
        "existing_qty": "1",
        "held_for_orders": "1",
        "related_orders": [resting_sale["id"]],
    }
    assert market.http.delete(f"/v2/positions/{quote.occ}").status_code == 403
    closed = market.http.delete("/v2/positions", params={"cancel_orders": "true"})
    assert [row["status"] for row in closed.json()] == [200]


def test_a_position_s_profit_of_the_day_counts_from_its_price_or_from_the_last_close(market):
    quote = market.calls()[0]
    market.order(symbol=quote.occ, qty="1", side="buy", limit_price=usd(quote.ask))
    shown = market.get(f"/v2/positions/{quote.occ}")
    lost = (quote.bid + quote.ask) / 2 * 100 / 10_000 - quote.ask / 100
    assert float(shown["unrealized_intraday_pl"]) == float(shown["unrealized_pl"]) == pytest.approx(lost)
    market.pass_to(datetime(2026, 7, 14, 15, 0, tzinfo=UTC))
    shown = market.get(f"/v2/positions/{quote.occ}")
    with market.venue.at_work() as now:
        close = market.venue.world.quotes([quote.occ], now=datetime(2026, 7, 13, 20, 0, tzinfo=UTC))[
            quote.occ
        ]
        present = market.venue.world.quotes([quote.occ], now=now)[quote.occ]
    gained = (present.bid + present.ask - close.bid - close.ask) / 2 / 100
    assert float(shown["unrealized_intraday_pl"]) == pytest.approx(gained)
    assert float(shown["unrealized_pl"]) == pytest.approx((present.bid + present.ask) / 200 - quote.ask / 100)


@pytest.mark.parametrize("intent", ["buy_to_close", "sell_to_open", "sell_to_close"])
def test_an_intent_that_does_not_fit_the_position_is_refused(market, intent):
    side, held = intent.partition("_")[0], market.calls()[0]
    refused = market.order(
        symbol=held.occ, qty="1", side=side, limit_price="0.05", position_intent=intent
    ).json()
    assert refused["code"] in (40310000, 42210000)
    if intent != "sell_to_open":
        inferred = "buy_to_open" if side == "buy" else "sell_to_open"
        assert refused["message"] == f"position intent mismatch, inferred: {inferred}, specified: {intent}"


def test_ticks_follow_the_penny_programme(market):
    # GRNT is not in the programme: 0.05 below $3, 0.10 from there on.
    nickel = market.calls("GRNT")[0].occ
    for price, status in (("0.05", 200), ("0.06", 422), ("3.10", 200), ("3.05", 422)):
        answer = market.order(symbol=nickel, qty="1", side="buy", limit_price=price)
        assert answer.status_code == status, answer.text


@pytest.mark.parametrize(
    ("legs", "code"),
    [
        ([("sell", 1), ("sell", 1)], 40310000),
        ([("buy", 1), ("buy", 1)], 42210000),
        ([("buy", 2), ("buy", 4)], 42210000),
        ([("buy", 1)], 42210000),
    ],
)
def test_legs_that_are_no_roll_are_refused(market, legs, code):
    quotes = market.calls()
    rows = [
        {"symbol": quote.occ, "side": side, "ratio_qty": str(ratio)}
        for quote, (side, ratio) in zip(quotes, legs, strict=False)
    ]
    refused = market.order(order_class="mleg", qty="1", limit_price="1.00", legs=rows)
    assert refused.json()["code"] == code


def test_a_roll_at_level_two_is_refused_for_the_level(market):
    near, far = market.calls()[0], market.calls(after_days=50)[0]
    market.order(symbol=near.occ, qty="1", side="buy", limit_price=usd(near.ask))
    market.http.patch("/v2/account/configurations", json={"max_options_trading_level": 2})
    rows = [
        {"symbol": near.occ, "side": "sell", "ratio_qty": "1", "position_intent": "sell_to_close"},
        {"symbol": far.occ, "side": "buy", "ratio_qty": "1", "position_intent": "buy_to_open"},
    ]
    refused = market.order(order_class="mleg", qty="1", limit_price="20.00", legs=rows)
    assert (refused.status_code, refused.json()["code"]) == (403, 40310000)


def test_legs_are_listed_apart_unless_they_are_to_be_nested(market):
    near, far = market.calls()[0], market.calls(after_days=50)[0]
    market.order(symbol=near.occ, qty="1", side="buy", limit_price=usd(near.ask))
    rows = [
        {"symbol": near.occ, "side": "sell", "ratio_qty": "1"},
        {"symbol": far.occ, "side": "buy", "ratio_qty": "1"},
    ]
    parent = market.order(order_class="mleg", qty="1", limit_price="0.10", legs=rows).json()
    assert parent["status"] == "new"
    (nested,) = market.get("/v2/orders", nested="true")
    assert nested == parent
    flat = market.get("/v2/orders", nested="false")
    assert [row["id"] for row in flat] == [parent["id"], *(leg["id"] for leg in parent["legs"])]
    assert flat[0]["legs"] is None
    assert market.get(f"/v2/orders/{parent['legs'][1]['id']}")["symbol"] == far.occ


def test_equal_calls_at_equal_market_times_get_equal_answers():
    lives = []
    for _ in range(2):
        with served(seed=11) as market:
            quotes = market.calls("VLTC")
            told = []
            for number, quote in enumerate(quotes[:12]):
                middle = (quote.bid + quote.ask) // 2 // 500 * 500 or 500
                told.append(
                    market.order(
                        symbol=quote.occ, qty=str(2 + number), side="buy", limit_price=usd(middle)
                    ).text
                )
                market.pass_market(minutes=3)
            paths = ("/v2/orders?status=all", "/v2/positions", "/v2/account", "/v2/account/activities")
            told += [market.http.get(path).text for path in paths]
            lives.append(told)
    assert lives[0] == lives[1]
    assert '"partially_filled"' in "".join(lives[0]) or '"filled"' in "".join(lives[0])


def test_stops_and_lasting_orders_are_refused_before_the_broker_took_them(market):
    occ = market.calls()[0].occ
    for change in ({"type": "stop", "stop_price": "5.00", "limit_price": None}, {"time_in_force": "gtc"}):
        order = {"symbol": occ, "qty": "1", "side": "buy", "limit_price": "0.05", **change}
        assert market.order(**order).json()["code"] == 42210000


@pytest.fixture
def autumn():
    """A market of a day on which the broker takes stops and orders that outlive their day."""
    with served(first_session=date(2026, 9, 8)) as running:
        yield running


def test_a_stop_sleeps_until_the_bid_is_down_to_it(autumn):
    quote = autumn.calls()[0]
    autumn.order(symbol=quote.occ, qty="1", side="buy", limit_price=usd(quote.ask))
    autumn.pass_market(seconds=15)
    with autumn.venue.at_work() as now:
        steps = [now + timedelta(seconds=15 * number) for number in range(1, 1200)]
        bids = {at: autumn.venue.world.quotes([quote.occ], now=at)[quote.occ].bid for at in steps}
    stop = (quote.bid + min(bid for bid in bids.values() if bid)) // 2 // 500 * 500
    wakes = next(at for at, bid in bids.items() if bid and bid <= stop)
    order = autumn.order(symbol=quote.occ, qty="1", side="sell", type="stop", stop_price=usd(stop)).json()
    assert (order["status"], order["type"], order["limit_price"]) == ("new", "stop", None)
    assert float(order["stop_price"]) == stop / 10_000
    autumn.pass_to(wakes - timedelta(seconds=1))
    assert autumn.get(f"/v2/orders/{order['id']}")["status"] == "new"
    autumn.pass_to(wakes)
    sold = autumn.get(f"/v2/orders/{order['id']}")
    assert (sold["status"], float(sold["filled_avg_price"])) == ("filled", bids[wakes] / 10_000)


def test_a_stop_above_the_bid_sells_at_once_and_a_stop_limit_waits_for_its_limit(autumn):
    quote = autumn.calls()[0]
    autumn.order(symbol=quote.occ, qty="2", side="buy", type="market")
    autumn.pass_market(minutes=1)
    high = {
        "symbol": quote.occ,
        "qty": "1",
        "side": "sell",
        "stop_price": usd(quote.ask // 1000 * 1000 + 10_000),
    }
    waits = autumn.order(**high, type="stop_limit", limit_price="90").json()
    assert (waits["status"], waits["limit_price"]) == ("new", "90")
    assert autumn.order(**high, type="stop").json()["status"] == "filled"
    for wrong in ({"type": "stop", "limit_price": "1.00"}, {"type": "stop_limit", "limit_price": None}):
        assert autumn.order(**{**high, **wrong}).status_code in (403, 422)


def test_a_lasting_order_rests_through_the_night(autumn):
    occ = autumn.calls()[0].occ
    order = {"symbol": occ, "qty": "1", "side": "buy", "limit_price": "0.05"}
    kept = autumn.order(**order, time_in_force="gtc").json()
    ended = autumn.order(**order, time_in_force="day").json()
    # 90 days, as the broker's changelog of 2026-08-28 says.
    assert (kept["time_in_force"], kept["expires_at"]) == ("gtc", "2026-12-07T14:00:00Z")
    assert autumn.http.patch(f"/v2/orders/{kept['id']}", json={"limit_price": "0.051"}).status_code == 422
    autumn.pass_market(days=1)
    assert [autumn.get(f"/v2/orders/{one['id']}")["status"] for one in (kept, ended)] == ["new", "expired"]


def test_a_lasting_order_trades_in_sessions_only_and_ends_with_its_time():
    calendar = exchange_calendar()
    clock = SimulatedClock(datetime(2026, 9, 11, 19, 59, 50, tzinfo=UTC))
    world = World(WorldRules(seed=7, first_session=date(2026, 9, 8)), calendar)
    broker = ServedBroker(
        Book(number="A", cash=10**11, options_level=3, last_equity=10**11),
        market=world,
        calendar=calendar,
        clock=clock,
        fees=lambda *_: 0,
        # A limit half way into the spread trades at every other look.
        rules=MatchRules(seed=1, passive_chance=1.0),
    )
    chain = world.chain("CLRN", now=clock.now(), first=date(2027, 1, 1), last=date(2027, 2, 1))
    quote = next(
        q for q in chain.quotes.values() if q.bid and q.ask and q.ask - q.bid >= 2_000 and q.bid > 30_000
    )
    until = clock.now() + timedelta(days=90)
    for number, limit in enumerate([(quote.bid + quote.ask) // 2 // 500 * 500] * 8 + [500]):
        leg = Leg(occ=quote.occ, side=Side.BUY_TO_OPEN)
        taken = broker.take(
            OrderIntent(
                client_order_id=ClientOrderId(f"o{number}"), account=AccountId("A"), purpose=Purpose.ENTRY,
                key="", generation=0, legs=(leg,), qty=1, limit=limit, multiplier=100,
                position_id=PositionId(""), reason="",
            ),
            until=until,
        )  # fmt: skip
        assert isinstance(taken, Accepted)

    def statuses():
        broker.advance()
        return [order.status for order in broker.book.orders.values()]

    before = statuses()
    assert before.count(BrokerStatus.NEW) > 1
    for hour in range(1, 60):
        clock.move_to(datetime(2026, 9, 11, 20, 0, 1, tzinfo=UTC) + timedelta(hours=hour))
        assert statuses() == before
    monday = datetime(2026, 9, 14, 13, 30, tzinfo=UTC)
    left = []
    for minute in range(80):
        clock.move_to(monday + timedelta(minutes=minute))
        left.append(statuses().count(BrokerStatus.NEW))
    assert left[-1] < before.count(BrokerStatus.NEW)
    for day in range(1, 89):
        clock.move_to(datetime(2026, 9, 14, 15, 0, tzinfo=UTC) + timedelta(days=day))
        last = statuses()[-1]
        assert last is (BrokerStatus.NEW if clock.now() < until else BrokerStatus.CANCELED)
    assert last is BrokerStatus.CANCELED
