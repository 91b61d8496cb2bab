"""RULEBOOK 2 and 3 as judges: each exit decision held against the market as it was. Pure.

The numbers are those of the profile `default`, written down a second time on purpose.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ops_pipeline.domain import events as e
from ops_pipeline.domain.accounts import ControlLevel
from ops_pipeline.domain.breaks import FillBusted
from ops_pipeline.domain.instruments import OptionContract
from ops_pipeline.domain.market import OptionQuote
from ops_pipeline.domain.positions import ExitDecision, ExitReason
from ops_pipeline.domain.signals import Strategy
from ops_pipeline.domain.units import Occ, Usd4
from ops_pipeline.verify.judges import Case, Complaints, Judge

_SLACK, _ARM, _GIVEBACK, _LEAST = 500, 5_000, 2_500, 500
_STOP, _FIRST, _SECOND, _TARGET = -2_500, 5_000, 7_500, 5_000
_WIDE, _WIDE_FLOOR = 2_000, 1_000
_CUT_OFF, _ESCALATED, _EOD = timedelta(minutes=75), timedelta(minutes=60), timedelta(minutes=5)
_READS_APART = timedelta(seconds=10)
_IN_TIME = timedelta(seconds=60)
_TARGETS = {
    ExitReason.FIRST_TARGET: _FIRST,
    ExitReason.SECOND_TARGET: _SECOND,
    ExitReason.PROFIT_TARGET: _TARGET,
}


@dataclass(slots=True)
class _Life:
    """A position as its events tell it, followed from one to the next."""

    contract: OptionContract
    strategy: Strategy
    bought: int = 0
    sold: int = 0
    cost: Usd4 = 0
    peak: Usd4 = 0
    trailing_stop: Usd4 = 0
    exit: ExitDecision | None = None
    frozen: bool = False

    @property
    def qty(self) -> int:
        return self.bought - self.sold

    def gains(self, price: Usd4, threshold: int) -> int:
        """Give by how much `price` exceeds a gain of `threshold` bp, in units of cost; 0: exactly there."""
        return price * self.bought * self.contract.multiplier * 10_000 - self.cost * (10_000 + threshold)


@dataclass(slots=True)
class _Lives:
    """Every position of an account, and its kill level, as of the last event."""

    known: dict[str, _Life] = field(default_factory=dict)
    control: ControlLevel = ControlLevel.NORMAL

    def take(self, event: e.Event) -> None:
        """Take one event over."""
        body = event.body
        match body:
            case e.PositionOpened(position_id=key):
                self.known[key] = _Life(body.contract, body.strategy)
            case e.ControlChanged(level=level, actor=actor):
                self.control = max(level, self.control) if actor in e.AUTOMATIC else level
            case e.FillBooked(fill=fill, position_id=key):
                _fill(self.known[key], fill.qty, fill.price)
            case FillBusted(fill=fill, position_id=key):
                _bust(self.known[key], fill.qty, fill.price)
            case e.ContractsAdopted(position_id=key):
                _fill(self.known[key], body.qty, body.price)
            case e.ContractsRemoved(position_id=key):
                self.known[key].sold += body.qty
            case e.ContractsAdjusted(position_id=key):
                _adjust(self.known[key], body)
            case e.PositionMarked(position_id=key):
                self.known[key].peak, self.known[key].trailing_stop = body.peak, body.trailing_stop
            case e.ExitDecided(position_id=key):
                self.known[key].exit = body.decision
            case e.ExitWithdrawn(position_id=key) | e.PositionClosed(position_id=key):
                self.known[key].exit = None
            case e.PositionFrozen(position_id=key):
                self.known[key].frozen = bool(body.reason)
            case _:
                pass


def _fill(life: _Life, qty: int, price: Usd4) -> None:
    if qty < 0:
        life.sold -= qty
        return
    life.bought += qty
    life.cost += price * qty * life.contract.multiplier
    life.peak = max(life.peak, -(-life.cost // (life.bought * life.contract.multiplier)))


def _bust(life: _Life, qty: int, price: Usd4) -> None:
    if qty < 0:
        life.sold += qty
        return
    life.bought -= qty
    life.cost -= price * qty * life.contract.multiplier


def _adjust(life: _Life, body: e.ContractsAdjusted) -> None:
    units, was = body.for_one * body.contract.multiplier, life.contract.multiplier
    life.contract = body.contract
    life.bought *= body.for_one
    life.sold *= body.for_one
    life.peak = -(-life.peak * was // units)
    life.trailing_stop = -(-life.trailing_stop * was // units)


def _usable(quote: OptionQuote | None) -> bool:
    if quote is None or not quote.bid or not quote.ask or quote.bid > quote.ask:
        return False
    spread = quote.ask - quote.bid
    return spread <= _WIDE_FLOOR or 2 * spread * 10_000 <= _WIDE * (quote.bid + quote.ask)


def _mark(quote: OptionQuote) -> Usd4:
    return ((quote.bid or 0) + (quote.ask or 0)) // 2


def _p8_peaks_could_be_sold(case: Case) -> Complaints:
    """Judge that a peak rises only to a usable mark, and one whose bid gains as much less 5 %."""
    lives = _Lives()
    found = []
    for event in case.events:
        body = event.body
        if isinstance(body, e.PositionMarked) and body.peak > lives.known[body.position_id].peak:
            life = lives.known[body.position_id]
            quote = case.quote(Occ(life.contract.occ), event.at)
            if quote is None or not _usable(quote) or _mark(quote) != body.peak:
                found.append(f"{body.position_id} peak {body.peak} at {event.at}, quote {quote}")
            else:
                given_up = (body.peak - (quote.bid or 0)) * life.bought * life.contract.multiplier
                if given_up * 10_000 > _SLACK * life.cost:
                    found.append(f"{body.position_id} peak {body.peak}, bid {quote.bid} at {event.at}")
        lives.take(event)
    return found


def _x2_latched_stays(case: Case) -> Complaints:
    """Judge that a latched exit is neither withdrawn nor replaced by one of lower rank while it holds."""
    lives = _Lives()
    found = []
    for event in case.events:
        body = event.body
        if isinstance(body, e.ExitWithdrawn | e.ExitDecided):
            life = lives.known[body.position_id]
            latched = life.exit is not None and life.exit.latched and life.qty > 0
            higher = isinstance(body, e.ExitDecided) and life.exit and body.decision.rank <= life.exit.rank
            if latched and not higher:
                found.append(f"{body.position_id} {life.exit and life.exit.reason} undone at {event.at}")
        lives.take(event)
    return found


def _x7_exits_by_their_numbers(case: Case) -> Complaints:
    """Judge each decision by price or time: the market of that instant meets its rule."""
    lives = _Lives()
    found = []
    for event in case.events:
        if isinstance(event.body, e.ExitDecided):
            key, decision = event.body.position_id, event.body.decision
            wrong = _wrong(decision, lives.known[key], event.at, case)
            if wrong:
                found.append(f"{key} {decision.reason} at {event.at:%H:%M:%S}: {wrong}")
        lives.take(event)
    return found


def _wrong(decision: ExitDecision, life: _Life, at: datetime, case: Case) -> str:
    quote = case.quote(Occ(life.contract.occ), at)
    match decision.reason:
        case ExitReason.STOP_LOSS:
            return _wrong_stop(life, at, case)
        case ExitReason.TRAILING_STOP:
            return _wrong_trail(life, quote)
        case ExitReason.FIRST_TARGET | ExitReason.SECOND_TARGET | ExitReason.PROFIT_TARGET:
            return _wrong_target(life, quote, _TARGETS[decision.reason])
        case ExitReason.EOD_FLAT:
            close = _close_of(at, case)
            early = close is None or at < close - _EOD or life.strategy is not Strategy.DAY
            return f"before {_EOD} to the close" if early else ""
        case ExitReason.EXPIRY_CUTOFF:
            close = _close_of(at, case)
            # What expired without a word of the broker is decided on still; nothing of it can be sold.
            if at.date() > life.contract.expiration:
                return ""
            early = close is None or at < close - _CUT_OFF or at.date() < life.contract.expiration
            return f"before {_CUT_OFF} to the last close" if early else ""
        case _:
            return ""


def _wrong_stop(life: _Life, at: datetime, case: Case) -> str:
    if not _touched(life, at, case):
        return f"not reached by {case.quote(Occ(life.contract.occ), at)}"
    earlier = [step for step in case.steps if step <= at - _READS_APART]
    if not any(_touched(life, step, case) for step in earlier):
        return "reached by one read only"
    return ""


def _touched(life: _Life, at: datetime, case: Case) -> bool:
    """Tell whether the stop's price lies at -25 % or below: the mark, or the bid where only that stands."""
    quote = case.quote(Occ(life.contract.occ), at)
    if quote is None or not quote.bid or (quote.ask and quote.bid > quote.ask):
        return False
    return life.gains(_mark(quote) if _usable(quote) else quote.bid, _STOP) <= 0


