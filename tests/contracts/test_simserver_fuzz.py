"""Requests nobody would send on purpose: the served market refuses or answers each. Shell."""

import json
from random import Random

import pytest

from ops_pipeline.simserver.app import endpoints
from tests.builders_simserver import served, usd
from tests.openapi import Contract

ROUNDS = 1000
ODD = (
    "", " ", "2026-07-13 10:00:00 01:00", "1" * 40, "0", "-1", "1e400", "NaN", "Infinity", "0.0001", "true",
    "null", "💥", "a,b", "2026-07-13", "0001-01-01", "9999-12-31T23:59:59Z", "2026-07-13T25:00:00Z", "MA==",
    "%%%", "all", "1Day", "7Min", "asc", "../..", "CLRN", "CLRN260807C00465000", "CLRN269999C00465000",
    "clrn", "call", "1M",
)  # fmt: skip
QUERIES = [
    "symbols", "start", "end", "limit", "page_token", "timeframe", "sort", "after", "until", "status",
    "direction", "nested", "activity_types", "category", "page_size", "date", "period", "feed", "type",
    "strike_price_gte", "expiration_date", "expiration_date_gte", "expiration_date_lte",
    "underlying_symbols", "root_symbol", "updated_since", "adjustment", "types", "ids", "qty",
    "percentage", "client_order_id", "ppind", "asset_class",
]  # fmt: skip
FIELDS = [
    "symbol", "qty", "side", "type", "time_in_force", "limit_price", "client_order_id", "order_class",
    "legs", "position_intent", "extended_hours", "notional", "stop_price", "suspend_trade",
    "max_options_trading_level",
]  # fmt: skip


@pytest.fixture
def contract(shared_data):
    return Contract(shared_data)


def odd_value(draws, depth=0):
    kind = draws.randrange(9 if depth < 2 else 6)
    if kind < 3:
        return draws.choice((*ODD, "\ud800"))
    if kind < 6:
        return draws.choice((None, True, False, 0, -1, 1, 2**70, 1.5, 0.05, 10.0, 1e300))
    if kind < 8:
        return [odd_value(draws, depth + 1) for _ in range(draws.randrange(4))]
    return {draws.choice(FIELDS): odd_value(draws, depth + 1) for _ in range(draws.randrange(4))}


def odd_body(draws, base):
    if draws.random() < 0.1:
        return draws.choice(
            (b"", b"{", b"[]", b"null", b"7", b'"text"', b"\xff\xfe", b'{"qty": NaN}', b"[" * 5000)
        )
    body = dict(base) if draws.random() < 0.8 else {}
    for _ in range(draws.randrange(1, 3)):
        body[draws.choice(FIELDS)] = odd_value(draws)
    return json.dumps(body).encode()


def test_no_request_breaks_the_market(contract):
    draws = Random(20260713)
    with served(contract=contract, speed=1.0) as market:
        quote = market.calls()[0]
        base = {
            "symbol": quote.occ, "qty": "1", "side": "buy", "type": "limit", "time_in_force": "day",
            "limit_price": usd(quote.ask),
        }  # fmt: skip
        places = endpoints(market.venue)
        broken = []
        for number in range(ROUNDS):
            place = draws.choice(places)
            path = place.path
            while "{" in path:
                before, _, rest = path.partition("{")
                part = draws.choice((*ODD[2:8], quote.occ, "CLRN", "FILL"))
                path = f"{before}{part}{rest.partition('}')[2]}"
            query = {draws.choice(QUERIES): draws.choice(ODD) for _ in range(draws.randrange(4))}
            body = odd_body(draws, base) if place.method in ("POST", "PATCH") else None
            answer = market.http.request(place.method, path, params=query, content=body)
            if answer.status_code >= 500:
                broken.append(f"{number} {place.method} {path} {query} {body}")
            if number % 150 == 0:
                market.wall.pass_s(60)
        assert broken == []
        assert market.get("/v2/clock")["is_open"]
    assert contract.judged.total() > ROUNDS // 4
    assert contract.refusals.total() > ROUNDS // 4
