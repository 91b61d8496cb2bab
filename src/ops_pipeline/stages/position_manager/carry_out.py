"""Carries out what was decided of every position: the most urgent first, resting exits last. Shell."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

from ops_pipeline.domain import events as e
from ops_pipeline.domain.errors import StoreUnavailableError
from ops_pipeline.domain.market import Session
from ops_pipeline.domain.orders import Refused, Rejected
from ops_pipeline.domain.positions import ExitDecision, Position
from ops_pipeline.domain.records import Failed
from ops_pipeline.domain.units import PositionId
from ops_pipeline.ports import BrokerUnavailable
from ops_pipeline.stages.execution.gateway import Desk
from ops_pipeline.stages.execution.reading import observe
from ops_pipeline.stages.position_manager import arbiter, exits, monitor, tracking
from ops_pipeline.stages.position_manager.arbiter import ExitActionKind
from ops_pipeline.stages.position_manager.exit_orders import Exit, resting_since
from ops_pipeline.stages.position_manager.manager_ports import ManagerPorts, ManagerRules, standing_now
from ops_pipeline.stages.position_manager.standing import is_rolling, working_reason
from ops_pipeline.stages.position_manager.watched import Outcome, Watched, bodies_of


def carry_out(
    judged: Sequence[Watched], *, now: datetime, session: Session, ports: ManagerPorts, rules: ManagerRules
) -> dict[PositionId, Outcome]:
    """Do what was decided, in order; slots freed by cancels are used after one look at the broker for all.

    Exits that rest at the broker come last, the one that has rested longest first, and are repriced so many
    at a time: the next account is not kept waiting, and no position for ever.
    """
    apply = partial(_apply, now=now, session=session, ports=ports, rules=rules)
    defer = partial(_defer, now=now, ports=ports)
    outcomes: dict[PositionId, Outcome] = {}
    cancelled: list[Watched] = []
    repriced = 0
    for watched in _resting_last(judged, now=now, ports=ports):
        rests = watched.action.kind is ExitActionKind.WAIT
        act = defer if rests and repriced >= rules.orders.reprices_a_turn else apply
        outcome = outcomes[watched.position.id] = _attempted(partial(act, watched), watched)
        if outcome.cancels:
            cancelled.append(watched)
            repriced += rests
    if not cancelled:
        return outcomes
    try:
        observe(ports.desk, now=now)
    except (BrokerUnavailable, StoreUnavailableError, ValueError) as error:
        return outcomes | {watched.position.id: _blocked(watched, error) for watched in cancelled}
    follow_up = partial(_follow_up, now=now, session=session, ports=ports, rules=rules)
    return outcomes | {
        watched.position.id: _attempted(partial(follow_up, watched), watched) for watched in cancelled
    }


def _resting_last(judged: Sequence[Watched], *, now: datetime, ports: ManagerPorts) -> list[Watched]:
    """Order what is to be carried out: as given, then exits that rest by how long they have."""
    ledger = ports.desk.store.ledger(ports.desk.account)
    resting = [watched for watched in judged if watched.action.kind is ExitActionKind.WAIT]
    resting.sort(key=lambda watched: resting_since(ledger, watched.position) or now)
    return [*(watched for watched in judged if watched.action.kind is not ExitActionKind.WAIT), *resting]


def _defer(watched: Watched, *, now: datetime, ports: ManagerPorts) -> Outcome:
    """Store what the cycle saw; the resting exit has its turn soon."""
    ports.desk.store.commit(ports.desk.account, bodies_of(watched), at=now)
    return Outcome(blocked=True)


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
        case ExitActionKind.CANCEL if action.decision is not None:
            freed = exits.cancel_exits(position, action.decision, desk=desk, now=now, why=action.why)
            return Outcome(cancels=freed)
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
    ledger = desk.store.ledger(desk.account)
    position = ledger.positions[watched.position.id]
    if is_rolling(position, ledger):
        ports.roller(position, now=now, session=session)
    ledger = desk.store.ledger(desk.account)
    position = ledger.positions[position.id]
    if not position.qty or working_reason(position, ledger) is not None:
        return Outcome()
    sessions_held = ports.calendar.count(position.entry_session, session.date)
    held = tracking.held_of(position, session=session.date, sessions_held=sessions_held)
    triggers = monitor.check_exit_conditions(held, watched.read.marks, rules.exits(position))
    standing = standing_now(position, ledger, now=now, session=session, ports=ports, rules=rules)
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
