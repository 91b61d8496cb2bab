"""Prices, bars and splits between the venue's spelling and the domain's. Pure."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from math import isfinite

from ops_pipeline.adapters.alpaca import amounts
from ops_pipeline.adapters.alpaca import wire_market as wire
from ops_pipeline.adapters.alpaca.errors import WireError
from ops_pipeline.adapters.alpaca.instants import day_of, instant
from ops_pipeline.domain.instruments import Split
from ops_pipeline.domain.market import Bar, Interval, Session, SpotQuote
from ops_pipeline.domain.units import Usd4

_MINUTE = timedelta(minutes=1)
# The oldest price of a share that options may be judged against while both trade.
FRESH_WITHIN = timedelta(seconds=60)
# A quote wider than this part of its bid says too little of the price.
_WIDEST_SHARE = 100
_MOST_UNITS = 10**15
# Rates of splits are told as decimals: 1.5 is 3:2.
_FINEST_RATE = 10_000


def spot_of(ticker: str, row: wire.StockSnapshot, *, now: datetime | None = None) -> SpotQuote | None:
    """Read a stock's newest trade, with the range and volume of that day; None where none is known.

    With a `now` shares trade, and an old price is none: then the middle of the quote or the close of the
    minute stands in where it is fresh.
    """
    where = f"snapshot of {ticker}"
    found = _traded(row, where) if now is None else _fresh(row, now, where)
    if found is None:
        return None
    price, at = found
    day = row.daily_bar
    if day is None or day_of(day.t, where=where) != day_of(at, where=where):
        return SpotQuote(ticker=ticker, price=price, at=at)
    return SpotQuote(
        ticker=ticker,
        price=price,
        at=at,
        volume=_size(day.v, where),
        day_high=amounts.quoted(day.h, where=where),
        day_low=amounts.quoted(day.l, where=where),
    )


def _fresh(row: wire.StockSnapshot, now: datetime, where: str) -> tuple[Usd4, datetime] | None:
    """Give the first price that is young enough, and when it was true."""
    for read in (_traded, _middle, _closed):
        found = read(row, where)
        if found is not None and now - found[1] < FRESH_WITHIN:
            return found
    return None


def _traded(row: wire.StockSnapshot, where: str) -> tuple[Usd4, datetime] | None:
    trade = row.latest_trade
    price = amounts.quoted(trade.p, where=f"{where}, trade") if trade else None
    return (price, instant(trade.t, where=where)) if trade and price else None


def _middle(row: wire.StockSnapshot, where: str) -> tuple[Usd4, datetime] | None:
    quote = row.latest_quote
    if quote is None:
        return None
    bid, ask = amounts.quoted(quote.bp, where=where), amounts.quoted(quote.ap, where=where)
    if not bid or not ask or not bid <= ask <= bid + bid // _WIDEST_SHARE:
        return None
    return (bid + ask) // 2, instant(quote.t, where=where)


def _closed(row: wire.StockSnapshot, where: str) -> tuple[Usd4, datetime] | None:
    bar = row.minute_bar
    price = amounts.quoted(bar.c, where=where) if bar else None
    return (price, instant(bar.t, where=where) + _MINUTE) if bar and price else None


def bar_of(ticker: str, interval: Interval, row: wire.Bar, session: Session | None) -> Bar | None:
    """Read a bar of a session; None for one outside it: before the open, after the close, on no session."""
    if session is None:
        return None
    if interval is Interval.DAY:
        end = session.close_at
    else:
        end = instant(row.t, where=f"bar of {ticker}") + _MINUTE
        if not session.open_at < end <= session.close_at:
            return None
    where = f"bar of {ticker} at {row.t.isoformat()}"
    prices = [_price(value, where) for value in (row.o, row.h, row.l, row.c)]
    opened, high, low, close = prices
    if not low <= min(opened, close) <= max(opened, close) <= high:
        raise WireError(f"{where}: expected low <= open, close <= high, was {prices}")
    return Bar(
        ticker=ticker,
        interval=interval,
        session=session.date,
        end_at=end,
        open=opened,
        high=high,
        low=low,
        close=close,
        volume=_size(row.v, where),
    )


def splits_of(row: wire.CorporateActions, ticker: str) -> Iterator[Split]:
    """Read what changes how many shares one share of `ticker` is, dividends in shares among it."""
    for action in (*row.forward_splits, *row.reverse_splits):
        if action.symbol == ticker:
            where = f"split of {ticker} on {action.ex_date}"
            yield from _split(ticker, action.ex_date, action.new_rate, action.old_rate, where)
    for dividend in row.stock_dividends:
        if dividend.symbol == ticker:
            where = f"stock dividend of {ticker} on {dividend.ex_date}"
            rate = dividend.rate
            whole = 1 + rate if rate.is_finite() and 0 < rate < _MOST_UNITS else rate
            yield from _split(ticker, dividend.ex_date, whole, Decimal(1), where)


def _split(ticker: str, on: date, new: Decimal, old: Decimal, where: str) -> Iterator[Split]:
    if not (new.is_finite() and old.is_finite() and 0 < new < _MOST_UNITS and 0 < old < _MOST_UNITS):
        raise WireError(f"{where}: expected rates > 0, was {new}:{old}")
    ratio = (Fraction(new) / Fraction(old)).limit_denominator(_FINEST_RATE)
    if ratio != 1 and ratio > 0:
        yield Split(ticker=ticker, session=on, new=ratio.numerator, old=ratio.denominator)


def _price(value: float, where: str) -> Usd4:
    found = amounts.quoted(value, where=where)
    if found is None:
        raise WireError(f"{where}: expected a price > 0, was {value}")
    return found


def _size(value: float | None, where: str) -> int | None:
    if value is None:
        return None
    if not isfinite(value) or not 0 <= value <= _MOST_UNITS:
        raise WireError(f"{where}: expected a size, was {value}")
    return int(value)
