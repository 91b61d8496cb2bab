"""Market data of the venue's stocks: bars, quotes, trades, snapshots. Shell."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from ops_pipeline.adapters.simulator.world import World
from ops_pipeline.domain.instruments import Split
from ops_pipeline.domain.market import Bar, Interval, SpotQuote
from ops_pipeline.domain.units import Usd4
from ops_pipeline.simserver.barmaking import Piece, Timeframe, Unit, bar_json, gathered, joined, midnight
from ops_pipeline.simserver.calls import ApiError, Call, Reply, bad_data_request
from ops_pipeline.simserver.money import number, stamp
from ops_pipeline.simserver.paging import Span, page_of_bars, symbols_of

_MINUTE = timedelta(minutes=1)
_ADJUSTMENTS = ("raw", "split", "dividend", "all", "spin-off")
# Shares have a price in this market, no book: they are quoted a cent to either side of it, a round lot each.
HALF_SPREAD: Usd4 = 100
QUOTED_SHARES = 100
_DAYS_BACK = timedelta(days=7)


def bars(call: Call) -> Reply:
    """Answer GET /v2/stocks/bars."""
    found, more = page_of_bars(call, symbols_of(call), _pieces(call))
    return Reply({"bars": dict(found), "next_page_token": more})


def bars_of_one(call: Call) -> Reply:
    """Answer GET /v2/stocks/{symbol}/bars."""
    symbol = call.path["symbol"]
    found, more = page_of_bars(call, (symbol,), _pieces(call))
    return Reply({"symbol": symbol, "bars": found.get(symbol, []), "next_page_token": more})


def latest_bars(call: Call) -> Reply:
    """Answer GET /v2/stocks/bars/latest."""
    return Reply({"bars": dict(_each(call, lambda symbol, _: _latest_minute(call, symbol)))})


def latest_quotes(call: Call) -> Reply:
    """Answer GET /v2/stocks/quotes/latest."""
    return Reply({"quotes": dict(_each(call, lambda _, spot: quote_json(spot)))})


def latest_quote(call: Call) -> Reply:
    """Answer GET /v2/stocks/{symbol}/quotes/latest."""
    return Reply({"symbol": call.path["symbol"], "quote": quote_json(_spot(call, "quote"))})


def latest_trades(call: Call) -> Reply:
    """Answer GET /v2/stocks/trades/latest."""
    return Reply({"trades": dict(_each(call, lambda _, spot: trade_json(spot)))})


def latest_trade(call: Call) -> Reply:
    """Answer GET /v2/stocks/{symbol}/trades/latest."""
    return Reply({"symbol": call.path["symbol"], "trade": trade_json(_spot(call, "trade"))})


def snapshots(call: Call) -> Reply:
    """Answer GET /v2/stocks/snapshots."""
    return Reply(dict(_each(call, lambda symbol, spot: _snapshot(call, symbol, spot))))


def snapshot(call: Call) -> Reply:
    """Answer GET /v2/stocks/{symbol}/snapshot."""
    symbol = call.path["symbol"]
    return Reply({"symbol": symbol, **_snapshot(call, symbol, _spot(call, "snapshot"))})


def quote_json(spot: SpotQuote) -> dict[str, Any]:
    """Give a share's quote."""
    return {
        "t": stamp(spot.at),
        "bx": "V",
        "bp": number(max(0, spot.price - HALF_SPREAD)),
        "bs": QUOTED_SHARES,
        "ax": "V",
        "ap": number(spot.price + HALF_SPREAD),
        "as": QUOTED_SHARES,
        "c": ["R"],
        "z": "A",
    }


def trade_json(spot: SpotQuote) -> dict[str, Any]:
    """Give a share's last trade."""
    return {
        "t": stamp(spot.at),
        "x": "V",
        "p": number(spot.price),
        "s": QUOTED_SHARES,
        "c": ["@"],
        "i": int(spot.at.timestamp()),
        "z": "A",
    }


