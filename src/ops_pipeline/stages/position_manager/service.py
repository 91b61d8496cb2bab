"""Watches every position of an account on option prices and gets it out. Shell."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from ops_pipeline.domain import events as e
from ops_pipeline.domain.accounts import ControlLevel
from ops_pipeline.domain.errors import StoreUnavailableError
from ops_pipeline.domain.market import OptionQuote, Session
from ops_pipeline.domain.positions import Position
from ops_pipeline.domain.records import Failed, PositionMark, StepReport
from ops_pipeline.domain.units import Occ, PositionId
from ops_pipeline.ports import BrokerUnavailable
from ops_pipeline.stages.position_manager import alerts, arbiter, marks, monitor, tracking
from ops_pipeline.stages.position_manager.arbiter import ExitAction, ExitActionKind
from ops_pipeline.stages.position_manager.carry_out import carry_out
from ops_pipeline.stages.position_manager.held import await_splits
from ops_pipeline.stages.position_manager.manager_ports import ManagerPorts, ManagerRules, standing_now
from ops_pipeline.stages.position_manager.marks import Cycle
from ops_pipeline.stages.position_manager.next_look import BLOCKED, next_look
from ops_pipeline.stages.position_manager.standing import working_reason
from ops_pipeline.stages.position_manager.watched import Outcome, Watched, sample_of, urgency

_MINUTE = timedelta(minutes=1)
_IDLE = ExitAction(kind=ExitActionKind.HOLD, decision=None, qty=0, why="no rule is met")


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
    outcomes = carry_out(judged, now=now, session=session, ports=ports, rules=rules)
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
    standing = standing_now(position, ledger, now=now, session=session, ports=ports, rules=rules)
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


def _sample(watched: Watched, now: datetime, ports: ManagerPorts) -> list[PositionMark]:
    """Sample once in each minute of the clock, so that an account's positions share their commits."""
    position = watched.position
    last = ports.sampled.get(position.id)
    if last is not None and now - last < _MINUTE and now.minute == last.minute:
        return []
    ports.sampled[position.id] = now
    return [sample_of(watched, now)]
