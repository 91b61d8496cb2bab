"""Watches every position of an account on option prices and gets it out. Shell."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

from ops_pipeline.domain import events as e
from ops_pipeline.domain.accounts import ControlLevel
from ops_pipeline.domain.errors import StoreUnavailableError
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.market import OptionQuote, QuoteRules, Session
from ops_pipeline.domain.orders import Refused, Rejected
from ops_pipeline.domain.positions import ExitDecision, Position
from ops_pipeline.domain.records import Failed, PositionMark, StepReport
from ops_pipeline.domain.rules import ExitOrderRules, ExitRules, RollRules
from ops_pipeline.domain.units import Occ, PositionId
from ops_pipeline.ports import BrokerUnavailable, Calendar, MarketData, SnapshotStore
from ops_pipeline.stages.execution.gateway import Desk, observe
from ops_pipeline.stages.position_manager import alerts, arbiter, exits, marks, monitor, tracking
from ops_pipeline.stages.position_manager.arbiter import ExitAction, ExitActionKind, Standing
from ops_pipeline.stages.position_manager.exit_orders import Exit, working_exits
from ops_pipeline.stages.position_manager.held import await_splits
from ops_pipeline.stages.position_manager.marks import Cycle, MarkMemory
from ops_pipeline.stages.position_manager.next_look import BLOCKED, next_look
from ops_pipeline.stages.position_manager.standing import is_rolling, roll_waits, standing_of, working_reason
from ops_pipeline.stages.position_manager.watched import Outcome, Watched, bodies_of, sample_of, urgency

_MINUTE = timedelta(minutes=1)
_IDLE = ExitAction(kind=ExitActionKind.HOLD, decision=None, qty=0, why="no rule is met")


class RulesOf(Protocol):
    """Gives the exit rules a position lives under."""

    def __call__(self, position: Position) -> ExitRules:
        """Give them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagerPorts:
    """One account's positions: its desk, the market, and what marks were seen before.

    `memory` and `sampled` live as long as the process; a new one recalls them from the ledger. So does
    `roll_refused`, when and why a position's roll was last refused; a new process plans it at once.
    `next_read_s` gives the seconds to the next read of the market.
    """

    desk: Desk
    market: MarketData
    calendar: Calendar
    snapshots: SnapshotStore
    memory: dict[PositionId, MarkMemory]
    sampled: dict[PositionId, datetime]
    roll_refused: dict[PositionId, tuple[datetime, e.RollRefused]]
    next_read_s: float
    roller: "Roller"


