# ruff: noqa: INP001 - run by path, not imported
"""Times a page of an option chain from its JSON to columns, against alpaca-py's models. Shell.

Both read the same page of a thousand snapshots, every part of each told, in one process, taking turns of a
whole chain of pages. alpaca-py parses it and builds its models; ours decodes what is read of it and gives
checked columns, or all quotes as the domain's values; the floor parses and keeps nothing. Medians of CPU
time; ratios are what counts.
"""

import json
import statistics
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from random import Random
from time import process_time

import msgspec
from alpaca.data.models.snapshots import OptionsSnapshot

from ops_pipeline.adapters.alpaca import wire
from ops_pipeline.adapters.alpaca import wire_market as market
from ops_pipeline.adapters.alpaca.option_table import Days, QuoteColumns, QuoteTable, columns_of
from ops_pipeline.domain.market import Feed

CONTRACTS, PAGES, ROUNDS, SEED = 1_000, 5, 12, 7
GOAL = 15
AT = datetime(2026, 9, 14, 15, 30, tzinfo=UTC)
DAYS = Days(today=date(2026, 9, 14), before=date(2026, 9, 11))


class Nothing(msgspec.Struct):
    """A page of which nothing is kept."""

    next_page_token: str | None = None


def page_of(draws: Random) -> bytes:
    """Invent a page as the broker writes it."""

    def bar(stamp: str, price: float) -> dict[str, object]:
        sides = {"o": price, "h": round(price + 0.1, 2), "l": price, "c": price}
        return {"t": stamp, **sides, "n": 12, "v": draws.randrange(5_000), "vw": round(price + 0.012345, 6)}

    def snapshot() -> dict[str, object]:
        price = draws.randrange(5, 2_000) / 100
        greeks = {name: draws.random() / 5 for name in ("delta", "gamma", "rho", "vega")}
        quote = {"t": "2026-09-14T15:29:50.123456789Z", "bx": "N", "ax": "X", "c": "A"}
        sizes = {"bs": draws.randrange(999), "as": draws.randrange(999)}
        return {
            "dailyBar": bar("2026-09-14T04:00:00Z", price),
            "greeks": greeks | {"theta": -draws.random() / 5},
            "impliedVolatility": draws.random(),
            "latestQuote": {**quote, **sizes, "bp": price, "ap": round(price + 0.05, 2)},
            "latestTrade": {"t": "2026-09-14T15:28:50.123456789Z", "p": price, "s": 1, "x": "N", "c": "I"},
            "minuteBar": bar("2026-09-14T15:29:00Z", price),
            "prevDailyBar": bar("2026-09-11T04:00:00Z", price),
        }

    rows = {f"AAPL261016C{strike * 500:08d}": snapshot() for strike in range(1, CONTRACTS + 1)}
    return json.dumps({"snapshots": rows, "next_page_token": None}, separators=(",", ":")).encode()


def theirs(page: bytes) -> object:
    """Read a page as alpaca-py's client does."""
    rows = json.loads(page)["snapshots"]
    return {symbol: OptionsSnapshot(symbol, row) for symbol, row in rows.items()}


def columns(page: bytes) -> QuoteColumns:
    """Read a page as the adapter does."""
    return columns_of(wire.read(market.OptionSnapshots, page, where="page").snapshots, DAYS)


def quotes(page: bytes) -> object:
    """Read a page and look at every quote of it."""
    found = columns(page)
    asked_at = dict.fromkeys(found.occs, AT)
    table = QuoteTable(found, confirmed_at=asked_at, feed=Feed.OPRA, open_interest={})
    return list(table.values())


def main() -> int:
    """Print microseconds a contract and the ratios; 1 where the goal is missed."""
    page = page_of(Random(SEED))
    floor = msgspec.json.Decoder(Nothing)
    sides: dict[str, Callable[[bytes], object]] = {
        "alpaca-py": theirs,
        "columns": columns,
        "all quotes": quotes,
        "floor": floor.decode,
    }
    assert len(columns(page).occs) == CONTRACTS
    times: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(ROUNDS):
        for name, side in sides.items():
            began = process_time()
            for _ in range(PAGES):
                side(page)
            times[name].append((process_time() - began) / PAGES)
    each = {name: statistics.median(rows) / CONTRACTS * 1e6 for name, rows in times.items()}
    told = ", ".join(f"{name} {micros:.2f} us" for name, micros in each.items())
    ratio, above = each["alpaca-py"] / each["columns"], each["columns"] / each["floor"]
    sys.stdout.write(f"{len(page) / 1000:.0f} kB: {told}; {ratio:.1f} x (goal {GOAL}), floor {above:.1f} x\n")
    return 0 if ratio >= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
