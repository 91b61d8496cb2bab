"""A market that exists only as a seed: prices, options, news and calendars of invented names. Pure."""

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta

from ops_pipeline.adapters.simulator.daybook import DayBook
from ops_pipeline.adapters.simulator.lazyquotes import LazyQuotes, QuotedSlice
from ops_pipeline.adapters.simulator.names import NameProfile
from ops_pipeline.adapters.simulator.newswire import Newswire
from ops_pipeline.adapters.simulator.optionboard import OptionBoard, last_moment
from ops_pipeline.adapters.simulator.paths import volume_share
from ops_pipeline.adapters.simulator.surface import ChainPricer, price_strikes
from ops_pipeline.adapters.simulator.timeline import STEPS_PER_MINUTE, Moment, Timeline
from ops_pipeline.adapters.simulator.world_rules import WorldRules
from ops_pipeline.domain.instruments import OptionContract, Right, Split
from ops_pipeline.domain.market import Bar, Chain, Interval, IvReading, OptionQuote, Session, SpotQuote
from ops_pipeline.domain.news import NewsItem
from ops_pipeline.domain.records import EarningsDate, RegimeReading
from ops_pipeline.domain.units import Occ, Usd4, round_event_float
from ops_pipeline.ports import Calendar

IV_SOURCE = "world"
_IV_MINUTES_BEFORE_CLOSE = 10