class Roller(Protocol):
    """Carries a roll on by one step."""

    def __call__(self, position: Position, *, now: datetime, session: Session) -> str:
        """Plan or continue the roll of `position`; give why none was begun, else ""."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagerRules:
    """Exit rules by position, quote trust, how exit orders walk and when rolls are planned."""

    exits: RulesOf
    quotes: QuoteRules
    orders: ExitOrderRules
    roll: RollRules


def run_once(now: datetime, ports: ManagerPorts, rules: ManagerRules) -> StepReport:
    """Read marks, judge every rule, pick one action a position, do the riskiest first; then raise alerts."""
    session = ports.calendar.session_at(now)
    report = _manage(now, session, ports, rules)
    if session is not None:
        _raise_alerts(now, session, ports, rules)
    return report


def _raise_alerts(now: datetime, session: Session, ports: ManagerPorts, rules: ManagerRules) -> None:
    """Store which alerts began and ended; only changes are written."""
    desk = ports.desk
    changed = alerts.account_alerts(
        desk.store.ledger(desk.account),
        now=now,
        session=session,
        memory=ports.memory,
        quotes=rules.quotes,
        exits=rules.exits,
    )
    if changed:
        desk.store.commit(desk.account, changed, at=now)


def _manage(now: datetime, session: Session | None, ports: ManagerPorts, rules: ManagerRules) -> StepReport:
    desk = ports.desk
    ledger = desk.store.ledger(desk.account)
    held = [position for position in ledger.open_positions if position.qty > 0]
    emptied = [
        ledger.positions[roll.position_id]
        for roll in ledger.live_rolls
        if not ledger.positions[roll.position_id].qty
    ]
    if session is None or not (held or emptied) or not session.open_at <= now <= session.close_at:
        return StepReport(stage="position_manager", now=now, account=desk.account)
    # gather
    ready, failed = await_splits(held, unbooked=lambda position: _unbooked_splits(position, session, ports))
    quotes = ports.market.quotes([position.contract.occ for position in ready], now=now)
    # decide: every position before the first order, so that no decision waits for a slow broker
    judged: list[Watched] = []
    for position in ready:
        try:
            judged.append(watch(position, quotes, now=now, session=session, ports=ports, rules=rules))
        except ValueError as error:
            failed.append(Failed(item=position.id, error=str(error)))
    # apply, the most urgent first
    judged.sort(key=urgency)
    outcomes = _carry_out(judged, now=now, session=session, ports=ports, rules=rules)
    failed += [failure for outcome in outcomes.values() for failure in outcome.failed]
    for position in emptied:
        try:
            ports.roller(position, now=now, session=session)
        except (BrokerUnavailable, StoreUnavailableError) as error:
            failed.append(Failed(item=position.id, error=str(error)))
    samples = [sample for watched in judged for sample in _sample(watched, now, ports)]
    if samples:
        with suppress(StoreUnavailableError):  # samples are for looking at: nothing is decided from them
            ports.snapshots.add_marks(samples)
    return StepReport(
        stage="position_manager",
        now=now,
        account=desk.account,
        read=len(held),
        sent=sum(outcome.sent for outcome in outcomes.values()),
        failed=tuple(failed),
        again_at=_again_at(judged, outcomes, now, ports, rules),
    )


def _unbooked_splits(position: Position, session: Session, ports: ManagerPorts) -> int:
    since = position.entry_session + timedelta(days=1)
    splits = ports.market.splits(position.contract.underlying, first=since, last=session.date)
    if not splits:
        return 0
    events = ports.desk.store.events(ports.desk.account, key=position.id)
    return len(splits) - sum(isinstance(event.body, e.ContractsAdjusted) for event in events)


def _again_at(
    judged: Sequence[Watched],
    outcomes: Mapping[PositionId, Outcome],
    now: datetime,
    ports: ManagerPorts,
    rules: ManagerRules,
) -> datetime | None:
    """Give when any of the positions wants to be looked at next, ahead of the cycle."""
    ledger = ports.desk.store.ledger(ports.desk.account)
    wishes = [
        now + BLOCKED
        if outcomes[watched.position.id].blocked
        else next_look(
            watched,
            ledger,
            now=now,
            quotes=rules.quotes,
            exits=rules.exits(watched.position),
            orders=rules.orders,
        )
        for watched in judged
    ]
    return min((at for at in wishes if at is not None), default=None)


def watch(
    position: Position,
    quotes: Mapping[Occ, OptionQuote],
    *,
    now: datetime,
    session: Session,
    ports: ManagerPorts,
    rules: ManagerRules,
    whole: bool = False,
) -> Watched:
    """Judge one position at `now`; changes nothing but the memory of its marks.

    An idle position of which no rule is met is told by the kernels alone; `whole` lists every rule
    with its distance all the same.
    """
    ledger = ports.desk.store.ledger(ports.desk.account)
    exit_rules = rules.exits(position)
    quote = quotes.get(position.contract.occ)
    cycle = _cycle(position, now=now, session=session, ports=ports)
    memory = ports.memory.get(position.id) or marks.recall(position)
    read = marks.read_marks(quote, position.contract, memory, cycle, rules.quotes)
    ports.memory[position.id] = read.memory
    sessions_held = ports.calendar.count(position.entry_session, session.date)
    before = tracking.held_of(position, session=session.date, sessions_held=sessions_held)
    held = tracking.observe(before, read.marks, exit_rules)
    working = working_reason(position, ledger)
    keep = ledger.wish_of(position.id).keep
    calm = ledger.control is ControlLevel.NORMAL and (keep is None or position.qty <= keep)
    idle = calm and position.exit is None and working is None
    if idle and not whole and not arbiter.first_exit(held, read.marks, exit_rules).rank:
        return Watched(position=position, quote=quote, read=read, held=held, triggers=(), action=_IDLE)
    triggers = monitor.check_exit_conditions(held, read.marks, exit_rules)
    standing = _standing(position, ledger, now=now, session=session, ports=ports, rules=rules)
    action = arbiter.arbitrate(triggers, standing)
    return Watched(position=position, quote=quote, read=read, held=held, triggers=triggers, action=action)


def _cycle(position: Position, *, now: datetime, session: Session, ports: ManagerPorts) -> Cycle:
    underlying = position.contract.underlying
    spot = ports.market.spot(underlying, now=now)
    known = ports.market.earnings(underlying, now=now)
    following = ports.calendar.following(session.date).date if known and known.session else None
    return Cycle(
        now=now,
        session=session,
        spot=spot.price if spot else None,
        next_read_s=ports.next_read_s,
        event_next=known is not None and known.session is not None and known.session == following,
    )


def _standing(
    position: Position,
    ledger: Ledger,
    *,
    now: datetime,
    session: Session,
    ports: ManagerPorts,
    rules: ManagerRules,
) -> Standing:
    refused = ports.roll_refused.get(position.id)
    waits = roll_waits(
        position, ledger, refused[0] if refused else None, now=now, session=session, rules=rules.roll
    )
    return standing_of(position, ledger, now=now, roll_waits=waits)


def _sample(watched: Watched, now: datetime, ports: ManagerPorts) -> list[PositionMark]:
    """Sample once in each minute of the clock, so that an account's positions share their commits."""
    position = watched.position
    last = ports.sampled.get(position.id)
    if last is not None and now - last < _MINUTE and now.minute == last.minute:
        return []
    ports.sampled[position.id] = now
    return [sample_of(watched, now)]


