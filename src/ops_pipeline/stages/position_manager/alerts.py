"""Which alerts an account's state calls for, and which of them are news. Pure."""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta

from ops_pipeline.domain.alerts import AlertCleared, AlertCode, AlertRaised, Severity
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.market import QuoteRules, Session
from ops_pipeline.domain.orders import Order, OrderState
from ops_pipeline.domain.positions import ExitReason, Position
from ops_pipeline.domain.rules import ExitRules
from ops_pipeline.domain.units import PositionId
from ops_pipeline.stages.execution.lifecycle import rejections_in_row
from ops_pipeline.stages.position_manager.exit_orders import exits_since
from ops_pipeline.stages.position_manager.marks import MarkMemory, is_blind, recall

# RELIABILITY 2.1 B9: page after so many rejections of one exit in a row.
REJECTIONS = 3
# RELIABILITY 3.5 and G13: the longest an order's fate and an exit's acceptance may stay open.
ORDER_UNKNOWN_AFTER = timedelta(seconds=60)
EXIT_ACCEPTED_WITHIN = timedelta(seconds=60)

_UNKNOWN = (OrderState.UNKNOWN, OrderState.ABANDONING)
_OF_RUN = (AlertCode.JOB_SILENT, AlertCode.UPDATES_FAILING)
# Raised and cleared by others.
_OF_OTHERS = (*_OF_RUN, AlertCode.TRADING_SUSPENDED, AlertCode.ACCESS_REFUSED)

Wanted = Mapping[tuple[AlertCode, str], AlertRaised]


def account_alerts(
    ledger: Ledger,
    *,
    now: datetime,
    session: Session,
    memory: Mapping[PositionId, MarkMemory],
    quotes: QuoteRules,
    exits: Callable[[Position], ExitRules],
) -> list[AlertRaised | AlertCleared]:
    """Give what changed about positions and orders; `exits` gives the rules a position lives under.

    Nothing is said between sessions: what stands then stands until the next one opens.
    """
    if not session.open_at <= now <= session.close_at or not (
        ledger.open_positions or ledger.live_orders or ledger.alerts
    ):
        return []
    found = [_unknown(order, now) for order in ledger.live_orders if order.state in _UNKNOWN]
    for position in ledger.open_positions:
        if not position.qty:
            continue
        if is_blind(memory.get(position.id) or recall(position), now, session, quotes):
            minutes = quotes.blind_stop_after_s // 60
            found.append(_page(AlertCode.BLIND, position.id, f"no mark for {minutes} minutes of session"))
        if position.contract.days_to_expiry(session.date) == 0:
            found.append(_expiring(position, session.minutes_before_close(now), exits(position)))
        found += _of_exit(position, ledger, now=now, session=session)
    wanted = {(alert.code, alert.key): alert for alert in found if alert is not None}
    return _changes(ledger, wanted, [key for key in ledger.alerts if key[0] not in _OF_OTHERS])


def run_alerts(
    ledger: Ledger, silent: Mapping[str, timedelta], updates: str
) -> list[AlertRaised | AlertCleared]:
    """Give what changed about the run itself.

    `silent` names the jobs that ran again after too long, and how long; `updates` tells why the broker's
    stream cannot be relied on ("": it can).
    """
    failing = AlertRaised(
        code=AlertCode.UPDATES_FAILING,
        key="updates",
        severity=Severity.WARN,
        detail=f"{updates}: nothing is opened, exits go on by polling",
    )
    wanted = {(failing.code, failing.key): failing} if updates else {}
    wanted |= {
        (AlertCode.JOB_SILENT, job): AlertRaised(
            code=AlertCode.JOB_SILENT,
            key=job,
            severity=Severity.WARN,
            detail=f"did not run for {int(gap.total_seconds())} s",
        )
        for job, gap in silent.items()
    }
    return _changes(ledger, wanted, [key for key in ledger.alerts if key[0] in _OF_RUN])


def _changes(
    ledger: Ledger, wanted: Wanted, standing: Collection[tuple[AlertCode, str]]
) -> list[AlertRaised | AlertCleared]:
    raised = [alert for key, alert in wanted.items() if key not in ledger.alerts]
    cleared = [AlertCleared(code=code, key=key) for code, key in standing if (code, key) not in wanted]
    return [*cleared, *raised]


def _unknown(order: Order, now: datetime) -> AlertRaised | None:
    sent = order.last_sent_at or order.created_at
    if now - sent <= ORDER_UNKNOWN_AFTER:
        return None
    seconds = int(ORDER_UNKNOWN_AFTER.total_seconds())
    return _page(AlertCode.ORDER_UNKNOWN, order.id, f"sent, its fate unknown for over {seconds} s")


def _expiring(position: Position, left: float, rules: ExitRules) -> AlertRaised | None:
    if left > rules.expiry_escalate_minutes:
        return None
    detail = f"expires today, {position.qty} held at C-{rules.expiry_escalate_minutes}"
    return _page(AlertCode.EXPIRY_HELD, position.id, detail)


def _of_exit(
    position: Position, ledger: Ledger, *, now: datetime, session: Session
) -> list[AlertRaised | None]:
    decision = position.exit
    found_there = ledger.breaks.get(position.contract.occ)
    gone = found_there is not None and found_there.broker_qty <= 0
    if decision is None or position.frozen or gone or decision.reason is ExitReason.ROLL:
        return []
    orders = exits_since(ledger, position.id, decision.at)
    found: list[AlertRaised | None] = []
    rejected = rejections_in_row(orders)
    if rejected >= REJECTIONS:
        detail = f"{decision.reason} rejected {REJECTIONS} times in a row: {orders[-1].detail}"
        found.append(_page(AlertCode.EXIT_REJECTED, position.id, detail))
    waited = now - max(decision.at, session.open_at)
    if waited > EXIT_ACCEPTED_WITHIN and not any(order.accepted_at for order in orders):
        seconds = int(EXIT_ACCEPTED_WITHIN.total_seconds())
        detail = f"{decision.reason}: no order accepted within {seconds} s"
        found.append(_page(AlertCode.EXIT_NOT_ACCEPTED, position.id, detail))
    return found


def _page(code: AlertCode, key: str, detail: str) -> AlertRaised:
    return AlertRaised(code=code, key=key, severity=Severity.PAGE, detail=detail)
