"""A recorded market as MarketData and NewsSource: each answer is what stood in the files by then. Shell."""

import lzma
import zipfile
import zlib
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from ops_pipeline.adapters.recorded import bars as recorded_bars
from ops_pipeline.adapters.recorded.discover import discover
from ops_pipeline.adapters.recorded.factors import read_splits
from ops_pipeline.adapters.recorded.frames import chain_rows
from ops_pipeline.adapters.recorded.headlines import read_news
from ops_pipeline.adapters.recorded.ivseries import quoted_ivs, thirty_day_ivs
from ops_pipeline.adapters.recorded.lean import read_zips
from ops_pipeline.adapters.recorded.snapshots import Snapshot, Snapshots, Wanted, build_snapshots, root_of
from ops_pipeline.domain.errors import MissingDataError
from ops_pipeline.domain.instruments import Right, Split, parse_occ
from ops_pipeline.domain.market import Bar, Chain, Interval, IvReading, OptionQuote, SpotQuote
from ops_pipeline.domain.news import NewsItem
from ops_pipeline.domain.records import EarningsDate, RegimeReading
from ops_pipeline.domain.units import Occ
from ops_pipeline.ports import Calendar

_IV_SOURCE = "chains"
_INDEX = "^VIX"
_NEWS_BEFORE = timedelta(days=7)
# A file that shows the right columns and then holds something else, or is damaged behind its head.
_UNREADABLE = (
    pl.exceptions.PolarsError,
    pl.exceptions.PanicException,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    OSError,
    EOFError,
    RuntimeError,
)
_DAYS_BEFORE = timedelta(days=500)
_IVS_BEFORE = timedelta(days=366)


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """What a recording holds of the period: names by what they have, instants, what was passed over."""

    sessions: int
    instants: int
    minutes: int
    chains: Mapping[str, int]
    without_chains: tuple[str, ...]
    without_spot: Mapping[str, int]
    frozen: Mapping[str, int]
    without_daily_bars: tuple[str, ...]
    iv_readings_before: Mapping[str, int]
    news_items: int
    quote_sizes: bool
    refused_rows: Mapping[str, int]
    not_traded: tuple[str, ...]
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
        splits: Mapping[str, Sequence[Split]],
    ) -> None:
        """Hold what was read."""
        self.symbols = symbols
        self.coverage = coverage
        self._snapshots = snapshots
        self._bars = bars
        self._news = news
        self._ivs = ivs
        self._calendar = calendar
        self._splits = splits
        self._names = {root_of(name): name for name in snapshots.names}
        self._instants = sorted({*snapshots.instants, *bars.minute_ends()})

    def spot(self, ticker: str, *, now: datetime) -> SpotQuote | None:
        """Give the newest price of the session: its newest snapshot's or bar's; None: neither."""
        session = self._calendar.session_at(now)
        if session is None:
            return None
        snapshot = self._snapshots.newest(ticker, now=now, session=session.date)
        bar = self._bars.newest(ticker, session=session.date, now=now)
        if (
            snapshot is not None
            and snapshot.spot is not None
            and (bar is None or bar.end_at <= snapshot.instant)
        ):
            return SpotQuote(ticker=ticker, price=snapshot.spot, at=snapshot.asof)
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
        chosen = self._snapshots.pairs(snapshot, Wanted(first, last, right))
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
            asked = parse_occ(occ)
            name = self._names.get(asked.underlying, asked.underlying)
            snapshot = self._snapshots.newest(name, now=now, session=session.date if session else None)
            if snapshot is not None:
                wanted = Wanted(asked.expiration, asked.expiration, asked.right, asked.strike)
                found |= {key: pair[1] for key, pair in self._snapshots.pairs(snapshot, wanted).items()}
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

    def splits(self, ticker: str, *, first: date, last: date) -> Sequence[Split]:
        """Give the splits the factor files name; prices of other files may be adjusted already."""
        return [split for split in self._splits.get(ticker, ()) if first <= split.session <= last]

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
        """Give the next instant after `now` at which a chain was captured or a minute ended."""
        place = bisect_right(self._instants, now)
        return self._instants[place] if place < len(self._instants) else None

    def fetch(self, *, since: datetime, now: datetime) -> Sequence[NewsItem]:
        """Give items first seen in (since, now], oldest first."""
        low = bisect_right(self._news, since, key=lambda item: item.first_seen_at)
        high = bisect_right(self._news, now, key=lambda item: item.first_seen_at)
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
    try:
        return _opened(directories, calendar=calendar, symbols=symbols, first=first, last=last)
    except _UNREADABLE as error:
        where = ", ".join(map(str, directories))
        raise MissingDataError(f"recorded data in {where}: a table does not fit: {error}") from error


