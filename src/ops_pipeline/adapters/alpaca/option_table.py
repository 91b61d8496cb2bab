"""Pages of option snapshots as columns, and the quotes that are made of them when looked at. Pure."""

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from math import isnan
from typing import cast

import numpy as np
from numpy.typing import NDArray

from ops_pipeline.adapters.alpaca import wire_market as wire
from ops_pipeline.domain.market import Feed, OptionQuote
from ops_pipeline.domain.units import MAX_PRICE, ONE_DOLLAR, Occ

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
Flags = NDArray[np.bool_]
# Stands in columns of whole numbers for what is not told.
ABSENT = -1
_MOST_UNITS = 10**15
_HIGHEST_PRICE = MAX_PRICE / ONE_DOLLAR
_HIGHEST_IV = 50.0
_ANY = np.finfo(np.float64).max
# What can be: of bid, ask, bid size, ask size; then of IV, delta, gamma, theta and vega.
_LOW = np.array([0, 0, 0, 0, 0, -1, 0, -_ANY, 0])[:, np.newaxis]
_HIGH = np.array(
    [_HIGHEST_PRICE, _HIGHEST_PRICE, _MOST_UNITS, _MOST_UNITS, _HIGHEST_IV, 1, _ANY, _ANY, _ANY]
)[:, np.newaxis]
_MUST_FIT = 4
_NO_GREEKS = wire.Greeks()


@dataclass(frozen=True, slots=True, kw_only=True)
class Days:
    """The sessions that volumes are told apart by: the one under way and the one before."""

    today: date
    before: date


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class QuoteColumns:
    """Quotes as columns of one length, in the order they came.

    Prices in Usd4; ABSENT or NaN stand for what is not told. `refused` says which rows did not fit.
    """

    occs: Sequence[Occ]
    at: Sequence[datetime]
    bid: Whole
    ask: Whole
    bid_size: Whole
    ask_size: Whole
    iv: Floats
    delta: Floats
    gamma: Floats
    theta_per_day: Floats
    vega_per_point: Floats
    volume: Whole
    previous_volume: Whole
    refused: Sequence[str]


def columns_of(rows: Mapping[str, wire.OptionSnapshot], days: Days) -> QuoteColumns:
    """Read the snapshots that have a quote.

    Nobody bids at 0, and an offer at 0 is none. An IV or a greek that cannot be is taken for missing; a
    price or a size that cannot be refuses its row.
    """
    occs, kept = list(rows), list(rows.values())
    told = [row.latest_quote for row in kept]
    quotes = cast("list[wire.Quote]", told)
    if None in told:
        return columns_of({occ: row for occ, row in rows.items() if row.latest_quote is not None}, days)
    block = _block(quotes, kept)
    inside = (block >= _LOW) & (block <= _HIGH)
    sound: Flags = np.all((inside | np.isnan(block))[:_MUST_FIT], axis=0)
    if not sound.all():
        fitting = {occ: row for occ, row, fits in zip(occs, kept, sound, strict=True) if fits}
        return replace(columns_of(fitting, days), refused=_refusals(occs, block, sound))
    bid, ask = _whole(np.rint(block[:2] * ONE_DOLLAR))
    bid_size, ask_size = _whole(block[2:_MUST_FIT])
    iv, delta, gamma, theta, vega = np.where(inside, block, np.nan)[_MUST_FIT:]
    return QuoteColumns(
        occs=cast("list[Occ]", occs),
        at=[quote.t for quote in quotes],
        bid=bid,
        ask=np.where(ask == 0, ABSENT, ask),
        bid_size=bid_size,
        ask_size=ask_size,
        iv=np.where(iv == 0.0, np.nan, iv),
        delta=delta,
        gamma=gamma,
        theta_per_day=theta,
        vega_per_point=vega,
        volume=_volumes([row.daily_bar for row in kept], kept, days.today),
        previous_volume=_volumes([row.prev_daily_bar for row in kept], kept, days.before),
        refused=(),
    )


