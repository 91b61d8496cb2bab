"""Prices of the venue's data side as MarketData; a read that fails says nothing, and is noted. Shell."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from typing import Final, TypeVar

from ops_pipeline.adapters.alpaca import translate_market as translate
from ops_pipeline.adapters.alpaca import wire_market as wire
from ops_pipeline.adapters.alpaca.book import moment
from ops_pipeline.adapters.alpaca.client import AlpacaClient
from ops_pipeline.adapters.alpaca.errors import WireError
from ops_pipeline.adapters.alpaca.instants import day_of
from ops_pipeline.adapters.alpaca.kept import Kept
from ops_pipeline.adapters.alpaca.option_quotes import SYMBOLS_A_REQUEST, OptionQuotes
from ops_pipeline.adapters.alpaca.reading import fetch, pages
from ops_pipeline.domain.instruments import Right, Split
from ops_pipeline.domain.market import Bar, Chain, Feed, Interval, IvReading, OptionQuote, SpotQuote
from ops_pipeline.domain.records import EarningsDate, Failed, RegimeReading
from ops_pipeline.domain.units import Occ
from ops_pipeline.ports import BrokerUnavailable, Calendar, Clock

Value = TypeVar("Value")
_BAR_PAGE: Final = 10_000
_ACTION_PAGE: Final = 1_000
_FRAMES: Final = {Interval.MINUTE: "1Min", Interval.DAY: "1Day"}
# What was asked for within one cycle, which is one `now`, is asked for again by its next stage. A later
# cycle asks the venue: its look at a jump must be a second one.
_YOUNG: Final = timedelta(seconds=1)
# Corporate actions are announced days ahead.
_ACTIONS_KEPT: Final = timedelta(hours=1)
# Free plans may read the full tape once it is a quarter of an hour old.
_TAPE_DELAY: Final = timedelta(minutes=16)
_FULL_TAPE: Final = "sip"
# An instant this far back is history: the newest price is not the one that was known then.
_PAST: Final = timedelta(minutes=5)
_LOOK_BACK: Final = timedelta(days=5)
# The venue files an action under the day it processed it.
_PROCESSED_WITHIN: Final = timedelta(days=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """What the venue has no source of, each asked for as it is wanted."""

    rate: Callable[[date], float]
    dividend_yield: Callable[[str], float]
    volatility_index: Callable[[date], RegimeReading | None]
    earnings: Callable[[str, datetime], EarningsDate | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Feeds:
    """Which tapes are read: `stocks` of trades and bars (sip, iex), `options` of quotes."""

    stocks: str
    options: Feed


class AlpacaMarket:
    """The present over REST: `data` speaks to the data host, `trading` lists the contracts.

    Nothing is raised for what the network or the venue does: what is not known is None or left out, and
    `troubles` names it until a read of its kind succeeds.
    """

    def __init__(
        self,
        data: AlpacaClient,
        trading: AlpacaClient,
        *,
        feeds: Feeds,
        calendar: Calendar,
        clock: Clock,
        outside: Outside,
    ) -> None:
        """Ask nothing yet."""
        self._data = data
        self._feeds = feeds
        self._calendar = calendar
        self._clock = clock
        self._outside = outside
        self._kept = Kept(clock, _YOUNG)
        self._known_splits = Kept(clock, _ACTIONS_KEPT)
        self._options = OptionQuotes(data, trading, feed=feeds.options, calendar=calendar, clock=clock)
        self._splits: dict[str, tuple[date, date, tuple[Split, ...]]] = {}
        self._troubles: dict[str, str] = {}
        self._refused = 0

    @property
    def refused(self) -> int:
        """Count the rows that did not fit and were left out."""
        return self._refused + self._options.refused

    def troubles(self) -> tuple[Failed, ...]:
        """Give the kinds of reads whose last one failed, and why."""
        return tuple(Failed(item=what, error=why) for what, why in self._troubles.items())

    def spot(self, ticker: str, *, now: datetime) -> SpotQuote | None:
        """Give the newest price, None where all known ones are old and shares trade.

        Of an instant that has passed it is the close of the last minute before it.
        """
        if self._clock.now() - now > _PAST:
            return self._past_spot(ticker, now)
        return self._newest_spot(ticker, now)

    def bars(self, ticker: str, *, interval: Interval, after: datetime, now: datetime) -> Sequence[Bar]:
        """Give complete bars of sessions with after < end_at <= now, oldest first, unadjusted."""
        return self._tried(f"bars {ticker}", lambda: self._bars(ticker, interval, after, now), ())

    def chain(
        self, ticker: str, *, now: datetime, first: date, last: date, right: Right | None = None
    ) -> Chain | None:
        """Give every listed contract that trades, and the quotes of those that have one."""
        key = ("chain", ticker, first, last, right, now)
        kept = self._kept.get(key)
        if isinstance(kept, Chain):
            return kept
        spot = self._newest_spot(ticker, now)
        if spot is None:
            return None
        found = self._tried(f"chain {ticker}", partial(self._options.chain, spot, first, last, right), None)
        if found is not None:
            self._kept.put(key, found)
        return found

    def quotes(self, occs: Sequence[Occ], *, now: datetime) -> Mapping[Occ, OptionQuote]:
        """Give the newest quote of each symbol that has one."""
        found: dict[Occ, OptionQuote] = {}
        missing: list[Occ] = []
        for occ in dict.fromkeys(occs):
            kept = self._kept.get(("quote", occ, now))
            if isinstance(kept, OptionQuote):
                found[occ] = kept
            else:
                missing.append(occ)
        for begin in range(0, len(missing), SYMBOLS_A_REQUEST):
            part = missing[begin : begin + SYMBOLS_A_REQUEST]
            nothing: Mapping[Occ, OptionQuote] = {}
            read = self._tried("quotes", partial(self._options.quotes, part), nothing)
            for occ, quote in read.items():
                self._kept.put(("quote", occ, now), quote)
                found[occ] = quote
        return found

    def iv_history(self, ticker: str, *, before: date, limit: int) -> Sequence[IvReading]:
        """Give nothing: the venue keeps no history of IV, and our own readings are in the store."""
        return ()

    def splits(self, ticker: str, *, first: date, last: date) -> Sequence[Split]:
        """Give the splits and dividends in shares with ex-dates in [first, last], oldest first.

        Where they cannot be read, those that were known are given.
        """
        known = self._splits.get(ticker)
        covered = known is not None and known[0] <= first and last <= known[1]
        if not covered or self._known_splits.get(ticker) is None:
            begin, end = (min(first, known[0]), max(last, known[1])) if known else (first, last)
            read = self._tried(f"splits {ticker}", lambda: self._actions(ticker, begin, end), None)
            if read is not None:
                known = self._splits[ticker] = (begin, end, read)
                self._known_splits.put(ticker, read)
        return [split for split in known[2] if first <= split.session <= last] if known else ()

    def volatility_index(self, *, before: date) -> RegimeReading | None:
        """Give what the source outside the venue says."""
        return self._outside.volatility_index(before)

    def earnings(self, ticker: str, *, now: datetime) -> EarningsDate | None:
        """Give what the source outside the venue says: it has no earnings dates."""
        return self._outside.earnings(ticker, now)

    def rate(self, session: date) -> float:
        """Give what the source outside the venue says."""
        return self._outside.rate(session)

    def dividend_yield(self, ticker: str) -> float:
        """Give what the source outside the venue says."""
        return self._outside.dividend_yield(ticker)

    def next_instant(self, now: datetime) -> datetime | None:
        """Give None: the market moves when it will."""
        return None

    def _tried(self, what: str, read: Callable[[], Value], otherwise: Value) -> Value:
        try:
            found = read()
        except BrokerUnavailable as error:
            self._troubles[what] = str(error)
            return otherwise
        self._troubles.pop(what, None)
        return found

    def _newest_spot(self, ticker: str, now: datetime) -> SpotQuote | None:
        key = ("spot", ticker, now)
        kept = self._kept.get(key)
        if isinstance(kept, SpotQuote):
            return kept
        found = self._tried(f"spot {ticker}", lambda: self._spot(ticker), None)
        if found is not None:
            self._kept.put(key, found)
        return found

    def _spot(self, ticker: str) -> SpotQuote | None:
        asked_at = self._clock.now()
        session = self._calendar.session_at(asked_at)
        is_open = session is not None and session.open_at <= asked_at < session.close_at
        path = "/v2/stocks/snapshots"
        params = {"symbols": ticker, "feed": self._feeds.stocks}
        rows = fetch(self._data, path, dict[str, wire.StockSnapshot | None], params)
        row = rows.get(ticker)
        return translate.spot_of(ticker, row, now=asked_at if is_open else None) if row is not None else None

    def _past_spot(self, ticker: str, now: datetime) -> SpotQuote | None:
        bars = self.bars(ticker, interval=Interval.MINUTE, after=now - _LOOK_BACK, now=now)
        if not bars:
            return None
        return SpotQuote(ticker=ticker, price=bars[-1].close, at=bars[-1].end_at)

    def _bars(self, ticker: str, interval: Interval, after: datetime, now: datetime) -> list[Bar]:
        daily = interval is Interval.DAY
        # A bar is stamped with its begin: a day's lies before any instant of its session.
        begin = after - timedelta(days=1) if daily else after - timedelta(minutes=1)
        end = min(now, self._clock.now() - _TAPE_DELAY) if daily else now
        params: dict[str, str | int] = {
            "symbols": ticker,
            "timeframe": _FRAMES[interval],
            "start": moment(begin),
            "end": moment(end),
            "adjustment": "raw",
            "feed": _FULL_TAPE if daily else self._feeds.stocks,
            "limit": _BAR_PAGE,
            "sort": "asc",
        }
        if begin >= end:
            return []
        found: dict[datetime, Bar] = {}
        for page in pages(self._data, "/v2/stocks/bars", wire.Bars, params):
            for row in page.bars.get(ticker, ()):
                if not begin <= row.t <= end:
                    continue
                session = self._calendar.session_on(day_of(row.t, where=f"bar of {ticker}"))
                bar = self._sound(partial(translate.bar_of, ticker, interval, row, session))
                # A day's bar is whole once the tape read here has its close.
                if bar is not None and after < bar.end_at <= end:
                    found[bar.end_at] = bar
        return [found[end_at] for end_at in sorted(found)]

    def _actions(self, ticker: str, first: date, last: date) -> tuple[Split, ...]:
        params: dict[str, str | int] = {
            "symbols": ticker,
            "types": "forward_split,reverse_split,stock_dividend",
            "start": (first - _PROCESSED_WITHIN).isoformat(),
            "end": (last + _PROCESSED_WITHIN).isoformat(),
            "limit": _ACTION_PAGE,
            "sort": "asc",
        }
        read = pages(self._data, "/v1/corporate-actions", wire.CorporateActionPage, params)
        found = {split for page in read for split in translate.splits_of(page.corporate_actions, ticker)}
        return tuple(sorted(found, key=lambda split: (split.session, split.new, split.old)))

    def _sound(self, read: Callable[[], Bar | None]) -> Bar | None:
        try:
            return read()
        except WireError:
            self._refused += 1
            return None