class World:
    """The simulated market as MarketData and NewsSource, with what its broker needs besides.

    Every answer is a function of the rules and of what is asked, never of what was asked before.
    Prices move every 15 seconds of a session; between sessions the last close stands. Daily bars and
    IV readings reach back `history_sessions` before the first session; minute bars, chains and quotes
    begin with it. Tickers it does not know get None or nothing.
    """

    def __init__(self, rules: WorldRules, calendar: Calendar, *, pricer: ChainPricer = price_strikes) -> None:
        self.rules = rules
        self._names = {name.ticker: name for name in rules.names}
        self._timeline = Timeline(calendar, first_session=rules.first_session, history=rules.history_sessions)
        self._book = DayBook(rules, self._timeline)
        self._board = OptionBoard(rules, self._timeline, self._book, calendar, pricer=pricer)
        self._wire = Newswire(rules, self._timeline)
        self._readings: dict[tuple[str, int], float] = {}
        self._spots: dict[str, tuple[Moment, SpotQuote]] = {}

    @property
    def tickers(self) -> tuple[str, ...]:
        """Give the tickers of the world."""
        return tuple(self._names)

    def spot(self, ticker: str, *, now: datetime) -> SpotQuote | None:
        """Give the underlying's price at the newest 15-second step; between sessions the last close."""
        name = self._names.get(ticker)
        if name is None:
            return None
        moment = self._timeline.at(now)
        known = self._spots.get(ticker)
        if known is None or known[0] != moment:
            known = self._spots[ticker] = (moment, self._spot(name, moment))
        return known[1]

    def _spot(self, name: NameProfile, moment: Moment) -> SpotQuote:
        price = self._book.price(name, moment)
        if moment.day < 0:
            return SpotQuote(ticker=name.ticker, price=price, at=self._timeline.session(moment.day).close_at)
        path = self._book.path(name, moment.day)
        return SpotQuote(
            ticker=name.ticker,
            price=price,
            at=self._timeline.instant(moment),
            volume=volume_share(path, moment.step),
            day_high=path.highs[moment.step],
            day_low=path.lows[moment.step],
        )

    def bars(self, ticker: str, *, interval: Interval, after: datetime, now: datetime) -> Sequence[Bar]:
        """Give complete bars with after < end_at <= now, oldest first, in the shares of their own day."""
        name = self._names.get(ticker)
        if name is None or now <= after:
            return ()
        if interval is Interval.DAY:
            return [
                self._daily_bar(name, index)
                for index in self._indices(after, now, first=-self.rules.history_sessions)
                if after < self._timeline.session(index).close_at <= now
            ]
        return [
            bar
            for index in self._indices(after, now, first=0)
            for bar in self._minute_bars(name, index, after, now)
        ]

    def chain(
        self, ticker: str, *, now: datetime, first: date, last: date, right: Right | None = None
    ) -> Chain | None:
        """Give the quotes of the expirations in [first, last]; none of them before the first session.

        During a silent outage contracts are listed but not quoted.
        """
        name = self._names.get(ticker)
        moment = self._timeline.at(now)
        if name is None or moment.day < 0:
            return None
        contracts: dict[Occ, OptionContract] = {}
        quoted: list[QuotedSlice] = []
        for expiration in self._board.expirations(moment.day):
            if not first <= expiration <= last:
                continue
            for side in (Right.CALL, Right.PUT) if right is None else (right,):
                part = self._board.slice_of(name, moment.day, expiration, side)
                if part is None:
                    continue
                contracts.update(part.listed)
                found = self._board.quoted(name, moment.day, moment.step, part)
                if found is not None:
                    quoted.append(found)
        return Chain(
            underlying=ticker,
            at=self._timeline.instant(moment),
            spot=self._book.price(name, moment),
            contracts=contracts,
            quotes=LazyQuotes(quoted),
        )

    def quotes(self, occs: Sequence[Occ], *, now: datetime) -> Mapping[Occ, OptionQuote]:
        """Give the quotes of listed symbols; what is not listed or not quoted is left out."""
        moment = self._timeline.at(now)
        found: dict[Occ, OptionQuote] = {}
        if moment.day < 0:
            return found
        for occ in occs:
            name = self._names.get(occ[:-15])
            quote = None if name is None else self._board.quote(name, moment.day, moment.step, occ)
            if quote is not None:
                found[occ] = quote
        return found

    def iv_history(self, ticker: str, *, before: date, limit: int) -> Sequence[IvReading]:
        """Give up to `limit` daily 30-day IV readings, taken ten minutes before each close."""
        name = self._names.get(ticker)
        if name is None or limit <= 0:
            return ()
        last = self._timeline.index_of(before)
        first = max(-self.rules.history_sessions, last - limit)
        return [self._reading(name, index) for index in range(first, last)]

    def volatility_index(self, *, before: date) -> RegimeReading | None:
        """Give the market factor's 30-day volatility in points at the last close before `before`."""
        index = self._timeline.index_of(before) - 1
        if index < -self.rules.history_sessions:
            return None
        value = 100.0 * math.exp(self._book.market(index).iv)
        return RegimeReading(
            session=self._timeline.session(index).date, value=round_event_float(value), source=IV_SOURCE
        )

    def earnings(self, ticker: str, *, now: datetime) -> EarningsDate | None:
        """Give the next report the market has not yet answered; None for an unknown ticker."""
        name = self._names.get(ticker)
        if name is None:
            return None
        index = self._timeline.at(now).day
        report = name.next_earnings(index + 1 - name.earnings_gap(0))
        return EarningsDate(ticker=ticker, session=self._timeline.session(report).date)

    def rate(self, session: date) -> float:
        """Give the constant continuously compounded rate."""
        return self.rules.rate

    def dividend_yield(self, ticker: str) -> float:
        """Give four quarterly dividends over the price; 0 for an unknown ticker."""
        name = self._names.get(ticker)
        return 0.0 if name is None else 4.0 * name.dividend

    def next_instant(self, now: datetime) -> datetime | None:
        """Give None: the world's data is continuous."""
        return None

    def fetch(self, *, since: datetime, now: datetime) -> Sequence[NewsItem]:
        """Give items first seen in (since, now], oldest first."""
        return self._wire.fetch(since=since, now=now)

    def splits(self, ticker: str, *, first: date, last: date) -> Sequence[Split]:
        """Give the name's split if it comes into force in [first, last]."""
        name = self._names.get(ticker)
        if name is None or name.split_index is None:
            return ()
        session = self._timeline.session(name.split_index).date
        split = Split(ticker=ticker, session=session, new=name.split_ratio, old=1)
        return (split,) if first <= session <= last else ()

    def sectors(self) -> Mapping[str, str]:
        """Give each ticker's sector."""
        return {ticker: name.sector for ticker, name in self._names.items()}

    def _indices(self, after: datetime, now: datetime, *, first: int) -> range:
        return range(max(first, self._timeline.at(after).day), self._timeline.at(now).day + 1)

    def _daily_bar(self, name: NameProfile, index: int) -> Bar:
        session = self._timeline.session(index)
        opened, high, low, close, volume = self._book.daily(name, index)
        prices = (opened, high, low, close)
        return _bar(name.ticker, Interval.DAY, session, session.close_at, prices, volume)

    def _minute_bars(self, name: NameProfile, index: int, after: datetime, now: datetime) -> Iterator[Bar]:
        session = self._timeline.session(index)
        minutes = self._timeline.minutes(index)
        begin = max(0, int((after - session.open_at) / timedelta(minutes=1)))
        end = min(minutes, int((now - session.open_at) / timedelta(minutes=1)))
        if begin >= end:
            return
        path = self._book.path(name, index)
        for minute in range(begin, end):
            end_at = session.open_at + timedelta(minutes=minute + 1)
            if end_at <= after:
                continue
            steps = path.prices[minute * STEPS_PER_MINUTE : (minute + 1) * STEPS_PER_MINUTE + 1]
            volume = path.volumes[minute] - (path.volumes[minute - 1] if minute else 0)
            prices = (steps[0], max(steps), min(steps), steps[-1])
            yield _bar(name.ticker, Interval.MINUTE, session, end_at, prices, volume)

    def _reading(self, name: NameProfile, index: int) -> IvReading:
        key = (name.ticker, index)
        if key not in self._readings:
            moment = last_moment(self._timeline, index, minutes_before_close=_IV_MINUTES_BEFORE_CLOSE)
            self._readings[key] = round_event_float(self._board.thirty_day_volatility(name, moment))
        session = self._timeline.session(index)
        at = session.close_at - timedelta(minutes=_IV_MINUTES_BEFORE_CLOSE)
        return IvReading(
            ticker=name.ticker, session=session.date, at=at, iv=self._readings[key], source=IV_SOURCE
        )


def _bar(
    ticker: str,
    interval: Interval,
    session: Session,
    end_at: datetime,
    prices: tuple[Usd4, Usd4, Usd4, Usd4],
    volume: int,
) -> Bar:
    opened, high, low, close = prices
    return Bar(
        ticker=ticker,
        interval=interval,
        session=session.date,
        end_at=end_at,
        open=opened,
        high=high,
        low=low,
        close=close,
        volume=volume,
    )
