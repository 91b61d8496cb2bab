"""What a person must know of while it lasts. Pure."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Severity(StrEnum):
    """`page`: money is at stake until somebody looks; `warn`: something runs worse than it should."""

    PAGE = "page"
    WARN = "warn"


class AlertCode(StrEnum):
    """The conditions that are raised once and cleared once, each about one position, order or job."""

    BLIND = "position_without_mark"
    EXIT_REJECTED = "exit_rejected"
    EXIT_NOT_ACCEPTED = "exit_not_accepted"
    EXPIRY_HELD = "expiry_held"
    ORDER_UNKNOWN = "order_unknown"
    JOB_SILENT = "job_silent"
    UPDATES_FAILING = "updates_failing"
    TRADING_SUSPENDED = "trading_suspended"
    ACCESS_REFUSED = "access_refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """A condition that stands; `key` names the position, order or job it is about."""

    code: AlertCode
    key: str
    severity: Severity
    detail: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRaised:
    """A condition a person must know of began; `key` names the position, order or job it is about."""

    code: AlertCode
    key: str
    severity: Severity
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertCleared:
    """A raised condition ended."""

    code: AlertCode
    key: str