def _opened(
    directories: Sequence[Path],
    *,
    calendar: Calendar,
    symbols: Sequence[str] | None,
    first: date,
    last: date,
) -> Recording:
    found = discover(directories)
    tables = dict(found.tables)
    lean = read_zips(found.zips, symbols=symbols, first=first, last=last, calendar=calendar)
    if lean is not None:
        tables |= {"bars": [*tables["bars"], lean.bars], "laid_out": [lean.chains]}
    chains = chain_rows(tables, symbols=symbols, first=first, last=last)
    sessions = {session.date: session for session in calendar.between(first, last)}
    names = tuple(symbols or _names(chains.rows, tables["bars"]))
    bars = recorded_bars.read_bars(
        tables, calendar=calendar, symbols=names, first=first - _DAYS_BEFORE, last=last, minutes_from=first
    )
    built = build_snapshots(chains.rows, sessions=sessions, closes=bars.closes())
    snapshots = Snapshots(built)
    posts = [*tables["news"], *tables["posts"]]
    news = read_news(posts, symbols=names, first=first - _NEWS_BEFORE, last=last)
    ivs = _iv_readings(tables, names, calendar=calendar, first=first)
    outside = chains.rows.height - sum(item.rows.height for item in built)
    coverage = Coverage(
        sessions=len(sessions),
        instants=len(snapshots.instants),
        minutes=len(bars.minute_ends()),
        chains={name: len(snapshots.of(name)) for name in snapshots.names},
        without_chains=tuple(name for name in names if not snapshots.of(name)),
        without_spot={name: count for name in names if (count := _unspotted(snapshots.of(name)))},
        frozen={name: count for name in names if (count := _frozen(snapshots.of(name)))},
        without_daily_bars=tuple(name for name in names if not bars.has_days(name)),
        iv_readings_before={name: len(ivs.get(name, {})) for name in names},
        news_items=len(news),
        quote_sizes=bool(chains.rows["bid_size"].is_not_null().any()),
        refused_rows={
            **chains.refused,
            **bars.refused,
            **({"outside its session": outside} if outside else {}),
        },
        not_traded=tuple(found.not_traded),
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
        splits=read_splits(found.factors, calendar, first=first, last=last),
    )


def _names(rows: pl.DataFrame, bars: Sequence[pl.LazyFrame]) -> list[str]:
    """Give the names that have chains, or where nothing has, those that have intraday bars."""
    found = rows["underlying"].unique().sort().to_list()
    if found or not bars:
        return [str(name) for name in found]
    listed = pl.concat([table.select(pl.col("symbol").cast(pl.String())) for table in bars])
    return [str(name) for name in listed.unique().sort("symbol").collect()["symbol"]]


def _iv_readings(
    tables: Mapping[str, Sequence[pl.LazyFrame]], names: Sequence[str], *, calendar: Calendar, first: date
) -> Mapping[str, Mapping[date, float]]:
    """Give the IV of each session before `first`: from chains with quotes where they have one."""
    since = first - _IVS_BEFORE
    earlier = chain_rows(tables, symbols=names, first=since, last=first - timedelta(days=1))
    without = thirty_day_ivs(tables["ivs"], symbols=names, before=first)
    with_quotes = quoted_ivs(earlier.rows, calendar=calendar)
    return {name: {**without.get(name, {}), **with_quotes.get(name, {})} for name in names}


def _unspotted(snapshots: Sequence[Snapshot]) -> int:
    return sum(snapshot.spot is None for snapshot in snapshots)


def _frozen(snapshots: Sequence[Snapshot]) -> int:
    return sum(snapshot.frozen for snapshot in snapshots)
