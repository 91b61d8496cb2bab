"""Everything the served market answers, held against the broker's published API. Shell."""

import sys

import pytest

from ops_pipeline.simserver.app import endpoints
from tests.builders_simserver import served, usd
from tests.openapi import Contract


@pytest.fixture
def contract(shared_data):
    return Contract(shared_data)


def test_every_answer_fits_the_published_api(contract):
    with served(contract=contract, skip_nights=True, regulatory_fees=True) as market:
        _look_around(market)
        _trade(market)
        _be_refused(market)
        market.pass_market(hours=30)
        _look_around(market)
        _history(market)
    sys.stdout.write(f"{contract.report()}\n")
    assert contract.violations == []
    assert contract.judged.total() > 90
    assert contract.refusals.total() >= 30
    served_paths = {f"{one.method} {one.path}" for one in endpoints(market.venue)}
    assert len(contract.judged) == len(served_paths)


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/v2/clock", 200, b'{"timestamp": "2026-07-13T10:00:00-04:00", "is_open": true}'),
        ("/v2/clock", 201, b"{}"),
        ("/v2/account", 200, b'{"id": "PASIM0001", "status": "ACTIVE"}'),
        ("/v2/account", 200, b'{"id": "00000000-0000-0000-0000-000000000000", "status": "FINE"}'),
        ("/v2/orders", 200, b"not JSON"),
        ("/v2/orders", 403, b'{"message": "no code"}'),
        ("/v2/stocks/CLRN/quotes/latest", 200, b'{"symbol": "CLRN", "quote": null}'),
        ("/v9/account", 200, b"{}"),
    ],
)
def test_the_judge_objects_to_what_is_not_published(contract, path, status, body):
    contract.judge("GET", path, status, body)
    assert contract.violations


def _look_around(market):
    occ = market.calls()[0].occ
    for path in ("account", "account/configurations", "account/activities", "positions", "assets", "clock"):
        market.get(f"/v2/{path}")
    market.get("/v2/assets/CLRN")
    market.get("/v2/calendar", start="2026-07-01", end="2026-07-31")
    market.get("/v2/options/contracts", underlying_symbols="CLRN,TORQ", limit=20, show_deliverables="true")
    market.get(
        "/v2/options/contracts", underlying_symbols="CLRN", expiration_date_lte="2026-12-31", limit=10000
    )
    market.get(f"/v2/options/contracts/{occ}")
    market.get("/v2/account/portfolio/history", period="1W", timeframe="15Min")
    stocks = {"symbols": "CLRN,TORQ,GRNT"}
    for frame in ("1Min", "5Min", "1Hour", "1Day", "1Week", "1Month"):
        market.get(
            "/v2/stocks/bars", **stocks, timeframe=frame, start="2026-06-01", limit=500, adjustment="all"
        )
    market.get("/v2/stocks/CLRN/bars", timeframe="1Day", start="2026-06-01", sort="desc")
    for path in ("bars/latest", "quotes/latest", "trades/latest", "snapshots"):
        market.get(f"/v2/stocks/{path}", **stocks)
    for path in ("quotes/latest", "trades/latest", "snapshot"):
        market.get(f"/v2/stocks/CLRN/{path}")
    for ticker in ("CLRN", "GRNT", "BRKN"):
        market.get(f"/v1beta1/options/snapshots/{ticker}", limit=1000)
    for path in ("snapshots", "quotes/latest", "trades/latest"):
        market.get(f"/v1beta1/options/{path}", symbols=occ)
    for path in ("exchanges", "conditions/trade", "conditions/quote"):
        market.get(f"/v2/stocks/meta/{path}")
        market.get(f"/v1beta1/options/meta/{path}")
    market.get("/v1beta1/options/bars", symbols=occ, timeframe="5Min")
    market.get("/v1beta1/options/bars", symbols=occ, timeframe="1Day", start="2026-07-13")
    market.get("/v1beta1/news", limit=50)
    market.get("/v1beta1/news", symbols="CLRN", sort="asc", start="2026-07-10")
    market.get("/v1/corporate-actions", start="2026-01-01", end="2026-12-31")


