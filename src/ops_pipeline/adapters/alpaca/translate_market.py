"""Prices, bars, quotes, splits and news between the venue's spelling and the domain's. Pure."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from math import isfinite
from typing import NamedTuple
from zoneinfo import ZoneInfo

from ops_pipeline.adapters.alpaca import amounts
from ops_pipeline.adapters.alpaca import wire_market as wire
from ops_pipeline.adapters.alpaca.errors import WireError
from ops_pipeline.domain.instruments import Split
from ops_pipeline.domain.market import Bar, Feed, Interval, OptionQuote, Session, SpotQuote
from ops_pipeline.domain.units import Occ, Usd4

NEW_YORK = ZoneInfo("America/New_York")
_MINUTE = timedelta(minutes=1)
_HIGHEST_IV = 50.0
_MOST_UNITS = 10**15
# Rates of splits are told as decimals: 1.5 is 3:2.
_FINEST_RATE = 10_000


class Days(NamedTuple):
    """The sessions that volumes are told apart by: the one under way and the one before."""

    today: date
    before: date


def day_of(at: datetime) -> date:
    """Give the New York date of an instant."""
    return at.astimezone(NEW_YORK).date()


def spot_of(ticker: str, row: wire.StockSnapshot) -> SpotQuote | None:
    """Read a stock's newest trade, with the range and volume of that day; None where none is known."""
    trade, day = row.latest_trade, row.daily_bar
    price = amounts.quoted(trade.p, where=f"trade of {ticker}") if trade else None
    if trade is None or price is None:
        return None
    if day is None or day_of(day.t) != day_of(trade.t):
        return SpotQuote(ticker=ticker, price=price, at=trade.t)
    where = f"day of {ticker}"
    return SpotQuote(
        ticker=ticker,
        price=price,
        at=trade.t,
        volume=_size(day.v, where),
        day_high=amounts.quoted(day.h, where=where),
        day_low=amounts.quoted(day.l, where=where),
    )


def bar_of(ticker: str, interval: Interval, row: wire.Bar, session: Session | None) -> Bar | None:
    """Read a bar of a session; None for one outside it: before the open, after the close, on no session."""
    if session is None:
        return None
    if interval is Interval.DAY:
        end = session.close_at
    else:
        end = row.t.astimezone(UTC) + _MINUTE
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


def quote_of(
    occ: Occ,
    row: wire.OptionSnapshot,
    *,
    confirmed_at: datetime,
    feed: Feed,
    days: Days,
    open_interest: int | None = None,
) -> OptionQuote | None:
    """Read an option's quote, with greeks and volumes where they are told; None without a quote.

    Nobody bids at 0, and an offer at 0 is none. An IV or a greek that cannot be is taken for missing.
    """
    quote, greeks = row.latest_quote, row.greeks or _NO_GREEKS
    if quote is None:
        return None
    where = f"quote of {occ}"
    bid = 0 if quote.bp == 0 else amounts.quoted(quote.bp, where=where)
    return OptionQuote(
        occ=occ,
        bid=bid,
        ask=amounts.quoted(quote.ap, where=where),
        bid_size=_size(quote.bs, where),
        ask_size=_size(quote.as_, where),
        at=quote.t,
        confirmed_at=confirmed_at,
        feed=feed,
        iv=_within(row.implied_volatility, 0.0, _HIGHEST_IV) or None,
        delta=_within(greeks.delta, -1.0, 1.0),
        gamma=_within(greeks.gamma, 0.0, None),
        theta_per_day=_within(greeks.theta, None, None),
        vega_per_point=_within(greeks.vega, 0.0, None),
        volume=_volume_on(days.today, row, occ),
        previous_volume=_volume_on(days.before, row, occ),
        open_interest=open_interest,
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
            yield from _split(ticker, dividend.ex_date, 1 + dividend.rate, Decimal(1), where)


def _split(ticker: str, on: date, new: Decimal, old: Decimal, where: str) -> Iterator[Split]:
    if not (new.is_finite() and old.is_finite() and 0 < new < _MOST_UNITS and 0 < old < _MOST_UNITS):
        raise WireError(f"{where}: expected rates > 0, was {new}:{old}")
    ratio = (Fraction(new) / Fraction(old)).limit_denominator(_FINEST_RATE)
    if ratio != 1 and ratio > 0:
        yield Split(ticker=ticker, session=on, new=ratio.numerator, old=ratio.denominator)


def _volume_on(day: date, row: wire.OptionSnapshot, occ: Occ) -> int | None:
    """Give the contracts of a day: a bar that is not of it says that nothing traded on it.

    None where no bar is told at all, or only later ones.
    """
    bars = [bar for bar in (row.daily_bar, row.prev_daily_bar) if bar is not None]
    for bar in bars:
        if day_of(bar.t) == day:
            return _size(bar.v, occ)
    return 0 if any(day_of(bar.t) < day for bar in bars) else None


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


def _within(value: float | None, low: float | None, high: float | None) -> float | None:
    if value is None or not isfinite(value):
        return None
    outside = (low is not None and value < low) or (high is not None and value > high)
    return None if outside else value


_NO_GREEKS = wire.Greeks()
