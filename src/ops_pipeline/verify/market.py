"""A small market of explicit quotes for the laboratory: what stands is what was put there. Pure."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import NamedTuple

from ops_pipeline.adapters.calendar.sessions import SessionCalendar
from ops_pipeline.domain.instruments import OptionContract, Right, Split, parse_occ
from ops_pipeline.domain.market import Bar, Chain, Feed, Interval, IvReading, OptionQuote, Session, SpotQuote
from ops_pipeline.domain.records import EarningsDate, RegimeReading
from ops_pipeline.domain.units import Occ, Usd4, to_usd4

DAY = date(2026, 3, 2)
HALF_DAY = date(2026, 3, 11)
HOLIDAYS = (date(2026, 4, 3), date(2026, 5, 25), date(2026, 9, 7))
_FIRST, _LAST = date(2024, 6, 3), date(2027, 12, 31)
_OPEN_HOUR, _OPEN_MINUTE = 14, 30
_MINUTES, _HALF_MINUTES = 390, 210
_ALWAYS = datetime(2024, 6, 3, tzinfo=UTC)
_SIZE = 100


@cache
def calendar() -> SessionCalendar:
    """Give weekdays of 2024-06 to 2027-12, 14:30 to 21:00 UTC, with three holidays and one half day."""
    sessions = []
    for offset in range((_LAST - _FIRST).days + 1):
        day = _FIRST + timedelta(days=offset)
        if day.weekday() < 5 and day not in HOLIDAYS:
            open_at = at(_OPEN_HOUR, _OPEN_MINUTE, day=day)
            minutes = _HALF_MINUTES if day == HALF_DAY else _MINUTES
            sessions.append(Session(date=day, open_at=open_at, close_at=open_at + timedelta(minutes=minutes)))
    return SessionCalendar(sessions, first=_FIRST, last=_LAST)


def at(hour: int, minute: int = 0, second: int = 0, *, day: date = DAY) -> datetime:
    """Give an instant of a day, in UTC."""
    return datetime(day.year, day.month, day.day, hour, minute, second, tzinfo=UTC)


class _Row(NamedTuple):
    """A quote from an instant on; None: no such side."""

    since: datetime
    bid: Usd4 | None
    ask: Usd4 | None
    size: int


class LabMarket:
    """Implements `ports.MarketData` from tables: each quote and spot stands until the next of its name."""

    def __init__(self) -> None:
        """Begin without a quote; every underlying stands at 500.00 dollars."""
        self._quotes: dict[str, list[_Row]] = defaultdict(list)
        self._delta: dict[str, float] = {}
        self._spots: dict[str, list[tuple[datetime, Usd4]]] = defaultdict(list)
        self._splits: list[Split] = []

    def put(
        self,
        when: datetime,
        bid: str | None,
        ask: str | None,
        *,
        occ: str,
        size: int = _SIZE,
        delta: float = 0.45,
    ) -> None:
        """Quote `occ` from `when` on, in dollars, `size` contracts on both sides."""
        prices = [None if text is None else to_usd4(text) for text in (bid, ask)]
        self.put_usd4(when, prices[0], prices[1], occ=occ, size=size, delta=delta)

    def put_usd4(
        self,
        when: datetime,
        bid: Usd4 | None,
        ask: Usd4 | None,
        *,
        occ: str,
        size: int = _SIZE,
        delta: float = 0.45,
    ) -> None:
        """Quote `occ` from `when` on, in Usd4."""
        self._quotes[occ].append(_Row(when, bid, ask, size))
        self._quotes[occ].sort(key=lambda row: row.since)
        self._delta[occ] = delta

    def stand_from(self, when: datetime) -> None:
        """Let every quote stand as it is at `when`, offered and asked for in plenty."""
        for occ, rows in self._quotes.items():
            place = bisect_right(rows, when, key=lambda row: row.since)
            last = rows[place - 1]
            rows[place:] = []
            self.put_usd4(when, last.bid, last.ask, occ=occ, delta=self._delta[occ])

    def put_spot(self, when: datetime, price: str, *, ticker: str) -> None:
        """Set an underlying's price from `when` on, in dollars."""
        self._spots[ticker].append((when, to_usd4(price)))
        self._spots[ticker].sort()

    def put_split(self, ticker: str, session: date, *, new: int, old: int = 1) -> None:
        """Let `old` shares become `new` ones at `session`'s open."""
        self._splits.append(Split(ticker=ticker, session=session, new=new, old=old))

    def spot(self, ticker: str, *, now: datetime) -> SpotQuote | None:
        """Give the price that stands."""
        rows = self._spots.get(ticker) or [(_ALWAYS, to_usd4("500"))]
        place = bisect_right(rows, now, key=lambda row: row[0]) - 1
        return SpotQuote(ticker=ticker, price=rows[place][1], at=now) if place >= 0 else None

    def quotes(self, occs: Sequence[Occ], *, now: datetime) -> Mapping[Occ, OptionQuote]:
        """Give the quotes that stand."""
        found = {}
        for occ in occs:
            rows = self._quotes.get(occ, ())
            place = bisect_right(rows, now, key=lambda row: row.since) - 1
            if place >= 0:
                found[occ] = self._quote(occ, rows[place], now)
        return found

    def _quote(self, occ: Occ, row: _Row, now: datetime) -> OptionQuote:
        sign = 1.0 if parse_occ(occ).right is Right.CALL else -1.0
        return OptionQuote(
            occ=occ,
            bid=row.bid,
            ask=row.ask,
            bid_size=row.size,
            ask_size=row.size,
            at=now,
            confirmed_at=now,
            feed=Feed.OPRA,
            iv=0.4,
            delta=sign * self._delta[occ],
            gamma=0.01,
            theta_per_day=-0.05,
            vega_per_point=0.1,
            volume=5_000,
            open_interest=5_000,
        )

    def chain(
        self, ticker: str, *, now: datetime, first: date, last: date, right: Right | None = None
    ) -> Chain | None:
        """Give the underlying's quotes expiring in [first, last]."""
        known = self.quotes([Occ(occ) for occ in self._quotes], now=now)
        spot = self.spot(ticker, now=now)
        if spot is None:
            return None
        contracts: dict[Occ, OptionContract] = {}
        for occ in known:
            contract = parse_occ(occ)
            fits = first <= contract.expiration <= last and right in (None, contract.right)
            if contract.underlying == ticker and fits:
                contracts[occ] = contract
        quotes = {occ: known[occ] for occ in contracts}
        return Chain(underlying=ticker, at=now, spot=spot.price, contracts=contracts, quotes=quotes)

    def bars(self, ticker: str, *, interval: Interval, after: datetime, now: datetime) -> Sequence[Bar]:
        """Give none: the laboratory writes its signals itself."""
        return ()

    def iv_history(self, ticker: str, *, before: date, limit: int) -> Sequence[IvReading]:
        """Give none: the laboratory stores its own readings."""
        return ()

    def splits(self, ticker: str, *, first: date, last: date) -> Sequence[Split]:
        """Give the underlying's splits in [first, last]."""
        return [s for s in self._splits if s.ticker == ticker and first <= s.session <= last]

    def volatility_index(self, *, before: date) -> RegimeReading | None:
        """Give a calm index."""
        return RegimeReading(session=calendar().previous(before).date, value=15.0, source="laboratory")

    def earnings(self, ticker: str, *, now: datetime) -> EarningsDate | None:
        """Give none."""
        return None

    def rate(self, session: date) -> float:
        """Give four percent."""
        return 0.04

    def dividend_yield(self, ticker: str) -> float:
        """Give none."""
        return 0.0

    def next_instant(self, now: datetime) -> datetime | None:
        """Give None: quotes change at any instant."""
        return None
