"""Pages of bars over several symbols: so many in all, symbol by symbol. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ops_pipeline.adapters.calendar.sessions import NEW_YORK
from ops_pipeline.simserver.barmaking import Piece, Timeframe, bar_json, midnight, read_timeframe
from ops_pipeline.simserver.calls import Call, bad_data_request
from ops_pipeline.simserver.money import stamp
from ops_pipeline.simserver.query import choice_of, count_of, instant_of, place_of, token, words_of

DEFAULT_BARS, MOST_BARS = 1000, 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Which bars are asked for: their timeframe and the bounds of their starts, both included."""

    frame: Timeframe
    start: datetime
    end: datetime


PiecesOf = Callable[[str, Span], Sequence[Piece]]


def symbols_of(call: Call) -> tuple[str, ...]:
    """Read the symbols of a request for several, each once."""
    found = words_of(call.query, "symbols")
    if not found:
        raise bad_data_request("symbols is required")
    return tuple(dict.fromkeys(found))


def span_of(call: Call) -> Span:
    """Read timeframe and bounds: without them, today up to now."""
    named = call.query.get("timeframe") or ""
    frame = read_timeframe(named)
    if frame is None:
        raise bad_data_request(f"invalid timeframe: {named!r}")
    start = instant_of(call.query, "start") or midnight(call.now.astimezone(NEW_YORK).date())
    end = instant_of(call.query, "end") or call.now
    if start > end:
        raise bad_data_request("end should not be before start")
    return Span(frame=frame, start=start, end=min(end, call.now))


def page_of_bars(
    call: Call, symbols: Sequence[str], pieces_of: PiecesOf
) -> tuple[Mapping[str, list[dict[str, Any]]], str | None]:
    """Give the page asked for and the token of the next one, None after the last."""
    limit = count_of(call.query, "limit", default=DEFAULT_BARS, most=MOST_BARS)
    newest_first = choice_of(call.query, "sort", ("asc", "desc"), default="asc") == "desc"
    span = span_of(call)
    last_symbol, _, last_stamp = place_of(call.query).partition("|")
    bars: dict[str, list[dict[str, Any]]] = {}
    left = limit
    for symbol in sorted(symbols):
        if symbol < last_symbol:
            continue
        pieces = pieces_of(symbol, span)
        rows = pieces[::-1] if newest_first else pieces
        if symbol == last_symbol:
            rows = [row for row in rows if _is_after(stamp(row.at), last_stamp, newest_first=newest_first)]
        if len(rows) > left:
            if left:
                bars[symbol] = [bar_json(row) for row in rows[:left]]
            place = f"{symbol}|{stamp(rows[left - 1].at) if left else ''}"
            return bars, token(place if left else f"{symbol}|")
        if rows:
            bars[symbol] = [bar_json(row) for row in rows]
        left -= len(rows)
    return bars, None


def _is_after(at: str, last: str, *, newest_first: bool) -> bool:
    if not last:
        return True
    here, there = datetime.fromisoformat(at), datetime.fromisoformat(last)
    return here < there if newest_first else here > there