def _carry_out(
    judged: Sequence[Watched], *, now: datetime, session: Session, ports: ManagerPorts, rules: ManagerRules
) -> dict[PositionId, Outcome]:
    """Do what was decided, in order; slots freed by cancels are used after one look at the broker for all.

    Exits that rest at the broker are repriced so many at a time: the next account is not kept waiting.
    """
    apply = partial(_apply, now=now, session=session, ports=ports, rules=rules)
    outcomes: dict[PositionId, Outcome] = {}
    cancelled: list[Watched] = []
    for watched in judged:
        rests = watched.action.kind is ExitActionKind.WAIT
        if rests and len(cancelled) >= rules.orders.reprices_a_turn:
            outcome = Outcome(blocked=True)
        else:
            outcome = _attempted(partial(apply, watched), watched)
        outcomes[watched.position.id] = outcome
        cancelled += [watched] if outcome.cancels else []
    if not cancelled:
        return outcomes
    try:
        observe(ports.desk, now=now)
    except BrokerUnavailable as error:
        return outcomes | {watched.position.id: _blocked(watched, error) for watched in cancelled}
    follow_up = partial(_follow_up, now=now, session=session, ports=ports, rules=rules)
    return outcomes | {
        watched.position.id: _attempted(partial(follow_up, watched), watched) for watched in cancelled
    }


def _attempted(act: Callable[[], Outcome], watched: Watched) -> Outcome:
    """Act for one position; what fails keeps no other position waiting."""
    try:
        return act()
    except (BrokerUnavailable, StoreUnavailableError, ValueError) as error:
        return _blocked(watched, error)


def _blocked(watched: Watched, error: Exception) -> Outcome:
    return Outcome(failed=(Failed(item=watched.position.id, error=str(error)),), blocked=True)


