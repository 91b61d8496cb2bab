"""A market of explicit quotes: each stands until the next one of its symbol."""

from collections import defaultdict
from datetime import UTC, date, datetime

from ops_pipeline.domain.instruments import Split, parse_occ
from ops_pipeline.domain.market import Chain, Feed, OptionQuote, SpotQuote
from ops_pipeline.domain.records import EarningsDate, RegimeReading
from ops_pipeline.domain.units import Occ, to_usd4
from tests.builders_world import calendar

DAY = date(2026, 3, 2)
CALL = Occ("META260417C00500000")


def at(hour: int, minute: int = 0, second: int = 0, *, day: date = DAY) -> datetime:
    """An instant of a session, in UTC; the session runs from 14:30 to 21:00."""
    return datetime(day.year, day.month, day.day, hour, minute, second, tzinfo=UTC)


class ScriptedMarket:
    """MarketData from a table of quotes: each stands until the next one of its symbol."""

    def __init__(self) -> None:
        self._quotes: dict[str, list[tuple[datetime, str | None, str | None, int]]] = defaultdict(list)
        self._splits: list[Split] = []
        self._report: date | None = None
        self._spots: list[tuple[datetime, int]] = [(at(14), to_usd4("500"))]

    def put(self, when: datetime, bid: str | None, ask: str | None, *, occ: str = CALL, size: int = 100):
        """From `when` on the symbol is quoted so, in dollars; `size` on both sides."""
        self._quotes[occ].append((when, bid, ask, size))
        self._quotes[occ].sort(key=lambda row: row[0])

    def put_split(self, ticker: str, session: date, new: int, old: int = 1) -> None:
        """At `session`'s open `old` shares become `new` ones."""
        self._splits.append(Split(ticker=ticker, session=session, new=new, old=old))

    def put_report(self, session: date) -> None:
        """The company reports on `session`, and everybody knows."""
        self._report = session

    def put_spot(self, when: datetime, price: str) -> None:
        self._spots.append((when, to_usd4(price)))
        self._spots.sort()

    def spot(self, ticker, *, now):
        known = [price for when, price in self._spots if when <= now]
        return SpotQuote(ticker=ticker, price=known[-1], at=now) if known else None

    def quotes(self, occs, *, now):
        found = {}
        for occ in occs:
            rows = [row for row in self._quotes[occ] if row[0] <= now]
            if rows:
                _, bid, ask, size = rows[-1]
                found[occ] = OptionQuote(
                    occ=occ,
                    bid=None if bid is None else to_usd4(bid),
                    ask=None if ask is None else to_usd4(ask),
                    bid_size=size,
                    ask_size=size,
                    at=now,
                    confirmed_at=now,
                    feed=Feed.OPRA,
                    iv=0.4,
                    delta=0.5,
                    gamma=0.01,
                    theta_per_day=-0.05,
                    vega_per_point=0.1,
                    volume=5_000,
                    open_interest=5_000,
                )
        return found

    def chain(self, ticker, *, now, first, last, right=None):
        known = self.quotes(list(self._quotes), now=now)
        contracts = {occ: parse_occ(occ) for occ in known}
        inside = {occ: c for occ, c in contracts.items() if first <= c.expiration <= last}
        spot = self.spot(ticker, now=now)
        return Chain(
            underlying=ticker,
            at=now,
            spot=spot.price,
            contracts=inside,
            quotes={occ: known[occ] for occ in inside},
        )

    def bars(self, ticker, *, interval, after, now):
        return ()

    def iv_history(self, ticker, *, before, limit):
        return ()

    def splits(self, ticker, *, first, last):
        return [split for split in self._splits if split.ticker == ticker and first <= split.session <= last]

    def volatility_index(self, *, before):
        return RegimeReading(session=calendar().previous(before).date, value=15.0, source="scripted")

    def earnings(self, ticker, *, now):
        return self._report and EarningsDate(ticker=ticker, session=self._report)

    def rate(self, session):
        return 0.04

    def dividend_yield(self, ticker):
        return 0.0

    def next_instant(self, now):
        return None
