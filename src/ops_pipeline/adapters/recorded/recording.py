"""A recorded market as MarketData and NewsSource: each answer is what stood in the files by then. Shell."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from ops_pipeline.adapters.recorded import bars as recorded_bars
from ops_pipeline.adapters.recorded.discover import discover
from ops_pipeline.adapters.recorded.frames import chain_rows
from ops_pipeline.adapters.recorded.headlines import read_news
from ops_pipeline.adapters.recorded.ivseries import thirty_day_ivs
from ops_pipeline.adapters.recorded.snapshots import Snapshots, build_snapshots
from ops_pipeline.domain.instruments import Right, parse_occ
from ops_pipeline.domain.market import Bar, Chain, Interval, IvReading, OptionQuote, SpotQuote
from ops_pipeline.domain.news import NewsItem
from ops_pipeline.domain.records import EarningsDate, RegimeReading
from ops_pipeline.domain.units import Occ
from ops_pipeline.ports import Calendar

_IV_SOURCE = "chains"
_INDEX = "^VIX"
_NEWS_BEFORE = timedelta(days=7)
_DAYS_BEFORE = timedelta(days=500)


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """What a recording holds of the period: names by what they have, instants, what was passed over."""

    sessions: int
    instants: int
    chains: Mapping[str, int]
    without_chains: tuple[str, ...]
    without_daily_bars: tuple[str, ...]
    iv_readings_before: Mapping[str, int]
    news_items: int
    quote_sizes: bool
    ignored_files: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Give it as plain JSON values."""
        return asdict(self)


class Recording:
    """Serves recorded data; `symbols` are the names asked for, or those with chains."""

    def __init__(
        self,
        *,
        snapshots: Snapshots,
        bars: recorded_bars.RecordedBars,
        news: Sequence[NewsItem],
        ivs: Mapping[str, Mapping[date, float]],
        calendar: Calendar,
        symbols: tuple[str, ...],
        coverage: Coverage,
    ) -> None:
        """Hold what was read."""
        self.symbols = symbols
        self.coverage = coverage
        self._snapshots = snapshots
        self._bars = bars
        self._news = news
        self._ivs = ivs
        self._calendar = calendar

    def spot(self, ticker: str, *, now: datetime) -> SpotQuote | None:
        """Give the spot of the newest snapshot of the session, else of its newest bar; None: neither."""
        session = self._calendar.session_at(now)
        if session is None:
            return None
        snapshot = self._snapshots.newest(ticker, now=now, session=session.date)
        if snapshot is not None and snapshot.spot is not None:
            return SpotQuote(ticker=ticker, price=snapshot.spot, at=snapshot.asof)
        bar = self._bars.newest(ticker, session=session.date, now=now)
        return SpotQuote(ticker=ticker, price=bar.close, at=bar.end_at) if bar else None

    def bars(self, ticker: str, *, interval: Interval, after: datetime, now: datetime) -> Sequence[Bar]:
        """Give complete bars with after < end_at <= now, oldest first."""
        return self._bars.between(ticker, interval, after=after, now=now)

    def chain(
        self, ticker: str, *, now: datetime, first: date, last: date, right: Right | None = None
    ) -> Chain | None:
        """Give the newest snapshot's contracts expiring in [first, last]; None without one or its spot."""
        session = self._calendar.session_at(now)
        snapshot = self._snapshots.newest(ticker, now=now, session=session.date if session else None)
        if snapshot is None or snapshot.spot is None:
            return None
        chosen = {
            occ: pair
            for occ, pair in self._snapshots.contents(snapshot).items()
            if first <= pair[0].expiration <= last and right in (None, pair[0].right)
        }
        return Chain(
            underlying=ticker,
            at=snapshot.instant,
            spot=snapshot.spot,
            contracts={occ: pair[0] for occ, pair in chosen.items()},
            quotes={occ: pair[1] for occ, pair in chosen.items()},
        )

    def quotes(self, occs: Sequence[Occ], *, now: datetime) -> Mapping[Occ, OptionQuote]:
        """Give each symbol's quote in the newest snapshot of the session."""
        session = self._calendar.session_at(now)
        found: dict[Occ, OptionQuote] = {}
        for occ in occs:
            name = parse_occ(occ).underlying
            snapshot = self._snapshots.newest(name, now=now, session=session.date if session else None)
            pair = self._snapshots.contents(snapshot).get(occ) if snapshot is not None else None
            if pair is not None:
                found[occ] = pair[1]
        return found

    def iv_history(self, ticker: str, *, before: date, limit: int) -> Sequence[IvReading]:
        """Give daily IVs from the chains themselves of sessions before `before`, oldest first."""
        days = sorted(day for day in self._ivs.get(ticker, {}) if day < before)[-limit:]
        readings = []
        for day in days:
            session = self._calendar.session_on(day)
            if session is not None:
                iv = self._ivs[ticker][day]
                at = session.close_at
                readings.append(IvReading(ticker=ticker, session=day, at=at, iv=iv, source=_IV_SOURCE))
        return readings

    def volatility_index(self, *, before: date) -> RegimeReading | None:
        """Give the index close of the last session before `before`; None where the files have none."""
        found = self._bars.index_close(before=before)
        return RegimeReading(session=found[0], value=found[1], source=_INDEX) if found else None

    def earnings(self, ticker: str, *, now: datetime) -> EarningsDate | None:
        """Give None: no earnings provider is recorded."""
        return None

    def rate(self, session: date) -> float:
        """Give the three-month Treasury yield of the last curve by then, continuously compounded."""
        return self._bars.rate(session)

    def dividend_yield(self, ticker: str) -> float:
        """Give 0: the recordings hold no dividends."""
        return 0.0

    def next_instant(self, now: datetime) -> datetime | None:
        """Give the next recorded instant after `now`."""
        place = bisect_right(self._snapshots.instants, now)
        return self._snapshots.instants[place] if place < len(self._snapshots.instants) else None

    def fetch(self, *, since: datetime, now: datetime) -> Sequence[NewsItem]:
        """Give items published in (since, now], oldest first: publication stands for first seen."""
        low = bisect_right(self._news, since, key=lambda item: item.published_at)
        high = bisect_right(self._news, now, key=lambda item: item.published_at)
        return self._news[low:high]


