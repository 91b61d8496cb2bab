"""Everything booked on a served account adds up to what it holds, over a fortnight of trading. Shell."""

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random

import pytest

from tests.builders_simserver import served, usd

START = datetime(2026, 9, 8, 14, 0, tzinfo=UTC)
# TORQ splits on 2026-09-10; contracts of 09-11 and 09-18 expire.
END = datetime(2026, 9, 22, 14, 0, tzinfo=UTC)
TICKERS = ("TORQ", "VLTC", "CLRN", "BRKN")


def buy(market, draws):
    quotes = market.calls(draws.choice(TICKERS), after_days=draws.choice((0, 3, 20)))[:6]
    if not quotes:
        return  # BRKN has weeks without a bid
    quote = draws.choice(quotes)
    price = draws.choice((quote.ask, (quote.bid + quote.ask) // 2 // 1000 * 1000, 500))
    qty = str(draws.randrange(1, 5))
    order = {"symbol": quote.occ, "qty": qty, "side": "buy"}
    price_terms = {"type": "market"} if draws.random() < 0.2 else {"limit_price": usd(max(500, price))}
    market.order(**order, **price_terms)


def sell(market, draws):
    held = [row for row in market.get("/v2/positions") if row["qty_available"] != "0"]
    if held:
        row = draws.choice(held)
        market.http.delete(
            f"/v2/positions/{row['symbol']}", params={"percentage": draws.choice(("50", "100"))}
        )


def roll(market, draws):
    held = [row["symbol"] for row in market.get("/v2/positions") if row["qty_available"] != "0"]
    near = draws.choice(held) if held else ""
    targets = market.calls(near[:-15], after_days=35)[:4] if near else []
    if targets:
        far = draws.choice(targets).occ
        legs = [
            {"symbol": far, "ratio_qty": "1", "side": "buy"},
            {"symbol": near, "ratio_qty": "1", "side": "sell"},
        ]
        market.order(order_class="mleg", qty="1", type="market", legs=legs)


def change(market, draws):
    resting = market.get("/v2/orders")
    if resting:
        path = f"/v2/orders/{draws.choice(resting)['id']}"
        if draws.random() < 0.5:
            market.http.patch(path, json={"limit_price": "0.10"})
        else:
            market.http.delete(path)


def exercise(market, draws):
    held = [row["symbol"] for row in market.get("/v2/positions")]
    if held:
        act = draws.choice(("exercise", "do-not-exercise"))
        market.http.post(f"/v2/positions/{draws.choice(held)}/{act}")


def all_activities(market):
    rows, token = [], {}
    while page := market.get("/v2/account/activities", direction="asc", page_size=25, **token):
        rows += page
        token = {"page_token": page[-1]["id"]}
    return rows


@pytest.mark.parametrize("seed", [1, 2])
def test_activities_add_up_to_cash_and_positions(seed):
    draws = Random(seed)
    acts = (buy, buy, buy, sell, roll, change, exercise)
    with served(start=START, skip_nights=True, regulatory_fees=True, seed=seed) as market:
        while datetime.fromisoformat(market.get("/v2/clock")["timestamp"]) < END:
            if market.get("/v2/clock")["is_open"]:
                for _ in range(2):
                    draws.choice(acts)(market, draws)
            market.pass_market(minutes=draws.choice((7, 40, 95)))
            market.wall.pass_s(30)
        market.http.delete("/v2/orders")
        # What has expired shows from the following midnight on; a quiet day makes it complete.
        market.pass_market(hours=26)
        rows = all_activities(market)
        cash = Decimal(market.get("/v2/account")["cash"])
        positions = {row["symbol"]: int(row["qty"]) for row in market.get("/v2/positions")}
        orders = market.get("/v2/orders", status="all", nested="true", limit=500)
    counted = Decimal(121_000)
    held = defaultdict(int)
    for row in rows:
        if row["activity_type"] == "FILL":
            signed = int(row["qty"]) * (1 if row["side"] == "buy" else -1)
            counted -= signed * Decimal(row["price"]) * 100
            held[row["symbol"]] += signed
        else:
            counted += Decimal(row["net_amount"])
            held[row.get("symbol", "")] += int(row.get("qty", 0))
    assert {symbol: qty for symbol, qty in held.items() if qty} == positions
    assert counted == cash
    assert len({row["id"] for row in rows}) == len(rows) > 60
    assert [row["id"][:17] for row in rows] == sorted(row["id"][:17] for row in rows)
    kinds = Counter(row["activity_type"] for row in rows)
    assert set(kinds) == {"FILL", "FEE", "OPEXP", "OPEXC", "OPCA"}
    filled = sum(int(order["filled_qty"]) * max(1, len(order["legs"] or ())) for order in orders)
    assert filled == sum(int(row["qty"]) for row in rows if row["activity_type"] == "FILL")
    assert {order["status"] for order in orders} >= {"filled", "canceled", "replaced"}
    named = {leg["id"] for order in orders for leg in (order["legs"] or [order])}
    assert {row["order_id"] for row in rows if row["activity_type"] == "FILL"} <= named
    assert (
        timedelta(days=13)
        < datetime.fromisoformat(rows[-1].get("created_at") or rows[-1]["transaction_time"]) - START
    )