def _apply(
    watched: Watched, *, now: datetime, session: Session, ports: ManagerPorts, rules: ManagerRules
) -> Outcome:
    """Store what the cycle saw and decided, then do it; what needs a slot freed first asks for that."""
    desk, position, action = ports.desk, watched.position, watched.action
    desk.store.commit(desk.account, bodies_of(watched), at=now)
    match action.kind:
        case ExitActionKind.SEND if action.decision is not None:
            return _send(watched, action.decision, now=now, session=session, desk=desk, rules=rules)
        case ExitActionKind.ROLL:
            refusal = ports.roller(position, now=now, session=session)
            if refusal:
                _note_refusal(position, refusal, now=now, session=session, ports=ports)
        case ExitActionKind.CANCEL:
            exits.cancel_exits(position, desk=desk, now=now, reason=action.why)
            return Outcome(cancels=True)
        case ExitActionKind.WAIT:
            if exits.reprice_when_due(position, desk=desk, now=now, rules=rules.orders):
                return Outcome(cancels=True)
            if is_rolling(position, desk.store.ledger(desk.account)):
                ports.roller(position, now=now, session=session)
        case _:
            pass
    return Outcome()


def _note_refusal(
    position: Position, reason: str, *, now: datetime, session: Session, ports: ManagerPorts
) -> None:
    """Remember when a roll was refused; store why, unless the session's last refusal said the same."""
    refused = e.RollRefused(position_id=position.id, session=session.date, reason=reason)
    last = ports.roll_refused.get(position.id)
    ports.roll_refused[position.id] = (now, refused)
    if last is None or last[1] != refused:
        ports.desk.store.commit(ports.desk.account, [refused], at=now)


def _follow_up(
    watched: Watched, *, now: datetime, session: Session, ports: ManagerPorts, rules: ManagerRules
) -> Outcome:
    """Judge the same read again once a cancelled order is terminal and booked, and send what is left."""
    desk = ports.desk
    position = desk.store.ledger(desk.account).positions[watched.position.id]
    free = not working_exits(desk.store.ledger(desk.account), position)
    if is_rolling(position, desk.store.ledger(desk.account)):
        ports.roller(position, now=now, session=session)
    ledger = desk.store.ledger(desk.account)
    position = ledger.positions[position.id]
    if not free or not position.qty or is_rolling(position, desk.store.ledger(desk.account)):
        return Outcome()
    sessions_held = ports.calendar.count(position.entry_session, session.date)
    held = tracking.held_of(position, session=session.date, sessions_held=sessions_held)
    triggers = monitor.check_exit_conditions(held, watched.read.marks, rules.exits(position))
    standing = _standing(position, ledger, now=now, session=session, ports=ports, rules=rules)
    action = arbiter.arbitrate(triggers, standing)
    again = replace(watched, position=position, held=held, triggers=triggers, action=action)
    if action.kind is not ExitActionKind.SEND or action.decision is None:
        return Outcome()
    desk.store.commit(desk.account, bodies_of(again), at=now)
    return _send(again, action.decision, now=now, session=session, desk=desk, rules=rules)


def _send(
    watched: Watched,
    decision: ExitDecision,
    *,
    now: datetime,
    session: Session,
    desk: Desk,
    rules: ManagerRules,
) -> Outcome:
    exit_ = Exit(
        position=watched.position,
        decision=decision,
        qty=watched.action.qty,
        quote=watched.quote,
        trust=watched.read.trust,
        session=session,
    )
    in_part = watched.action.qty < watched.position.qty
    execute = exits.execute_partial_exit if in_part else exits.execute_exit
    outcome = execute(exit_, desk=desk, now=now, rules=rules.orders)
    item = watched.position.id
    match outcome:
        case None:
            return Outcome()
        case Rejected(code=code, message=message):
            return Outcome(sent=1, failed=(Failed(item=item, error=f"exit rejected, {code}: {message}"),))
        case Refused(reason=reason):
            return Outcome(failed=(Failed(item=item, error=f"exit refused: {reason}"),))
        case _:
            return Outcome(sent=1)
