"""Recorded bars, the volatility index and the Treasury curve. Pure."""

import math
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl

from ops_pipeline.adapters.recorded.frames import day_of, instant_of
from ops_pipeline.domain.market import Bar, Interval
from ops_pipeline.domain.units import Usd4, usd4_from_float
from ops_pipeline.ports import Calendar

_INDEX = "^VIX"
# Where no curve is recorded: about the three-month yield of the period.
_FALLBACK_RATE = 0.04


class RecordedBars:
    """Bars by name and interval, oldest first; index closes; three-month yields."""

    def __init__(
        self,
        series: Mapping[tuple[str, Interval], Sequence[Bar]],
        fine: Mapping[str, Sequence[Bar]],
        index: Sequence[tuple[date, float]],
        curve: Sequence[tuple[date, float]],
        refused: Mapping[str, int],
    ) -> None:
        """Hold the series; `fine` are intraday bars of any length, for the spot alone."""
        self.refused = refused
        self._series = series
        self._fine = fine
        self._index = index
        self._curve = curve

    def between(self, ticker: str, interval: Interval, *, after: datetime, now: datetime) -> Sequence[Bar]:
        """Give bars with after < end_at <= now."""
        bars = self._series.get((ticker, interval), ())
        low = bisect_right(bars, after, key=lambda bar: bar.end_at)
        return bars[low : bisect_right(bars, now, key=lambda bar: bar.end_at)]

    def newest(self, ticker: str, *, session: date, now: datetime) -> Bar | None:
        """Give the session's newest complete bar of any length, the daily one after the close."""
        for bars in (self._series.get((ticker, Interval.DAY), ()), self._fine.get(ticker, ())):
            place = bisect_right(bars, now, key=lambda bar: bar.end_at)
            if place and bars[place - 1].session == session:
                return bars[place - 1]
        return None

    def minute_ends(self) -> Sequence[datetime]:
        """Give the ends of all names' minute bars, in order."""
        minutes = [bars for (_, interval), bars in self._series.items() if interval is Interval.MINUTE]
        return sorted({bar.end_at for bars in minutes for bar in bars})

    def closes(self) -> Mapping[tuple[str, date], Usd4]:
        """Give every daily close."""
        return {
            (name, bar.session): bar.close
            for (name, interval), bars in self._series.items()
            if interval is Interval.DAY
            for bar in bars
        }

    def has_days(self, ticker: str) -> bool:
        """Tell whether a name has daily bars."""
        return bool(self._series.get((ticker, Interval.DAY)))

    def index_close(self, *, before: date) -> tuple[date, float] | None:
        """Give the last index close of a session before `before`."""
        place = bisect_left(self._index, before, key=lambda row: row[0])
        return self._index[place - 1] if place else None

    def rate(self, session: date) -> float:
        """Give the newest three-month yield by `session`, continuously compounded.

        Treasury yields are quoted as compounded twice a year.
        """
        place = bisect_right(self._curve, session, key=lambda row: row[0])
        return 2.0 * math.log1p(0.5 * self._curve[place - 1][1]) if place else _FALLBACK_RATE


def read_bars(
    tables: Mapping[str, Sequence[pl.LazyFrame]],
    *,
    calendar: Calendar,
    symbols: Sequence[str],
    first: date,
    last: date,
    minutes_from: date,
) -> RecordedBars:
    """Read daily and intraday bars of `symbols`, the index and the curve; later tables win.

    Daily bars and the index from `first`, intraday bars from `minutes_from`.
    """
    series: dict[tuple[str, Interval], list[Bar]] = {}
    index: dict[date, float] = {}
    refused: Counter[str] = Counter()
    for table in tables["index"]:
        dated = table.select(session=day_of(table, "date"), close=pl.col("close"))
        index |= _index_closes(dated, first, last)
    for table in tables["daily"]:
        chosen = table.with_columns(session=day_of(table, "session"))
        chosen = chosen.filter(pl.col("session").is_between(first, last))
        index |= _index_closes(chosen.filter(pl.col("symbol") == _INDEX), first, last)
        for bar in _daily(chosen.filter(pl.col("symbol").is_in(list(symbols))), calendar, refused):
            series.setdefault((bar.ticker, Interval.DAY), []).append(bar)
    fine: dict[str, list[Bar]] = {}
    for table in tables["bars"]:
        timed = table.with_columns(ts=instant_of(table, "ts")).filter(
            pl.col("symbol").is_in(list(symbols)),
            pl.col("ts").dt.convert_time_zone("America/New_York").dt.date().is_between(minutes_from, last),
        )
        _add_fine(timed, fine, series, calendar=calendar, refused=refused)
    return RecordedBars(
        {key: _in_order(bars) for key, bars in series.items()},
        {name: _in_order(bars) for name, bars in fine.items()},
        sorted(index.items()),
        _curve(tables["rates"]),
        dict(refused),
    )


