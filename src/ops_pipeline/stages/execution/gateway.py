"""The one door to the broker: intent, commit, send, record. Shell."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from ops_pipeline.domain.events import EventBody, OrderAnswered, OrderIntended, OrderSending, OrderSettled
from ops_pipeline.domain.orders import (
    Accepted,
    Approved,
    Deferred,
    Order,
    OrderState,
    Refused,
    Rejected,
    SubmitOutcome,
    Unknown,
)
from ops_pipeline.domain.rules import ExecutionRules
from ops_pipeline.domain.units import AccountId
from ops_pipeline.ports import Broker, LedgerStore
from ops_pipeline.stages.execution.checks import before_send
from ops_pipeline.stages.execution.lifecycle import body_hash


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """One account's way to its broker."""

    account: AccountId
    store: LedgerStore
    broker: Broker
    rules: ExecutionRules


def send(
    approved: Approved, *, desk: Desk, now: datetime, with_bodies: Sequence[EventBody] = ()
) -> SubmitOutcome | Refused:
    """Store the intent (with what caused it), then send it once; the outcome is stored before it is given.

    A check that fails after the intent was stored leaves it NOT_PLACED and gives the refusal.
    """
    intent = approved.intent
    desk.store.commit(desk.account, [*with_bodies, OrderIntended(intent=intent)], at=now)
    return post(approved, desk=desk, now=now)


def post(approved: Approved, *, desk: Desk, now: datetime) -> SubmitOutcome | Refused:
    """Send an order whose intent stands in the ledger; a resend carries the same id and body."""
    intent = approved.intent
    ledger = desk.store.ledger(desk.account)
    checks = before_send(intent, ledger=ledger, now=now, rules=desk.rules)
    failed = [check.name for check in checks if not check.passed]
    if failed:
        return _refuse(approved, failed[0], ledger.orders[intent.client_order_id], desk=desk, now=now)
    sending = OrderSending(
        client_order_id=intent.client_order_id,
        epoch=desk.store.epoch(desk.account),
        attempt=ledger.orders[intent.client_order_id].attempt + 1,
        body_hash=body_hash(intent),
    )
    desk.store.commit(desk.account, [sending], at=now)
    outcome = desk.broker.submit(replace(approved, gates=approved.gates + checks))
    desk.store.commit(desk.account, [answered(intent.client_order_id, outcome)], at=now)
    return outcome


def cancel(order: Order, *, desk: Desk, now: datetime, reason: str) -> None:
    """Ask the broker to cancel; the order stays live until the broker says otherwise."""
    if order.state not in (OrderState.WORKING, OrderState.ORPHAN):
        return
    settled = OrderSettled(client_order_id=order.id, state=OrderState.CANCELING.value, reason=reason)
    desk.store.commit(desk.account, [settled], at=now)
    if order.broker_order_id is not None:
        desk.broker.cancel(order.broker_order_id)


def answered(client_order_id: str, outcome: SubmitOutcome) -> OrderAnswered:
    """Give the event that records the outcome of a POST."""
    match outcome:
        case Accepted(order=order):
            return OrderAnswered(
                client_order_id=order.client_order_id,
                outcome="accepted",
                broker_order_id=order.broker_order_id,
                status=order.status,
                cum=order.cum,
            )
        case Rejected(code=code, message=message):
            return OrderAnswered(
                client_order_id=client_order_id,  # type: ignore[arg-type] # the intent's own id
                outcome="rejected",
                detail=f"{code}: {message}",
            )
        case Deferred(not_before=not_before, why=why):
            return OrderAnswered(
                client_order_id=client_order_id,  # type: ignore[arg-type] # the intent's own id
                outcome="deferred",
                not_before=not_before,
                detail=why,
            )
        case Unknown(why=why):
            return OrderAnswered(
                client_order_id=client_order_id,  # type: ignore[arg-type] # the intent's own id
                outcome="unknown",
                detail=why,
            )


def _refuse(approved: Approved, reason: str, order: Order, *, desk: Desk, now: datetime) -> Refused:
    intent = approved.intent
    ledger = desk.store.ledger(desk.account)
    checks = before_send(intent, ledger=ledger, now=now, rules=desk.rules)
    if order.attempt == 0:
        settled = OrderSettled(
            client_order_id=intent.client_order_id, state=OrderState.NOT_PLACED.value, reason=reason
        )
        desk.store.commit(desk.account, [settled], at=now)
    return Refused(reason=reason, gates=approved.gates + checks)
