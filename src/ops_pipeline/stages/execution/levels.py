"""When a kill level may rise, which is always, and when it may fall, which takes evidence. Pure."""

from datetime import datetime, timedelta

from ops_pipeline.domain.accounts import ControlLevel
from ops_pipeline.domain.controls import Brake
from ops_pipeline.domain.events import ControlChanged
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.rules import ExecutionRules


def raised(ledger: Ledger, level: ControlLevel, *, reason: str, actor: str) -> list[ControlChanged]:
    """Give the event that raises the level; none where it stands as high already."""
    if level <= ledger.control:
        return []
    return [ControlChanged(level=level, reason=reason, actor=actor)]


def lowering_objection(
    ledger: Ledger,
    level: ControlLevel,
    *,
    now: datetime,
    agreed_at: datetime | None,
    brake: Brake,
    rules: ExecutionRules,
) -> str:
    """Say what speaks against lowering the level now; "" where nothing does.

    `agreed_at` is when ledger and broker were last found to hold the same.
    """
    if brake.level > level:
        return f"expected nothing that holds it higher, found {brake.level.name}: {brake.reason}"
    if ledger.breaks:
        symbols = ", ".join(sorted(ledger.breaks))
        return f"expected no difference between ledger and broker, found one in {symbols}"
    since = ledger.raised_at
    if since is None:
        return ""
    free_at = since + timedelta(seconds=rules.cool_down_s)
    if now < free_at:
        return (
            f"expected {rules.cool_down_s} s since it was raised at {since:%H:%M:%S} UTC, "
            f"found {int((now - since).total_seconds())} s; try again from {free_at:%H:%M:%S} on"
        )
    if agreed_at is None or agreed_at < since:
        seen = f"the last at {agreed_at:%H:%M:%S} UTC" if agreed_at else "none"
        return f"expected a clean reconciliation since it was raised at {since:%H:%M:%S} UTC, found {seen}"
    return ""
