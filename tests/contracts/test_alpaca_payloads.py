"""Every recorded payload of our endpoints is read."""

import sys
from collections import Counter

from ops_pipeline.adapters.alpaca import amounts, wire_market
from tests.builders_alpaca import recorded
from tests.builders_payloads import (
    accounts,
    articles,
    bars,
    clocks,
    contracts,
    errors,
    guards,
    latest_option_quotes,
    orders,
    positions,
    read,
    sessions,
    snapshots,
    splits,
    stock_snapshots,
)

FILES = (
    "account",
    "bars_quotes_trades",
    "clock_calendar",
    "corporate_actions",
    "news",
    "option_chain_snapshot",
    "option_contracts",
    "option_data",
    "orders",
    "other",
    "positions",
)


def prices(row):
    """Quotes and trades that no port of ours hands on: their prices are read as all prices are."""
    found = []
    for key, one_kind, many_kind in (
        ("quotes", wire_market.LatestQuotes, wire_market.Quotes),
        ("trades", wire_market.LatestTrades, wire_market.Trades),
    ):
        if key in row["payload"]:
            many = any(isinstance(value, list) for value in row["payload"][key].values())
            rows = getattr(read(many_kind if many else one_kind, row), key)
            for value in rows.values():
                for one in value if many else [value]:
                    sides = (one.bp, one.ap) if key == "quotes" else (one.p,)
                    found.append(tuple(amounts.quoted(side, where=key) for side in sides))
    return found


def option_bars(row):
    rows = read(wire_market.Bars, row).bars
    return [amounts.quoted(one.c, where="bar") for value in rows.values() for one in value]


BY_FILE = {"news": articles, "option_contracts": contracts, "option_chain_snapshot": snapshots}
BY_KEY = {
    ("account", "account_number"): accounts,
    ("account", "suspend_trade"): guards,
    ("clock_calendar", "is_open"): clocks,
    ("corporate_actions", "corporate_actions"): splits,
    ("option_data", "bars"): option_bars,
    ("option_data", "quotes"): latest_option_quotes,
    ("option_data", "trades"): prices,
    ("bars_quotes_trades", "bars"): bars,
    ("other", "bars"): bars,
    ("bars_quotes_trades", "quotes"): prices,
    ("bars_quotes_trades", "trades"): prices,
}


def reader_of(name, row):
    """Choose how a payload is read; None: it is of an endpoint that nobody here asks."""
    payload = row["payload"]
    if (
        "crypto" in (row["url"] or "")
        or "Crypto" in row["test"]
        or "accounts/positions" in (row["url"] or "")
    ):
        return None
    if isinstance(payload, list):
        first = set(payload[0])
        known = {"avg_entry_price": positions, "client_order_id": orders, "session_open": sessions}
        return next((reader for key, reader in known.items() if key in first), None)
    keys = set(payload)
    if "status" not in keys and {"code", "message"} <= keys:
        return errors
    if {"client_order_id", "status"} <= keys:
        return orders
    found = BY_FILE.get(name) or next((BY_KEY[name, key] for key in keys if (name, key) in BY_KEY), None)
    return found or (stock_snapshots if name == "bars_quotes_trades" else None)


def test_every_recorded_payload_of_our_endpoints_is_read(shared_data, capsys):
    read_by, values = Counter(), Counter()
    passed_over = []
    for name in FILES:
        for number, row in enumerate(recorded(shared_data, name)):
            reader = reader_of(name, row)
            if reader is None:
                passed_over.append(f"{name} {number} {row['test']}")
                continue
            found = reader(row)
            read_by[reader.__name__] += 1
            values[reader.__name__] += len(found)
    with capsys.disabled():
        sys.stdout.write(f"\nrecorded payloads read: {sum(read_by.values())}, values: {dict(values)}\n")
    assert read_by == {
        "accounts": 1,
        "guards": 2,
        "orders": 12,
        "positions": 2,
        "errors": 2,
        "sessions": 1,
        "clocks": 1,
        "contracts": 3,
        "snapshots": 10,
        "latest_option_quotes": 5,
        "stock_snapshots": 4,
        "prices": 33,
        "bars": 22,
        "option_bars": 5,
        "articles": 4,
        "splits": 3,
    }
    # 28 of crypto; screeners, auctions, bonds, announcements; answers to closing or cancelling everything.
    assert (sum(read_by.values()), len(passed_over)) == (110, 47)