def _trade(market):
    first, second, third = market.calls()[:3]
    bought = market.order(symbol=first.occ, qty="4", side="buy", limit_price=usd(first.ask))
    market.pass_market(minutes=1)
    market.get(f"/v2/orders/{bought.json()['id']}")
    market.get("/v2/orders:by_client_order_id", client_order_id=bought.json()["client_order_id"])
    resting = market.order(symbol=second.occ, qty="1", side="buy", limit_price="0.05").json()
    changed = market.http.patch(f"/v2/orders/{resting['id']}", json={"limit_price": "0.10"}).json()
    market.http.delete(f"/v2/orders/{changed['id']}")
    market.order(symbol=second.occ, qty="1", side="buy", limit_price="0.05")
    legs = [
        {"symbol": third.occ, "ratio_qty": "1", "side": "buy", "position_intent": "buy_to_open"},
        {"symbol": first.occ, "ratio_qty": "1", "side": "sell", "position_intent": "sell_to_close"},
    ]
    rolled = market.order(order_class="mleg", qty="1", type="market", legs=legs).json()
    market.get(f"/v2/orders/{rolled['legs'][0]['id']}")
    for nested in ("true", "false"):
        market.get("/v2/orders", status="all", nested=nested)
    market.get("/v2/positions")
    market.get(f"/v2/positions/{first.occ}")
    market.http.delete("/v2/orders")
    market.http.delete(f"/v2/positions/{first.occ}", params={"qty": "1"})
    in_money = max(market.calls(), key=lambda quote: quote.delta)
    market.order(symbol=in_money.occ, qty="2", side="buy", type="market")
    market.http.post(f"/v2/positions/{in_money.occ}/exercise")
    market.http.post(f"/v2/positions/{third.occ}/do-not-exercise")
    market.http.delete("/v2/positions", params={"cancel_orders": "true"})
    market.http.patch("/v2/account/configurations", json={"no_shorting": True})


def _be_refused(market):
    occ = market.calls()[0].occ
    order = {"symbol": occ, "qty": "1", "side": "buy", "limit_price": "0.05"}
    for change in (
        {"symbol": "CLRN"}, {"symbol": "NONE"}, {"qty": "0"}, {"qty": "1.5"}, {"qty": None}, {"type": "stop"},
        {"time_in_force": "gtc"}, {"limit_price": "0.051"}, {"limit_price": "-1"}, {"limit_price": None},
        {"side": "hold"}, {"side": "sell"}, {"qty": "100000", "limit_price": "50"}, {"extended_hours": True},
        {"order_class": "bracket"}, {"notional": "100", "qty": None}, {"client_order_id": "x" * 129},
    ):  # fmt: skip
        assert 400 <= market.order(**{**order, **change}).status_code < 500
    nobody = "00000000-0000-0000-0000-000000000000"
    for method, path in (
        ("GET", f"/v2/orders/{nobody}"), ("DELETE", f"/v2/orders/{nobody}"), ("GET", "/v2/positions/NONE"),
        ("GET", "/v2/orders?limit=501"), ("GET", "/v2/orders?status=some"), ("GET", "/v2/assets/NONE"),
        ("GET", "/v2/options/contracts/NONE"), ("GET", "/v2/stocks/NONE/snapshot"),
        ("GET", "/v2/stocks/bars"),
        ("GET", "/v2/stocks/bars?symbols=CLRN&timeframe=7Days"), ("GET", "/v1beta1/news?limit=51"),
        ("GET", "/v1beta1/options/quotes/latest?symbols=CLRN"), ("GET", "/v2/watchlists"),
    ):  # fmt: skip
        assert 400 <= market.http.request(method, path).status_code < 500


def _history(market):
    rows = market.get("/v2/account/activities", page_size=100)
    assert {row["activity_type"] for row in rows} >= {"FILL", "OPEXC", "FEE"}
    for kind in ("FILL", "OPEXC", "FEE"):
        market.get(f"/v2/account/activities/{kind}", direction="asc")
