"""Bars and IV readings. Shell."""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import date, datetime

from sqlalchemy import bindparam, select

from ops_pipeline.adapters.store.columns import NUMBER
from ops_pipeline.adapters.store.database import Database
from ops_pipeline.adapters.store.rows import BAR, IV_READING, micros
from ops_pipeline.adapters.store.stage_schema import BARS, IV_HISTORY
from ops_pipeline.domain.market import Bar, Interval, IvReading

KEPT = 420
_TODAYS = 2_000

_B = BARS.c
_I = IV_HISTORY.c
_NEWEST = (
    select(BARS)
    .where(
        _B.ticker == bindparam("of_ticker"),
        _B.interval == bindparam("of_interval"),
        _B.end_us <= bindparam("until_us"),
    )
    .order_by(_B.end_us.desc())
    .limit(bindparam("most", type_=NUMBER))
)
_IV_BEFORE = (
    select(IV_HISTORY)
    .where(_I.ticker == bindparam("of_ticker"), _I.session < bindparam("before_day"))
    .order_by(_I.session.desc(), _I.source.desc())
    .limit(bindparam("most", type_=NUMBER))
)
_IV_ON = (
    select(IV_HISTORY)
    .where(_I.ticker == bindparam("of_ticker"), _I.session == bindparam("on_day"))
    .order_by(_I.source.desc())
    .limit(1)
)
_FOREVER_US = 1 << 62


class TelemetrySlice:
    """Bars and IV readings; the newest bars of each series and the IV years asked for stay in memory."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._token: object = None
        self._tails: dict[tuple[str, Interval], _Tail] = {}
        self._years: dict[tuple[str, int], tuple[date, tuple[IvReading, ...]]] = {}
        self._today: dict[tuple[str, date], IvReading | None] = {}

    def add_bars(self, bars: Sequence[Bar]) -> None:
        """Store complete bars; a bar already stored is left as it is."""
        self._trust()
        new = [bar for bar in bars if not self._is_known(bar)]
        self._database.insert(BARS, [BAR.row(bar) for bar in new], on_conflict="ignore")
        for bar in new:
            tail = self._tails.get((bar.ticker, bar.interval))
            if tail is not None and not tail.append(bar):
                del self._tails[bar.ticker, bar.interval]

    def last_bar_at(self, ticker: str, interval: Interval) -> datetime | None:
        """Give the end of the newest stored bar."""
        self._trust()
        bars = self._tail(ticker, interval).bars
        return bars[-1].end_at if bars else None

    def bars(self, ticker: str, interval: Interval, *, count: int, now: datetime) -> Sequence[Bar]:
        """Give the newest `count` bars with end_at <= now, oldest first."""
        self._trust()
        tail = self._tail(ticker, interval)
        if not tail.bars or tail.bars[-1].end_at <= now:
            end = len(tail.bars)
        else:
            end = bisect_right(tail.bars, now, key=lambda bar: bar.end_at)
        if end >= count or tail.is_whole:
            return tuple(tail.bars[max(0, end - count) : end])
        return self._stored(ticker, interval, until_us=micros(now), count=count)

    def add_iv_readings(self, readings: Sequence[IvReading]) -> None:
        """Store readings, one per (ticker, session, source): the newest of a session stands."""
        rows = [IV_READING.row(reading) for reading in readings]
        self._database.insert(IV_HISTORY, rows, on_conflict="update")
        for reading in readings:
            self._today.pop((reading.ticker, reading.session), None)
        oldest = sorted(readings, key=_session, reverse=True)
        changed = {reading.ticker: reading.session for reading in oldest}
        for key, (before, _) in list(self._years.items()):
            if key[0] in changed and changed[key[0]] < before:
                del self._years[key]

    def iv_history(self, ticker: str, *, before: date, limit: int) -> Sequence[IvReading]:
        """Give our own readings of sessions before `before`, oldest first, at most `limit`."""
        self._trust()
        key = (ticker, limit)
        known = self._years.get(key)
        if known is None or known[0] != before:
            found = self._database.dicts(
                _IV_BEFORE, of_ticker=ticker, before_day=before.isoformat(), most=limit
            )
            known = self._years[key] = (before, tuple(IV_READING.value(row) for row in reversed(found)))
        return known[1]

    def iv_reading(self, ticker: str, session: date) -> IvReading | None:
        """Give the session's own reading so far; None while there is none."""
        self._trust()
        key = (ticker, session)
        if key not in self._today:
            if len(self._today) > _TODAYS:
                self._today.clear()
            found = self._database.dicts(_IV_ON, of_ticker=ticker, on_day=session.isoformat())
            self._today[key] = IV_READING.value(found[0]) if found else None
        return self._today[key]

    def _trust(self) -> None:
        token = self._database.freshness()
        if token != self._token:
            self._token = token
            self._tails.clear()
            self._years.clear()
            self._today.clear()

    def _is_known(self, bar: Bar) -> bool:
        tail = self._tails.get((bar.ticker, bar.interval))
        if tail is None or not tail.bars or bar.end_at > tail.bars[-1].end_at:
            return False
        place = bisect_right(tail.bars, bar.end_at, key=lambda kept: kept.end_at)
        return place > 0 and tail.bars[place - 1].end_at == bar.end_at

    def _tail(self, ticker: str, interval: Interval) -> "_Tail":
        tail = self._tails.get((ticker, interval))
        if tail is None:
            bars = self._stored(ticker, interval, until_us=_FOREVER_US, count=KEPT)
            tail = self._tails[ticker, interval] = _Tail(bars, is_whole=len(bars) < KEPT)
        return tail

    def _stored(self, ticker: str, interval: Interval, *, until_us: int, count: int) -> tuple[Bar, ...]:
        found = self._database.dicts(
            _NEWEST, of_ticker=ticker, of_interval=interval.value, until_us=until_us, most=count
        )
        return tuple(BAR.value(row) for row in reversed(found))


def _session(reading: IvReading) -> date:
    return reading.session


class _Tail:
    """The newest bars of one series, oldest first; `is_whole` while they are all there are."""

    def __init__(self, bars: Sequence[Bar], *, is_whole: bool) -> None:
        self.bars = list(bars)
        self.is_whole = is_whole

    def append(self, bar: Bar) -> bool:
        """Add a bar that follows; False: it does not, so what is kept can no longer be trusted."""
        if self.bars and bar.end_at <= self.bars[-1].end_at:
            return False
        self.bars.append(bar)
        if len(self.bars) > 2 * KEPT:
            del self.bars[:-KEPT]
            self.is_whole = False
        return True
