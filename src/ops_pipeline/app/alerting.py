"""What a person must look at now: raised alerts, and what other facts of the ledger say as plainly. Shell."""

from collections.abc import Iterable
from datetime import date, datetime

from ops_pipeline.adapters.store.store import SqlStore
from ops_pipeline.app.words import Row, stamp
from ops_pipeline.domain.accounts import ControlLevel
from ops_pipeline.domain.alerts import Severity
from ops_pipeline.domain.breaks import BreakFound, Cause
from ops_pipeline.domain.instruments import contract_of
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.orders import OrderState
from ops_pipeline.domain.units import AccountId


def alert_rows(store: SqlStore, accounts: Iterable[AccountId]) -> list[Row]:
    """Give every alert that stands, pages first; `since` is None where another event says when."""
    sessions = [run.session for run in store.last_job_runs().values() if run.session is not None]
    newest = max(sessions, default=None)
    rows = [row for account in accounts for row in _of_account(store.ledger(account), newest)]
    return sorted(rows, key=lambda row: row["severity"] != Severity.PAGE.value)


def _of_account(ledger: Ledger, session: date | None) -> list[Row]:
    rows = [
        _row(ledger, alert.severity, alert.code.value, alert.key, alert.detail) | {"since": stamp(alert.at)}
        for alert in ledger.alerts.values()
    ]
    if ledger.control is not ControlLevel.NORMAL:
        level = f"{ledger.control.name}: {ledger.control_reason}{_progress(ledger)}"
        rows.append(_row(ledger, Severity.WARN, "control", ledger.account, level))
    rows += [
        _row(ledger, Severity.PAGE, "position_frozen", position.id, position.frozen)
        for position in ledger.open_positions
        if position.frozen
    ]
    rows += [
        _row(ledger, Severity.PAGE, "order_quarantined", order.id, order.detail)
        for order in ledger.live_orders
        if order.state is OrderState.QUARANTINED
    ]
    rows += [_break(ledger, found) for found in ledger.breaks.values() if found.confirmed]
    rows += [_external(ledger, symbol, held.qty) for symbol, held in ledger.external.items()]
    rows += [
        _row(ledger, Severity.WARN, "resolved", symbol, f"{qty:+d} booked by a person, no activity told it")
        for symbol, qty in ledger.resolved.items()
    ]
    rows += [
        _row(ledger, Severity.WARN, "symbol_blocked", symbol, f"{_until(block.until)}: {block.reason}")
        for symbol, block in ledger.blocked.items()
        if block.until is None or session is None or block.until.date() >= session
    ]
    if ledger.paused_session is not None and ledger.paused_session == session:
        paused = f"no entries in the session of {ledger.paused_session}: losses in a row"
        rows.append(_row(ledger, Severity.WARN, "entries_paused", ledger.account, paused))
    return rows


def _break(ledger: Ledger, found: BreakFound) -> Row:
    """Name a difference's cause; one that is not understood, or is a short, wants somebody at once."""
    grave = found.cause in (Cause.UNKNOWN, Cause.ASSIGNMENT) or found.broker_qty < 0
    severity = Severity.PAGE if grave else Severity.WARN
    detail = f"{found.standing}: ledger {found.ledger_qty}, broker {found.broker_qty}"
    return _row(ledger, severity, "break", found.symbol, detail) | {"since": stamp(found.seen_at)}


def _external(ledger: Ledger, symbol: str, qty: int) -> Row:
    """Name what is held and not managed: shares and shorts are a danger, contracts a reminder."""
    contract = contract_of(symbol)
    severity = Severity.PAGE if qty < 0 or contract is None else Severity.WARN
    unit = "shares" if contract is None else "contracts"
    return _row(ledger, severity, "external", symbol, f"{qty} {unit} held, not managed")


def _until(until: datetime | None) -> str:
    """Write until when a block stands."""
    return f"no entry until {until:%Y-%m-%d %H:%M} UTC" if until else "no entry until it is unblocked"


def _progress(ledger: Ledger) -> str:
    """Tell how far a flatten is: what it has sold, what it still holds, the orders that work on it."""
    if ledger.control is not ControlLevel.FLATTEN:
        return ""
    held = {position.id for position in ledger.open_positions if position.qty}
    orders = [o for o in ledger.orders.values() if o.intent.key.startswith(f"{ledger.kill_id}+")]
    begun = {order.intent.position_id for order in orders}
    working = sum(order.is_live for order in orders)
    flat = len(begun - held)
    return f"; {flat} of {len(begun | held)} positions sold, {working} orders working ({ledger.kill_id})"


def _row(ledger: Ledger, severity: Severity, code: str, key: str, detail: str) -> Row:
    return {
        "severity": severity.value,
        "account": ledger.account,
        "alert": code,
        "about": key,
        "detail": detail,
        "since": None,
    }
