"""Turns a quote read into what the exit rules may see: a mark, or the reason why there is none. Pure."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ops_pipeline.domain.instruments import OptionContract
from ops_pipeline.domain.market import OptionQuote, QuoteRules, Session, Trust, is_usable, trust_of
from ops_pipeline.domain.positions import Marks, Position
from ops_pipeline.domain.units import Usd4

# The stop's fallback reads these alone: their bid is real, only the other side is in doubt.
_BID_STANDS = (Trust.WIDE, Trust.ONE_SIDED)


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkMemory:
    """What survives from read to read: the last counted mark, a jump awaiting its second read.

    `marked_at` is the time of the last mark (the opening, before the first); `counted_at` that of the
    last read that a confirmation may have counted, the bid of the blind fallback included.
    """

    mark: Usd4 | None
    marked_at: datetime
    counted_at: datetime | None = None
    jump: Usd4 | None = None
    jump_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cycle:
    """The circumstances of a read; `spot` None: unknown, `next_read_s` seconds to the next read.

    `event_next` tells that a known earnings date makes this the last session before it.
    """

    now: datetime
    session: Session
    spot: Usd4 | None
    next_read_s: float
    event_next: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkRead:
    """One read judged: numbers for the kernels, what to remember, and what the shell must do.

    `trust` None: no quote came. `note` says why there is no (confirmed) mark, "" where there is one.
    `refetch`: read again at once.
    """

    marks: Marks
    memory: MarkMemory
    trust: Trust | None
    note: str = ""
    refetch: bool = False


def recall(position: Position) -> MarkMemory:
    """Give the memory a stored position restarts with: its last mark, or its average entry before one.

    The mark's time counts as read, so that a restart cannot count one read twice.
    """
    if position.mark is not None and position.marked_at is not None:
        return MarkMemory(mark=position.mark, marked_at=position.marked_at, counted_at=position.marked_at)
    shares = position.bought * position.contract.multiplier
    average = position.cost // shares if shares else None
    return MarkMemory(mark=average, marked_at=position.opened_at)


def read_marks(
    quote: OptionQuote | None,
    contract: OptionContract,
    memory: MarkMemory,
    cycle: Cycle,
    rules: QuoteRules,
) -> MarkRead:
    """Judge one read of a held contract's quote; `quote` None: the feed gave none."""
    trust = None
    if quote is not None:
        trust = trust_of(quote, contract, spot=cycle.spot, now=cycle.now, rules=rules)
    if quote is not None and trust is not None and is_usable(trust, rules):
        return _usable(quote, trust, memory, cycle, rules)
    return _unusable(quote, trust, memory, cycle, rules)


def is_sparse(cycle: Cycle, rules: QuoteRules) -> bool:
    """Tell whether the next mark is so far away that this one must stand alone."""
    return cycle.next_read_s > rules.sparse_after_s


def is_blind(memory: MarkMemory, now: datetime, session: Session, rules: QuoteRules) -> bool:
    """Tell whether the session has gone too long without a mark; nights do not count."""
    since = max(memory.marked_at, session.open_at)
    return now - since >= timedelta(seconds=rules.blind_stop_after_s)


def _usable(
    quote: OptionQuote, trust: Trust, memory: MarkMemory, cycle: Cycle, rules: QuoteRules
) -> MarkRead:
    bid, ask = quote.bid or 0, quote.ask or 0
    mark = (bid + ask) // 2
    sparse = is_sparse(cycle, rules)
    agreed = _agrees(mark, memory, cycle, rules)
    if not sparse and not agreed and _jumps(mark, memory, rules):
        marks = _marks(cycle, rules, bid=bid, mark=mark, spread=ask - bid)
        waiting = replace(memory, jump=mark, jump_at=cycle.now)
        note = "jumped, waits for a second read"
        return MarkRead(marks=marks, memory=waiting, trust=trust, note=note, refetch=True)
    if not agreed and _too_soon(memory, cycle, rules):
        marks = _marks(cycle, rules, bid=bid, mark=mark, spread=ask - bid)
        seen = MarkMemory(mark=mark, marked_at=cycle.now, counted_at=memory.counted_at)
        return MarkRead(marks=marks, memory=seen, trust=trust, note="read again too soon to count")
    marks = _marks(cycle, rules, bid=bid, mark=mark, spread=ask - bid, stop_price=mark, confirmed=True)
    counted = MarkMemory(mark=mark, marked_at=cycle.now, counted_at=cycle.now)
    return MarkRead(marks=marks, memory=counted, trust=trust)


def _unusable(
    quote: OptionQuote | None,
    trust: Trust | None,
    memory: MarkMemory,
    cycle: Cycle,
    rules: QuoteRules,
) -> MarkRead:
    bid = quote.bid if quote is not None else None
    note = "no quote" if trust is None else f"quote is {trust.name}"
    stop_price = -1
    remembered = memory
    falls_back = trust in _BID_STANDS and is_blind(memory, cycle.now, cycle.session, rules)
    if falls_back and bid and not _too_soon(memory, cycle, rules):
        stop_price = bid
        remembered = replace(memory, counted_at=cycle.now)
        note += ", the stop reads its bid"
    shown = bid if bid and trust in _BID_STANDS else -1
    marks = _marks(cycle, rules, bid=shown, stop_price=stop_price)
    return MarkRead(marks=marks, memory=remembered, trust=trust, note=note)


def _jumps(mark: Usd4, memory: MarkMemory, rules: QuoteRules) -> bool:
    last = memory.mark
    return last is not None and abs(mark - last) * 10_000 > rules.jump_bp * last


def _agrees(mark: Usd4, memory: MarkMemory, cycle: Cycle, rules: QuoteRules) -> bool:
    """Tell whether this is the second read that a jump waited for."""
    first, at = memory.jump, memory.jump_at
    if first is None or at is None or cycle.now <= at:
        return False
    return abs(mark - first) * 10_000 <= rules.jump_agrees_bp * first


def _too_soon(memory: MarkMemory, cycle: Cycle, rules: QuoteRules) -> bool:
    """Tell whether this read is too near the last counted one to be another."""
    counted_at = memory.counted_at
    return counted_at is not None and cycle.now - counted_at < timedelta(seconds=rules.read_gap_s)


def _marks(
    cycle: Cycle,
    rules: QuoteRules,
    *,
    bid: int,
    mark: int = -1,
    spread: int = -1,
    stop_price: int = -1,
    confirmed: bool = False,
) -> Marks:
    to_close = cycle.session.close_at - cycle.now
    return Marks(
        mark=mark,
        bid=bid,
        spread=spread,
        stop_price=stop_price,
        underlying=-1 if cycle.spot is None else cycle.spot,
        confirmed=int(confirmed),
        sparse=int(mark >= 0 and is_sparse(cycle, rules)),
        # Rounded up: a cut-off is never early.
        minutes_to_close=-(-to_close // timedelta(minutes=1)),
        event_tomorrow=int(cycle.event_next),
    )