def _each(
    call: Call, write: Callable[[str, SpotQuote], dict[str, Any] | None]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Write something of each symbol the market knows; what it does not know is left out."""
    for symbol in symbols_of(call):
        spot = call.venue.world.spot(symbol, now=call.now)
        row = None if spot is None else write(symbol, spot)
        if row is not None:
            yield symbol, row


def _spot(call: Call, what: str) -> SpotQuote:
    symbol = call.path["symbol"]
    spot = call.venue.world.spot(symbol, now=call.now)
    if spot is None:
        raise ApiError(0, f"no {what} found for {symbol}", status=404)
    return spot


def _snapshot(call: Call, symbol: str, spot: SpotQuote) -> dict[str, Any]:
    today = _today(call.venue.world, symbol, midnight(call.venue.session().date), call.now)
    days = _daily(call.venue.world, symbol, spot.at - _DAYS_BACK, call.now)
    whole = [day for day in days if not today or day.at < today.at]
    found = {
        "latestTrade": trade_json(spot),
        "latestQuote": quote_json(spot),
        "minuteBar": _latest_minute(call, symbol),
        "dailyBar": bar_json(today or whole[-1]) if today or whole else None,
        "prevDailyBar": _previous(whole, begun=today is not None),
    }
    return {name: row for name, row in found.items() if row is not None}


def _previous(whole: Sequence[Piece], *, begun: bool) -> dict[str, Any] | None:
    """Give the day before the one shown as the daily bar."""
    place = -1 if begun else -2
    return bar_json(whole[place]) if len(whole) >= -place else None


def _latest_minute(call: Call, symbol: str) -> dict[str, Any] | None:
    opened = call.venue.session().open_at
    minutes = list(_minutes(call.venue.world, symbol, min(opened, call.now - 10 * _MINUTE), call.now))
    return bar_json(minutes[-1]) if minutes else None


def _pieces(call: Call) -> Callable[[str, Span], Sequence[Piece]]:
    adjustments = (call.query.get("adjustment") or "raw").split(",")
    unknown = [word for word in adjustments if word not in _ADJUSTMENTS]
    if unknown:
        raise bad_data_request(f"invalid adjustment: {unknown[0]}")
    by_split = "split" in adjustments or "all" in adjustments
    return lambda symbol, span: _bars_of(call, symbol, span, by_split=by_split)


def _bars_of(call: Call, symbol: str, span: Span, *, by_split: bool) -> list[Piece]:
    """Give the bars of a symbol that start within the span; the last may still be growing."""
    world = call.venue.world
    first = span.frame.start_of(span.start)
    if span.frame.unit is Unit.MINUTE:
        reach = min(call.now, span.end + span.frame.count * _MINUTE)
        pieces: Iterable[Piece] = _minutes(world, symbol, first, reach)
    else:
        pieces = _daily(world, symbol, first, call.now)
        today = _today(world, symbol, midnight(call.venue.session().date), call.now)
        pieces = [*(day for day in pieces if today is None or day.at < today.at), *([today] if today else ())]
    if by_split:
        day = call.venue.session().date
        splits = world.splits(symbol, first=first.date(), last=day)
        pieces = [_in_todays_shares(piece, splits) for piece in pieces]
    return [bar for bar in gathered(pieces, span.frame) if span.start <= bar.at <= span.end]


def _minutes(world: World, symbol: str, after: datetime, now: datetime) -> Iterator[Piece]:
    for bar in world.bars(symbol, interval=Interval.MINUTE, after=after, now=now):
        yield _piece(bar, bar.end_at - _MINUTE)


def _daily(world: World, symbol: str, after: datetime, now: datetime) -> list[Piece]:
    days = world.bars(symbol, interval=Interval.DAY, after=after, now=now)
    return [_piece(bar, midnight(bar.session)) for bar in days]


def _today(world: World, symbol: str, dawn: datetime, now: datetime) -> Piece | None:
    """Give the session's bar as far as it has come; None before its first minute."""
    pieces = list(_minutes(world, symbol, dawn, now)) if now > dawn else []
    return joined(Timeframe(Unit.DAY, 1).start_of(dawn), pieces) if pieces else None


def _piece(bar: Bar, at: datetime) -> Piece:
    return Piece(at, bar.open, bar.high, bar.low, bar.close, bar.volume or 0)


def _in_todays_shares(piece: Piece, splits: Sequence[Split]) -> Piece:
    for split in splits:
        if piece.at < midnight(split.session):
            opened, high, low, close = (price * split.old // split.new for price in piece[1:5])
            piece = Piece(piece.at, opened, high, low, close, piece.volume * split.new // split.old)
    return piece
