"""The corporate actions of the venue's companies: splits and cash dividends. Shell."""

from collections.abc import Iterator
from datetime import date
from typing import Any

from ops_pipeline.adapters.simulator.names import NameProfile
from ops_pipeline.domain.instruments import Split
from ops_pipeline.domain.market import Interval
from ops_pipeline.domain.units import to_decimal
from ops_pipeline.simserver.barmaking import midnight
from ops_pipeline.simserver.calls import Call, Reply, bad_data_request
from ops_pipeline.simserver.query import choice_of, count_of, day_of, place_of, token, words_of
from ops_pipeline.simserver.tickets import wire_id

DEFAULT_ROWS, MOST_ROWS = 100, 1000
_KINDS = {
    "forward_split": "forward_splits",
    "reverse_split": "reverse_splits",
    "cash_dividend": "cash_dividends",
}
_NEVER_HERE = (
    "unit_split", "stock_dividend", "spin_off", "cash_merger", "stock_merger", "stock_and_cash_merger",
    "redemption", "name_change", "worthless_removal", "rights_distribution", "reorganization", "partial_call",
)  # fmt: skip
_CUSIP_CHARACTERS = 9


def listing(call: Call) -> Reply:
    """Answer GET /v1/corporate-actions: without bounds, today's."""
    query = call.query
    limit = count_of(query, "limit", default=DEFAULT_ROWS, most=MOST_ROWS)
    newest_first = choice_of(query, "sort", ("asc", "desc"), default="asc") == "desc"
    types = words_of(query, "types")
    unknown = [kind for kind in types if kind not in _KINDS and kind not in _NEVER_HERE]
    if unknown:
        raise bad_data_request(f"invalid types: {unknown[0]}")
    rows = [row for row in _rows(call) if not types or row[0] in types]
    rows.sort(key=lambda row: (row[1]["process_date"], row[1]["symbol"], row[1]["id"]), reverse=newest_first)
    ids, after = words_of(query, "ids"), place_of(query)
    if ids:
        rows = [row for row in rows if row[1]["id"] in ids]
    if after:
        places = [place for place, row in enumerate(rows) if row[1]["id"] == after]
        rows = rows[places[0] + 1 :] if places else []
    found: dict[str, list[dict[str, Any]]] = {}
    for kind, row in rows[:limit]:
        found.setdefault(_KINDS[kind], []).append(row)
    more = token(rows[limit - 1][1]["id"]) if len(rows) > limit else None
    return Reply({"corporate_actions": found, "next_page_token": more})


def _rows(call: Call) -> Iterator[tuple[str, dict[str, Any]]]:
    today = call.venue.session().date
    first = day_of(call.query, "start") or today
    last = day_of(call.query, "end") or max(first, today)
    symbols = words_of(call.query, "symbols")
    for name in call.venue.world.rules.names:
        if symbols and name.ticker not in symbols:
            continue
        for split in call.venue.world.splits(name.ticker, first=first, last=last):
            yield "forward_split" if split.new > split.old else "reverse_split", _split_json(split)
        yield from _dividends(call, name, first, min(last, today))


def _split_json(split: Split) -> dict[str, Any]:
    day, cusip = split.session.isoformat(), _cusip(split.ticker)
    numbers = {"cusip": cusip} if split.new > split.old else {"old_cusip": cusip, "new_cusip": cusip}
    return {
        "id": wire_id("split", split.ticker, day),
        "symbol": split.ticker,
        **numbers,
        "new_rate": split.new,
        "old_rate": split.old,
        "process_date": day,
        "ex_date": day,
    }


def _dividends(
    call: Call, name: NameProfile, first: date, last: date
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give the dividends whose day has come: what they pay follows from the close before it."""
    world, calendar = call.venue.world, call.venue.calendar
    origin = world.rules.first_session
    for session in calendar.between(first, last) if name.dividend and first <= last else ():
        ahead = session.date >= origin
        index = calendar.count(origin, session.date) if ahead else -calendar.count(session.date, origin)
        if not name.pays_on(index):
            continue
        closes = world.bars(
            name.ticker,
            interval=Interval.DAY,
            after=midnight(calendar.previous(session.date).date),
            now=min(call.now, session.open_at),
        )
        if closes:
            rate = round(float(to_decimal(closes[-1].close)) * name.dividend, 4)
            yield "cash_dividend", _dividend_json(name.ticker, session.date, rate)


def _dividend_json(ticker: str, day: date, rate: float) -> dict[str, Any]:
    return {
        "id": wire_id("dividend", ticker, day.isoformat()),
        "symbol": ticker,
        "cusip": _cusip(ticker),
        "rate": rate,
        "special": False,
        "foreign": False,
        "process_date": day.isoformat(),
        "ex_date": day.isoformat(),
        "record_date": day.isoformat(),
    }


def _cusip(ticker: str) -> str:
    return wire_id("cusip", ticker).replace("-", "")[:_CUSIP_CHARACTERS].upper()