def _wrong_trail(life: _Life, quote: OptionQuote | None) -> str:
    if quote is None or not _usable(quote):
        return f"no usable quote: {quote}"
    if life.gains(life.peak, _ARM) < 0:
        return f"not armed by a peak of {life.peak}"
    shares = life.bought * life.contract.multiplier
    giveback = -(-(life.peak * shares - life.cost) * _GIVEBACK // (shares * 10_000))
    spread = (quote.ask or 0) - (quote.bid or 0)
    least = life.peak - max(giveback, spread, _LEAST)
    if not least <= life.trailing_stop <= life.peak - _LEAST:
        return f"stop {life.trailing_stop} of peak {life.peak}, expected at least {least}"
    return "" if _mark(quote) <= life.trailing_stop else f"mark {_mark(quote)} above {life.trailing_stop}"


def _wrong_target(life: _Life, quote: OptionQuote | None, gain: int) -> str:
    if quote is None or not _usable(quote):
        return f"no usable quote: {quote}"
    sellable = life.gains(quote.bid or 0, gain - _SLACK) >= 0
    return "" if life.gains(_mark(quote), gain) >= 0 and sellable else f"not reached by {quote}"


def _close_of(at: datetime, case: Case) -> datetime | None:
    session = case.calendar.session_at(at)
    return session.close_at if session is not None else None


def _x4_out_in_time(case: Case) -> Complaints:
    """Judge that what must be flat by a time has its exit decided by then, quotes or none (X3, X4)."""
    found = []
    for key, due in _deadlines(case):
        lives = _Lives()
        for event in case.events:
            if event.at > due:
                break
            lives.take(event)
        life = lives.known.get(key)
        if life is None or life.qty <= 0 or life.frozen or lives.control is ControlLevel.HARD_STOP:
            continue
        if life.exit is None:
            found.append(f"{key} still holds {life.qty} undecided at {due:%m-%d %H:%M:%S}")
    return found


def _deadlines(case: Case) -> Iterator[tuple[str, datetime]]:
    """Give (position, instant) by which an exit must stand: so long after the process could first see it."""
    for key, held_at, life in _first_held(case.events):
        limits = [(life.contract.expiration, _ESCALATED)]
        if life.strategy is Strategy.DAY:
            limits.append((held_at.date(), _EOD))
        for day, before in limits:
            session = case.calendar.session_on(day)
            if session is None:
                continue
            start = max(session.close_at - before, held_at)
            due = next((step for step in case.steps if start <= step < session.close_at), None)
            if due and any(step >= due + _IN_TIME for step in case.steps if step < session.close_at):
                yield key, due + _IN_TIME


def _first_held(events: Sequence[e.Event]) -> Iterator[tuple[str, datetime, _Life]]:
    lives, seen = _Lives(), set[str]()
    for event in events:
        lives.take(event)
        for key, life in lives.known.items():
            if life.qty > 0 and key not in seen:
                seen.add(key)
                yield key, event.at, life


BY_THE_RULEBOOK: tuple[tuple[str, Judge], ...] = (
    ("P8", _p8_peaks_could_be_sold),
    ("X2", _x2_latched_stays),
    ("X4", _x4_out_in_time),
    ("X7", _x7_exits_by_their_numbers),
)
