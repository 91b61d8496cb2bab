"""MarketData that answers quotes from a stream while they are fresh, and everything else by REST. Shell."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from operator import itemgetter
from typing import Final

from ops_pipeline.adapters.alpaca.stream_market import MarketStream
from ops_pipeline.domain.instruments import Right, Split
from ops_pipeline.domain.market import Bar, Chain, Interval, IvReading, OptionQuote, SpotQuote
from ops_pipeline.domain.records import EarningsDate, RegimeReading
from ops_pipeline.domain.units import Occ
from ops_pipeline.ports import MarketData

# One cycle with open positions: what was heard within it needs no request in it.
FRESH_WITHIN_S: Final = 15.0
# A contract nobody asked for in this long is watched no more.
WATCHED_FOR: Final = timedelta(minutes=15)


class StreamedMarket:
    """Watches the contracts that are asked for, the last asked first, as many as the plan has room for.

    A pushed quote carries prices and sizes; greeks, volumes and open interest come with REST's alone.
    """

    def __init__(self, rest: MarketData, stream: MarketStream, *, within_s: float = FRESH_WITHIN_S) -> None:
        """Answer from `stream` what it heard in the last `within_s` seconds; it is started elsewhere."""
        self._rest = rest
        self._stream = stream
        self._within_s = within_s
        self._asked: dict[Occ, datetime] = {}

    def quotes(self, occs: Sequence[Occ], *, now: datetime) -> Mapping[Occ, OptionQuote]:
        """Give the newest quote of each symbol that has one."""
        known = self._asked.keys()
        is_new = not all(occ in known for occ in occs)
        self._asked.update(dict.fromkeys(occs, now))
        stale = [occ for occ, at in self._asked.items() if now - at > WATCHED_FOR]
        for occ in stale:
            del self._asked[occ]
        if is_new or stale:
            rows = sorted(self._asked.items(), key=itemgetter(1), reverse=True)
            self._stream.watch([occ for occ, _ in rows])
        found = self._stream.quotes(occs, within_s=self._within_s)
        missing = [occ for occ in occs if occ not in found]
        return {**(self._rest.quotes(missing, now=now) if missing else {}), **found}

    def spot(self, ticker: str, *, now: datetime) -> SpotQuote | None:
        """Give the underlying's newest price; None when it is not known."""
        return self._rest.spot(ticker, now=now)

    def bars(self, ticker: str, *, interval: Interval, after: datetime, now: datetime) -> Sequence[Bar]:
        """Give complete bars with after < end_at <= now, oldest first, in the shares of their own day."""
        return self._rest.bars(ticker, interval=interval, after=after, now=now)

    def chain(
        self, ticker: str, *, now: datetime, first: date, last: date, right: Right | None = None
    ) -> Chain | None:
        """Give every listed quote expiring in [first, last]; None when there is no chain."""
        return self._rest.chain(ticker, now=now, first=first, last=last, right=right)

    def iv_history(self, ticker: str, *, before: date, limit: int) -> Sequence[IvReading]:
        """Give up to `limit` daily readings of sessions before `before`, oldest first."""
        return self._rest.iv_history(ticker, before=before, limit=limit)

    def splits(self, ticker: str, *, first: date, last: date) -> Sequence[Split]:
        """Give the splits that come into force on a session in [first, last], oldest first."""
        return self._rest.splits(ticker, first=first, last=last)

    def volatility_index(self, *, before: date) -> RegimeReading | None:
        """Give the index close of the last session before `before`; None: no source."""
        return self._rest.volatility_index(before=before)

    def earnings(self, ticker: str, *, now: datetime) -> EarningsDate | None:
        """Give the next earnings date; None where no provider is configured."""
        return self._rest.earnings(ticker, now=now)

    def rate(self, session: date) -> float:
        """Give the continuously compounded risk-free rate, a decimal."""
        return self._rest.rate(session)

    def dividend_yield(self, ticker: str) -> float:
        """Give the continuous dividend yield, a decimal."""
        return self._rest.dividend_yield(ticker)

    def next_instant(self, now: datetime) -> datetime | None:
        """Give the next instant at which recorded data changes; None: data is continuous."""
        return self._rest.next_instant(now)