def open_recording(
    directories: Sequence[Path],
    *,
    calendar: Calendar,
    symbols: Sequence[str] | None,
    first: date,
    last: date,
) -> Recording:
    """Read what the folders hold of [first, last]; later folders add sessions and names.

    Files are known by their columns alone. An unreadable table raises MissingDataError.
    """
    found = discover(directories)
    rows = chain_rows(found.tables, symbols=symbols, first=first, last=last)
    sessions = {session.date: session for session in calendar.between(first, last)}
    names = tuple(symbols) if symbols else tuple(sorted(rows["underlying"].unique().to_list()))
    bars = recorded_bars.read_bars(
        found.tables, calendar=calendar, symbols=names, first=first - _DAYS_BEFORE, last=last
    )
    snapshots = Snapshots(build_snapshots(rows, sessions=sessions, closes=bars.closes()))
    news = read_news(found.tables["news"], symbols=names, first=first - _NEWS_BEFORE, last=last)
    ivs = thirty_day_ivs(found.tables["ivs"], symbols=names, before=first)
    coverage = Coverage(
        sessions=len(sessions),
        instants=len(snapshots.instants),
        chains={name: len(snapshots.of(name)) for name in snapshots.names},
        without_chains=tuple(name for name in names if not snapshots.of(name)),
        without_daily_bars=tuple(name for name in names if not bars.has_days(name)),
        iv_readings_before={name: len(ivs.get(name, {})) for name in names},
        news_items=len(news),
        quote_sizes=bool(rows["bid_size"].is_not_null().any()),
        ignored_files=tuple(found.ignored),
    )
    return Recording(
        snapshots=snapshots,
        bars=bars,
        news=news,
        ivs=ivs,
        calendar=calendar,
        symbols=names,
        coverage=coverage,
    )