def _index_closes(table: pl.LazyFrame, first: date, last: date) -> dict[date, float]:
    rows = table.filter(pl.col("session").is_between(first, last), pl.col("close") > 0)
    return dict(rows.select("session", "close").collect().iter_rows())


def _daily(table: pl.LazyFrame, calendar: Calendar, refused: Counter[str]) -> list[Bar]:
    found = []
    for row in table.collect().iter_rows(named=True):
        session = calendar.session_on(row["session"])
        if session is not None and _is_sound(row, refused):
            found.append(_bar(row, Interval.DAY, session.date, session.close_at))
    return found


def _is_sound(row: Mapping[str, Any], refused: Counter[str]) -> bool:
    prices = (row["low"], row["open"], row["close"], row["high"])
    if not all(isinstance(price, float | int) and price > 0 for price in prices):
        refused["a bar without a price"] += 1
        return False
    low, opened, closed, high = prices
    if not low <= min(opened, closed) <= max(opened, closed) <= high:
        refused["a bar whose close or open lies outside its range"] += 1
        return False
    return True


def _add_fine(
    table: pl.LazyFrame,
    fine: dict[str, list[Bar]],
    series: dict[tuple[str, Interval], list[Bar]],
    *,
    calendar: Calendar,
    refused: Counter[str],
) -> None:
    """Add intraday bars; those of one minute are a series of their own, longer ones tell the spot only."""
    rows = table.sort("symbol", "ts").collect()
    for (name,), part in rows.group_by("symbol", maintain_order=True):
        step = _step_of(part["ts"])
        for row in part.iter_rows(named=True):
            session = calendar.session_at(row["ts"])
            if session is None or not session.is_open(row["ts"]) or not _is_sound(row, refused):
                continue
            bar = _bar(row, Interval.MINUTE, session.date, row["ts"] + step)
            fine.setdefault(str(name), []).append(bar)
            if step == timedelta(minutes=1):
                series.setdefault((str(name), Interval.MINUTE), []).append(bar)


def _step_of(starts: pl.Series) -> timedelta:
    gaps = starts.diff().drop_nulls()
    shortest: Any = gaps.filter(gaps > timedelta(0)).min()
    return shortest if isinstance(shortest, timedelta) else timedelta(minutes=1)


def _bar(row: Mapping[str, Any], interval: Interval, session: date, end_at: datetime) -> Bar:
    return Bar(
        ticker=row["symbol"],
        interval=interval,
        session=session,
        end_at=end_at,
        open=usd4_from_float(row["open"]),
        high=usd4_from_float(row["high"]),
        low=usd4_from_float(row["low"]),
        close=usd4_from_float(row["close"]),
        volume=row.get("volume"),
    )


def _in_order(bars: Sequence[Bar]) -> list[Bar]:
    """Sort by end; of two bars with one end the later read stands."""
    return sorted({bar.end_at: bar for bar in bars}.values(), key=lambda bar: bar.end_at)


def _curve(tables: Sequence[pl.LazyFrame]) -> list[tuple[date, float]]:
    curve: dict[date, float] = {}
    for table in tables:
        rows = table.filter(pl.col("family") == "nominal", pl.col("tenor") == "y3m")
        dated = rows.with_columns(pl.col("date").cast(pl.String()).str.to_date())
        for row in dated.collect().iter_rows(named=True):
            curve[row["date"]] = row["yield_pct"] / 100
    return sorted(curve.items())
