"""The day of an option so far, by the mids at its open and at each full hour. Shell."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta

from ops_pipeline.adapters.simulator.world import World
from ops_pipeline.domain.market import OptionQuote, Session
from ops_pipeline.domain.units import ONE_CENT, Occ, Usd4
from ops_pipeline.ports import Calendar
from ops_pipeline.simserver.barmaking import Piece, midnight

# Right at the open quotes are widest; a minute later they are what the first trades are made at.
_FIRST_LOOK = timedelta(minutes=1)
_HOUR = timedelta(hours=1)
_FAR = timedelta(days=4000)


def mid_of(quote: OptionQuote | None) -> Usd4 | None:
    """Give the middle of a two-sided quote, to the cent below; None of any other."""
    if quote is None or not quote.bid or not quote.ask or quote.bid > quote.ask:
        return None
    return (quote.bid + quote.ask) // 200 * 100


def mark_of(quote: OptionQuote | None) -> Usd4:
    """Give what a position is valued at a share: the mid, the bid without a usable ask, 0 without a bid."""
    if quote is None or not quote.bid:
        return 0
    return (quote.bid + quote.ask) // 2 if quote.ask and quote.ask >= quote.bid else quote.bid


class MarkBook:
    """Remembers the chains of a session's looks: they do not change, and every request needs them."""

    def __init__(self, world: World, calendar: Calendar) -> None:
        """Begin with nothing looked at."""
        self._world = world
        self._calendar = calendar
        self._chains: dict[tuple[str, datetime], Mapping[Occ, OptionQuote]] = {}
        self._day: date | None = None

    def day_so_far(self, quote: OptionQuote, session: Session, now: datetime) -> Piece | None:
        """Give the session's bar of a contract, its last price the quote's mid.

        Where nobody bids the little that trades does so at the offer; None where no volume is known either.
        """
        if session.date != self._day:
            self._chains.clear()
            self._day = session.date
        mids = [mid for at in _looks(session, now) if (mid := self._mid(quote.occ, at)) is not None]
        last = mid_of(quote)
        mids += [] if last is None else [last]
        if not mids and quote.volume is None:
            return None
        mids = mids or [_offer(quote)]
        at = midnight(session.date)
        return Piece(at, mids[0], max(mids), min(mids), mids[-1], quote.volume or 0)

    def day_before(self, quote: OptionQuote, session: Session, today: Piece | None) -> Piece | None:
        """Give the bar of the session before, made as `today`'s.

        Of a day before the market's first one only the volume is known: it stands at today's first mid.
        """
        previous = self._calendar.previous(session.date)
        if previous.date >= self._world.rules.first_session:
            looks = [*_looks(previous, previous.close_at), previous.close_at]
            mids = [mid for at in looks if (mid := self._mid(quote.occ, at)) is not None]
        else:
            mids = [] if today is None else [today.open]
        if not mids and quote.previous_volume is None:
            return None
        mids = mids or [_offer(quote)]
        at = midnight(previous.date)
        return Piece(at, mids[0], max(mids), min(mids), mids[-1], quote.previous_volume or 0)

    def _mid(self, occ: Occ, at: datetime) -> Usd4 | None:
        key = (occ[:-15], at)
        if key not in self._chains:
            chain = self._world.chain(key[0], now=at, first=at.date(), last=at.date() + _FAR)
            self._chains[key] = {} if chain is None else chain.quotes
        quotes = self._chains[key]
        return mid_of(quotes[occ]) if occ in quotes else None


def _offer(quote: OptionQuote) -> Usd4:
    return quote.ask or ONE_CENT


def _looks(session: Session, now: datetime) -> Iterator[datetime]:
    at = session.open_at + _FIRST_LOOK
    while at < now and at < session.close_at:
        yield at
        at = at.replace(minute=0, second=0) + _HOUR
