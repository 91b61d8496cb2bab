"""Market data of the venue's options: chains with greeks, quotes, trades, bars. Shell."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from ops_pipeline.domain.instruments import OptionContract, contract_of
from ops_pipeline.domain.market import OptionQuote
from ops_pipeline.domain.pricing.european import european_rho
from ops_pipeline.domain.units import ONE_DOLLAR, Occ
from ops_pipeline.simserver.assets import right_of
from ops_pipeline.simserver.barmaking import Piece, Unit, bar_json, gathered
from ops_pipeline.simserver.calls import Call, Reply, bad_data_request
from ops_pipeline.simserver.listing import Wanted, chain_of
from ops_pipeline.simserver.marks import MarkBook, mid_of
from ops_pipeline.simserver.money import number, stamp
from ops_pipeline.simserver.paging import Span, page_of_bars, symbols_of
from ops_pipeline.simserver.query import (
    choice_of,
    count_of,
    day_of,
    instant_of,
    place_of,
    price_of,
    token,
)

DEFAULT_PAGE, MOST_PAGE, MOST_SYMBOLS = 100, 1000, 100
_FAR = timedelta(days=4000)
_STEP = timedelta(seconds=15)
_YEAR_S = 365.0 * 86_400.0


def chain(call: Call, marks: MarkBook) -> Reply:
    """Answer GET /v1beta1/options/snapshots/{underlying_symbol}, a page by symbol."""
    query = call.query
    limit = count_of(query, "limit", default=DEFAULT_PAGE, most=MOST_PAGE)
    choice_of(query, "feed", ("opra", "indicative"), default="opra")
    since = instant_of(query, "updated_since")
    wanted, after = _wanted(call), place_of(query)
    found = chain_of(call.venue.world, call.path["symbol"], wanted, now=call.now)
    if found is None:
        return Reply({"snapshots": {}, "next_page_token": None})
    snapshots: dict[str, Any] = {}
    more = None
    for occ in sorted(occ for occ in found.contracts if occ > after and wanted.fits(found.contracts[occ])):
        if occ not in found.quotes or (since is not None and found.quotes[occ].at < since):
            continue
        if len(snapshots) == limit:
            more = token(list(snapshots)[-1])
            break
        snapshots[occ] = _snapshot(call, marks, found.contracts[occ], found.quotes[occ])
    return Reply({"snapshots": snapshots, "next_page_token": more})


def snapshots(call: Call, marks: MarkBook) -> Reply:
    """Answer GET /v1beta1/options/snapshots."""
    rows = {}
    for occ, quote in _quotes(call).items():
        contract = contract_of(occ)
        assert contract is not None
        rows[occ] = _snapshot(call, marks, contract, quote)
    return Reply({"snapshots": rows, "next_page_token": None})


def latest_quotes(call: Call) -> Reply:
    """Answer GET /v1beta1/options/quotes/latest."""
    return Reply({"quotes": {occ: quote_json(quote) for occ, quote in _quotes(call).items()}})


def latest_trades(call: Call) -> Reply:
    """Answer GET /v1beta1/options/trades/latest."""
    rows = {occ: _trade_json(quote) for occ, quote in _quotes(call).items()}
    return Reply({"trades": {occ: row for occ, row in rows.items() if row is not None}})


def bars(call: Call) -> Reply:
    """Answer GET /v1beta1/options/bars: the mids at the market's 15-second steps, gathered."""
    symbols = _at_most(symbols_of(call))
    found, more = page_of_bars(call, symbols, lambda symbol, span: _bars_of(call, Occ(symbol), span))
    return Reply({"bars": dict(found), "next_page_token": more})


def quote_json(quote: OptionQuote) -> dict[str, Any]:
    """Give a contract's quote; a side that is absent is 0."""
    return {
        "t": stamp(quote.at),
        "bx": "C",
        "bp": number(quote.bid or 0),
        "bs": (quote.bid_size or 0) if quote.bid else 0,
        "ax": "C",
        "ap": number(quote.ask or 0),
        "as": (quote.ask_size or 0) if quote.ask else 0,
        "c": "A",
    }


def _wanted(call: Call) -> Wanted:
    query = call.query
    exact = day_of(query, "expiration_date")
    today = call.now.date()
    return Wanted(
        first=exact or day_of(query, "expiration_date_gte") or date.min,
        last=exact or day_of(query, "expiration_date_lte") or today + _FAR,
        right=right_of(call),
        low=price_of(query, "strike_price_gte"),
        high=price_of(query, "strike_price_lte"),
        root=query.get("root_symbol") or "",
    )