class QuoteTable(Mapping[Occ, OptionQuote]):
    """Reads like a dict of quotes, each made when it is first looked at: most are never needed."""

    def __init__(
        self,
        columns: QuoteColumns,
        *,
        confirmed_at: Mapping[str, datetime],
        feed: Feed,
        open_interest: Mapping[Occ, int | None],
    ) -> None:
        """Take the columns and what their quotes have besides; `confirmed_at` of each of them."""
        self._columns = columns
        self._confirmed_at = confirmed_at
        self._feed = feed
        self._open_interest = open_interest
        self._places = {occ: place for place, occ in enumerate(columns.occs)}
        self._made: dict[Occ, OptionQuote] = {}
        whole = (columns.bid, columns.ask, columns.bid_size, columns.ask_size)
        # One by one, numbers are read faster from lists than from arrays.
        self._whole: list[list[int]] = [
            column.tolist() for column in (*whole, columns.volume, columns.previous_volume)
        ]
        greeks = (columns.delta, columns.gamma, columns.theta_per_day, columns.vega_per_point)
        self._floats: list[list[float]] = [column.tolist() for column in (columns.iv, *greeks)]

    def __getitem__(self, occ: Occ) -> OptionQuote:
        made = self._made.get(occ)
        if made is None:
            made = self._made[occ] = self._quote(occ, self._places[occ])
        return made

    def __contains__(self, occ: object) -> bool:
        return occ in self._places

    def __iter__(self) -> Iterator[Occ]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def _quote(self, occ: Occ, place: int) -> OptionQuote:
        bid, ask, bid_size, ask_size, volume, previous = [column[place] for column in self._whole]
        iv, delta, gamma, theta, vega = [column[place] for column in self._floats]
        return OptionQuote(
            occ=occ,
            bid=None if bid == ABSENT else bid,
            ask=None if ask == ABSENT else ask,
            bid_size=None if bid_size == ABSENT else bid_size,
            ask_size=None if ask_size == ABSENT else ask_size,
            at=self._columns.at[place],
            confirmed_at=self._confirmed_at[occ],
            feed=self._feed,
            iv=None if isnan(iv) else iv,
            delta=None if isnan(delta) else delta,
            gamma=None if isnan(gamma) else gamma,
            theta_per_day=None if isnan(theta) else theta,
            vega_per_point=None if isnan(vega) else vega,
            volume=None if volume == ABSENT else volume,
            previous_volume=None if previous == ABSENT else previous,
            open_interest=self._open_interest.get(occ),
        )


def _floats(values: Sequence[float | None]) -> Floats:
    try:
        # Several times as fast as numpy's own reading of a list, which takes None for NaN.
        return np.frombuffer(array("d", cast("Sequence[float]", values)))
    except TypeError:
        return np.array(values, dtype=np.float64)


def _whole(column: Floats) -> Whole:
    return np.where(np.isnan(column), ABSENT, column).astype(np.int64)


def _block(quotes: Sequence[wire.Quote], rows: Sequence[wire.OptionSnapshot]) -> Floats:
    """Give prices, sizes, IV and greeks as one (9, rows) array, NaN where they are not told."""
    greeks = [row.greeks or _NO_GREEKS for row in rows]
    numbers: list[float | None] = [quote.bp for quote in quotes]
    numbers += [quote.ap for quote in quotes]
    numbers += [quote.bs for quote in quotes]
    numbers += [quote.as_ for quote in quotes]
    numbers += [row.implied_volatility for row in rows]
    numbers += [row.delta for row in greeks]
    numbers += [row.gamma for row in greeks]
    numbers += [row.theta for row in greeks]
    numbers += [row.vega for row in greeks]
    return _floats(numbers).reshape(len(_LOW), len(rows))


def _refusals(occs: Sequence[str], block: Floats, sound: Flags) -> list[str]:
    """Say of each row that does not fit what its prices and sizes were."""
    return [
        f"quote of {occs[place]}: expected prices and sizes, was {block[:_MUST_FIT, place].tolist()}"
        for place in np.flatnonzero(~sound).tolist()
    ]


def _volumes(
    likely: Sequence[wire.DayVolume | None], rows: Sequence[wire.OptionSnapshot], day: date
) -> Whole:
    """Give the contracts of a day: a bar of an earlier one says that nothing traded on it.

    Bars of days are stamped with New York's midnight, whose date is the day's in UTC too. `likely` are the
    bars that are looked at first.
    """
    wanted = day.isoformat()
    bars = cast("list[wire.DayVolume]", likely)
    stamps = [] if None in likely else [bar.t for bar in bars]
    # The bars of one page mostly carry one and the same stamp.
    if stamps and stamps[0].startswith(wanted) and stamps.count(stamps[0]) == len(rows):
        found = [bar.v for bar in bars]
    else:
        found = [_volume(row.daily_bar, row.prev_daily_bar, wanted) for row in rows]
    column = _floats(found)
    return _whole(np.where((column >= 0) & (column <= _MOST_UNITS), column, np.nan))


def _volume(newer: wire.DayVolume | None, older: wire.DayVolume | None, wanted: str) -> float:
    told = float("nan")
    for bar in (newer, older):
        if bar is not None:
            stamped = bar.t[: len(wanted)]
            if stamped == wanted:
                return bar.v
            if stamped < wanted:
                told = 0.0
    return told
