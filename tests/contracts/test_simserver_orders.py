"""Orders at the served market: lists, pages, replacements, and what is told of them. Shell."""

import pytest

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
