"""What raises a kill level without anybody asking; nothing here ever lowers one. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from ops_pipeline.domain.accounts import BrokerAccount, ControlLevel
from ops_pipeline.domain.alerts import AlertCleared, AlertCode, AlertRaised, Severity
from ops_pipeline.domain.events import ControlChanged, EventBody
from ops_pipeline.domain.ids import PREFIX, is_ours
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.orders import BrokerOrder, OrderIntent
from ops_pipeline.domain.rules import ExecutionRules
from ops_pipeline.domain.units import WHOLE_BP, Bp, format_usd
from ops_pipeline.stages.execution.checks import RATE_WINDOW, look_alikes
from ops_pipeline.stages.execution.levels import raised

_ACTOR = "alarm"
# RELIABILITY 2.5 M12: beyond this the broker's clock and ours tell different days apart.
SKEW_MOST = timedelta(seconds=10)
# RELIABILITY 2.5 H4: an order of another installation of ours, as young as this.
FOREIGN_WITHIN = timedelta(hours=24)
# RELIABILITY 2.1 B7, as it stands among a ledger's alerts.
ACCESS_REFUSED = (AlertCode.ACCESS_REFUSED, "broker")


def foreign_instance(
    ledger: Ledger, shown: Sequence[BrokerOrder], *, database_id: str, now: datetime
) -> list[ControlChanged]:
    """Raise to CANCEL_ENTRIES where the broker shows an order of ours that another database made."""
    found = [
        order.client_order_id
        for order in shown
        if order.client_order_id.startswith(PREFIX)
        and not is_ours(order.client_order_id, database_id)
        and now - order.submitted_at < FOREIGN_WITHIN
    ]
    if not found:
        return []
    reason = f"another instance trades this account: {found[0]}"
    return raised(ledger, ControlLevel.CANCEL_ENTRIES, reason=reason, actor=_ACTOR)


def access(ledger: Ledger, refusal: str) -> list[EventBody]:
    """Halt an account whose keys the broker does not take, and end the halt once it answers ("": it did).

    Until then nothing is posted. The level that rose stays until a person lowers it.
    """
    stands = ACCESS_REFUSED in ledger.alerts
    code, key = ACCESS_REFUSED
    if not refusal:
        return [AlertCleared(code=code, key=key)] if stands else []
    if stands:
        return []
    page = AlertRaised(code=code, key=key, severity=Severity.PAGE, detail=refusal)
    return [page, *raised(ledger, ControlLevel.REDUCE_ONLY, reason=refusal, actor=_ACTOR)]


def duplicate(ledger: Ledger, intent: OrderIntent, *, now: datetime) -> list[ControlChanged]:
    """Raise to CANCEL_ENTRIES where an entry repeats one of the last minute that lives or traded."""
    twins = [order.id for order in look_alikes(intent, ledger, now) if order.is_live or order.booked]
    if not twins:
        return []
    reason = f"entry {intent.client_order_id} repeats {twins[0]} within a minute"
    return raised(ledger, ControlLevel.CANCEL_ENTRIES, reason=reason, actor=_ACTOR)


def passing_trouble(
    ledger: Ledger,
    broker: BrokerAccount | None,
    *,
    now: datetime,
    skew: timedelta,
    day_loss: Bp,
    rules: ExecutionRules,
) -> list[ControlChanged]:
    """Raise for what may pass by itself, where somebody is there to lower the level again.

    `skew` is the broker's clock against ours; `broker` None: it could not be read, so nothing is known.
    """
    sends = len(ledger.sent_since(now - RATE_WINDOW))
    if sends > rules.orders_per_minute:
        reason = f"{sends} orders within a minute, expected <= {rules.orders_per_minute}"
        return raised(ledger, ControlLevel.CANCEL_ENTRIES, reason=reason, actor=_ACTOR)
    reasons = [f"no mark of {key}" for code, key in ledger.alerts if code is AlertCode.BLIND]
    if skew > SKEW_MOST:
        reasons.append(f"the broker's clock is {skew.total_seconds():.0f} s from ours")
    if broker is not None and broker.last_equity > 0:
        loss = broker.last_equity - broker.equity
        if loss * WHOLE_BP >= broker.last_equity * day_loss:
            reasons.append(f"lost {format_usd(loss)} of {format_usd(broker.last_equity)} today")
    return (
        raised(ledger, ControlLevel.REDUCE_ONLY, reason="; ".join(reasons), actor=_ACTOR) if reasons else []
    )
