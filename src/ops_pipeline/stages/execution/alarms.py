"""What raises a kill level without anybody asking; nothing here ever lowers one. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from ops_pipeline.domain.accounts import ControlLevel
from ops_pipeline.domain.events import ControlChanged
from ops_pipeline.domain.ids import PREFIX, is_ours
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.orders import BrokerOrder

_ACTOR = "alarm"
# RELIABILITY 2.5 H4: an order of another installation of ours, as young as this.
FOREIGN_WITHIN = timedelta(hours=24)


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
    if not found or ledger.control >= ControlLevel.CANCEL_ENTRIES:
        return []
    reason = f"another instance trades this account: {found[0]}"
    return [ControlChanged(level=ControlLevel.CANCEL_ENTRIES, reason=reason, actor=_ACTOR)]