def _at_most(symbols: Sequence[str]) -> Sequence[str]:
    if len(symbols) > MOST_SYMBOLS:
        raise bad_data_request(f"too many symbols: expected at most {MOST_SYMBOLS}, was {len(symbols)}")
    wrong = [symbol for symbol in symbols if contract_of(symbol) is None]
    if wrong:
        raise bad_data_request(f"invalid symbol: {wrong[0]}")
    return symbols


def _quotes(call: Call) -> Mapping[Occ, OptionQuote]:
    symbols = _at_most(symbols_of(call))
    return call.venue.world.quotes([Occ(symbol) for symbol in symbols], now=call.now)


def _snapshot(call: Call, marks: MarkBook, contract: OptionContract, quote: OptionQuote) -> dict[str, Any]:
    session = call.venue.session()
    today = marks.day_so_far(quote, session, call.now) if session.open_at <= call.now else None
    before = marks.day_before(quote, session, today)
    found: dict[str, Any] = {
        "latestQuote": quote_json(quote),
        "latestTrade": _trade_json(quote),
        "dailyBar": None if today is None else bar_json(today),
        "prevDailyBar": None if before is None else bar_json(before),
        "impliedVolatility": None if quote.iv is None else round(quote.iv, 4),
        "greeks": _greeks(call, contract, quote),
    }
    return {name: value for name, value in found.items() if value is not None}


def _greeks(call: Call, contract: OptionContract, quote: OptionQuote) -> dict[str, float] | None:
    """Give the greeks, per share: theta a calendar day, vega and rho a point; None where they are missing."""
    values = (quote.delta, quote.gamma, quote.theta_per_day, quote.vega_per_point)
    delta, gamma, theta, vega = values
    if quote.iv is None or delta is None or gamma is None or theta is None or vega is None:
        return None
    return {
        "delta": round(delta, 4),
        "gamma": round(gamma, 4),
        "theta": round(theta, 4),
        "vega": round(vega, 4),
        "rho": round(_rho(call, contract, quote.iv), 4),
    }


def _rho(call: Call, contract: OptionContract, volatility: float) -> float:
    world, session = call.venue.world, call.venue.calendar.session_on(contract.expiration)
    spot = world.spot(contract.underlying, now=call.now)
    end = session.close_at if session is not None else call.now
    years = max(0.0, (end - call.now).total_seconds()) / _YEAR_S
    per_whole = european_rho(
        (spot.price if spot is not None else contract.strike) / ONE_DOLLAR,
        contract.strike / ONE_DOLLAR,
        years,
        world.rate(call.now.date()),
        world.dividend_yield(contract.underlying),
        volatility,
        int(contract.right),
    )
    return per_whole / 100.0


def _trade_json(quote: OptionQuote) -> dict[str, Any] | None:
    """Give the last trade: of a contract that traded today, one at the quote's mid; else None."""
    mid = mid_of(quote)
    if mid is None or not quote.volume:
        return None
    return {"t": stamp(quote.at), "x": "C", "p": number(mid), "s": 1, "c": "I"}


def _bars_of(call: Call, occ: Occ, span: Span) -> list[Piece]:
    first = span.frame.start_of(span.start)
    reach = min(call.now, span.end + (span.frame.count * timedelta(minutes=1) if _is_short(span) else _FAR))
    pieces = [
        piece
        for session in call.venue.calendar.between(first.date(), reach.date())
        if session.date >= call.venue.world.rules.first_session
        for piece in _mids(
            call.venue.world.quotes, occ, max(first, session.open_at), min(reach, session.close_at)
        )
    ]
    return [bar for bar in gathered(pieces, span.frame) if span.start <= bar.at <= span.end]


def _is_short(span: Span) -> bool:
    return span.frame.unit is Unit.MINUTE


def _mids(
    quotes: Callable[..., Mapping[Occ, OptionQuote]], occ: Occ, first: datetime, last: datetime
) -> Iterator[Piece]:
    """Give the mid at each step; the growth of the session's volume is what traded in between."""
    at, before = first, None
    while at <= last:
        quote = quotes([occ], now=at).get(occ)
        mid, volume = mid_of(quote), (quote.volume if quote is not None else None)
        if mid is not None:
            traded = 0 if before is None or volume is None else max(0, volume - before)
            yield Piece(at, mid, mid, mid, mid, traded)
            before = volume if volume is not None else before
        at += _STEP
