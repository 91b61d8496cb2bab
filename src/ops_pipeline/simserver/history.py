"""An account's equity over time, valued anew from what was booked. Shell."""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from ops_pipeline.adapters.calendar.sessions import NEW_YORK
from ops_pipeline.domain.instruments import contract_of, split_contract
from ops_pipeline.domain.orders import Activity
from ops_pipeline.domain.units import Occ, Usd4
from ops_pipeline.simserver.calls import Call, Reply, unprocessable
from ops_pipeline.simserver.marks import mark_of
from ops_pipeline.simserver.money import number
from ops_pipeline.simserver.query import choice_of, instant_of

_PERIOD = re.compile(r"([1-9]\d{0,2})([DWMA])", re.ASCII)
_DAYS = {"D": 1, "W": 7, "M": 30, "A": 365}
_MINUTES = {"1Min": 1, "5Min": 5, "15Min": 15, "1H": 60}
_MOST_POINTS = 2000


def portfolio(call: Call) -> Reply:
    """Answer GET /v2/account/portfolio/history: the equity at each close, or within sessions."""
    query = call.query
    days = _days_of(query.get("period") or "1M")
    end = min(instant_of(query, "end") or call.now, call.now)
    start = instant_of(query, "start") or end - timedelta(days=days)
    default = "1Min" if days < 7 else "15Min" if days < 30 else "1D"
    frame = choice_of(query, "timeframe", (*_MINUTES, "1D"), default=default)
    opened = call.desk.opened_at
    instants = [at for at in _instants(call, max(start, opened), end, frame) if at >= opened]
    if len(instants) > _MOST_POINTS:
        raise unprocessable(f"too many points: expected at most {_MOST_POINTS}, was {len(instants)}")
    values = list(_values(call, instants))
    return Reply(_history_json(call.desk.terms.equity, instants, values, frame))


def _history_json(
    base: Usd4, instants: Sequence[datetime], values: Sequence[Usd4], frame: str
) -> dict[str, Any]:
    gains = [value - base for value in values]
    return {
        "timestamp": [int(at.timestamp()) for at in instants],
        "equity": [number(value) for value in values],
        "profit_loss": [number(gain) for gain in gains],
        "profit_loss_pct": [round(gain / base, 6) for gain in gains],
        "base_value": number(base),
        "timeframe": frame,
    }


def _days_of(period: str) -> int:
    match = _PERIOD.fullmatch(period)
    if match is None:
        raise unprocessable(f"invalid period: {period!r}")
    return int(match[1]) * _DAYS[match[2]]


def _instants(call: Call, start: datetime, end: datetime, frame: str) -> Iterator[datetime]:
    """Give the instants to value at, the present one last."""
    first, last = start.astimezone(NEW_YORK).date(), end.astimezone(NEW_YORK).date()
    for session in call.venue.calendar.between(first, last):
        if frame == "1D":
            if start <= session.close_at <= end:
                yield session.close_at
            continue
        at = session.open_at
        while at <= session.close_at:
            if start <= at <= end:
                yield at
            at += timedelta(minutes=_MINUTES[frame])
    if end == call.now:
        yield end


def _values(call: Call, instants: Sequence[datetime]) -> Iterator[Usd4]:
    activities = call.desk.book.activities
    times = [activity.at for activity in activities]
    for at in instants:
        cash, held = _replayed(call.desk.terms.equity, activities[: bisect_right(times, at)])
        quotes = call.venue.world.quotes([Occ(symbol) for symbol in held], now=at)
        yield cash + sum(mark_of(quotes.get(Occ(symbol))) * qty * 100 for symbol, qty in held.items())


def _replayed(cash: Usd4, activities: Sequence[Activity]) -> tuple[Usd4, dict[str, int]]:
    """Give cash and contracts as they were after the activities."""
    held: dict[str, int] = {}
    for activity in activities:
        cash += activity.amount
        held[activity.symbol] = held.get(activity.symbol, 0) + activity.qty
        contract = contract_of(activity.symbol)
        if activity.split is not None and contract is not None:
            after, for_one = split_contract(contract, activity.split)
            held[after.occ] = held.get(after.occ, 0) + held.pop(activity.symbol) * for_one
    return cash, {symbol: qty for symbol, qty in held.items() if qty}
