"""Rows of a run for tables and JSON: amounts in dollars, instants in UTC. Shell."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime

from ops_pipeline.adapters.calendar.exchange import exchange_calendar
from ops_pipeline.adapters.store import inspection, reports
from ops_pipeline.adapters.store.store import SqlStore
from ops_pipeline.app.words import Row, dollars, stamp
from ops_pipeline.domain.breaks import BreakFound, BreakSettled, ExternalMoved, OperatorActed
from ops_pipeline.domain.errors import MissingDataError
from ops_pipeline.domain.events import EventBody, FillBooked
from ops_pipeline.domain.instruments import contract_of
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.position_flags import Flag, flags_of
from ops_pipeline.domain.positions import Position
from ops_pipeline.domain.records import AccountSnapshot, JobRun, VerdictRow
from ops_pipeline.domain.units import AccountId
from ops_pipeline.engine.jobs import is_silent, rows_for


def accounts_of(store: SqlStore, account: str | None) -> tuple[AccountId, ...]:
    """Give the account asked for, or all of the run; MissingDataError for one it does not have."""
    known = store.accounts()
    if account is None:
        return known
    if account not in known:
        raise MissingDataError(f"account: expected one of {', '.join(known)}, was {account!r}")
    return (AccountId(account),)


def status_rows(store: SqlStore, accounts: Iterable[AccountId]) -> list[Row]:
    """Give one row an account: value, profit, level, differences."""
    rows = []
    for account in accounts:
        ledger = store.ledger(account)
        shots = reports.snapshots(store, account)
        last = shots[-1] if shots else None
        rows.append(
            {
                "account": account,
                "tier": ledger.tier.label,
                "mode": ledger.mode.value,
                "equity": dollars(last.equity) if last else None,
                "cash": dollars(ledger.cash),
                "realised": dollars(ledger.realised),
                "unrealised": dollars(last.unrealised) if last else None,
                "fees": dollars(ledger.fees),
                "open": sum(position.qty > 0 for position in ledger.open_positions),
                "working": len(ledger.live_orders),
                "control": ledger.control.name,
                "control_reason": ledger.control_reason or None,
                "breaks": len(ledger.breaks),
                "causes": ", ".join(f"{symbol}: {row.standing}" for symbol, row in ledger.breaks.items())
                or None,
                "external": len(ledger.external),
                "as_of": stamp(last.at) if last else None,
            }
        )
    return rows


def job_state(store: SqlStore) -> Row:
    """Tell which jobs have been silent too long at the newest instant of the run, and what ever failed.

    `notes` are what the newest runs say of themselves: missing bars, failed items, feeds.
    """
    runs = store.last_job_runs()
    at = max((run.at for run in runs.values()), default=None)
    session = exchange_calendar().session_at(at) if at else None
    silent = [
        "/".join(part for part in row.key if part)
        for row in rows_for(store.accounts())
        if at and session and is_silent(row.job, session=session, last=_last(runs.get(row.key)), now=at)
    ]
    _, failed = inspection.job_counts(store)
    notes = [
        f"{'/'.join(part for part in key if part)}: {run.detail}" for key, run in runs.items() if run.detail
    ]
    return {"rows": len(runs), "silent": silent, "failed_items": failed, "notes": notes, "as_of": stamp(at)}


def _last(run: JobRun | None) -> datetime | None:
    return run.at if run else None


def position_rows(ledger: Ledger, *, open_only: bool, today: date | None = None) -> list[Row]:
    """Give positions that ever held something, oldest first, then what is held beside them."""
    chosen = [p for p in ledger.positions.values() if p.bought and (p.is_open or not open_only)]
    flags = {p.id: ", ".join(flags_of(p, ledger, today=today)) or None for p in chosen}
    managed = [_position(position) | {"flags": flags[position.id]} for position in chosen]
    return managed + [_external(ledger, symbol) for symbol in sorted(ledger.external)]


def _external(ledger: Ledger, symbol: str) -> Row:
    """Give what no position of ours accounts for as a row; `qty` below 0: a short."""
    held = ledger.external[symbol]
    contract = contract_of(symbol)
    return {
        "position": None,
        "account": ledger.account,
        "occ": symbol,
        "strategy": None,
        "status": "EXTERNAL",
        "qty": held.qty,
        "of": None,
        "entry": round(held.cost / held.qty / (contract.multiplier if contract else 1) / 10_000, 4),
        "peak": None,
        "stop": None,
        "realised": None,
        "exit": None,
        "opened": None,
        "closed": None,
        "flags": Flag.EXTERNAL.value,
    }


def _position(position: Position) -> Row:
    average = position.cost / (position.bought * position.contract.multiplier) / 10_000
    return {
        "position": position.id,
        "account": position.account,
        "occ": position.contract.occ,
        "strategy": position.strategy.value,
        "status": position.status.value,
        "qty": position.qty,
        "of": position.original_qty,
        "entry": round(average, 4),
        "peak": dollars(position.peak),
        "stop": dollars(position.trailing_stop) if position.trailing_stop else None,
        "realised": dollars(position.realised),
        "exit": position.exit.reason.value if position.exit else position.close_reason or None,
        "opened": stamp(position.opened_at),
        "closed": stamp(position.closed_at),
    }


def order_rows(ledger: Ledger) -> list[Row]:
    """Give orders, oldest first."""
    return [
        {
            "order": order.id,
            "account": ledger.account,
            "at": stamp(order.created_at),
            "purpose": order.intent.purpose.name.lower(),
            "occ": order.intent.occ,
            "side": order.intent.side.value,
            "qty": order.intent.qty,
            "filled": order.booked,
            "limit": dollars(order.intent.limit),
            "state": order.state.value,
            "attempts": order.attempt,
            "position": order.intent.position_id,
            "reason": order.intent.reason,
        }
        for order in ledger.orders.values()
    ]


def fill_rows(store: SqlStore, account: AccountId) -> list[Row]:
    """Give fills in the order they were booked."""
    rows: list[Row] = []
    for event in inspection.events_of_kind(store, account, "FillBooked"):
        if not isinstance(event.body, FillBooked):
            continue
        fill = event.body.fill
        rows.append(
            {
                "at": stamp(fill.at),
                "account": account,
                "occ": fill.occ,
                "side": "buy" if fill.qty > 0 else "sell",
                "qty": abs(fill.qty),
                "price": dollars(fill.price),
                "fees": dollars(fill.fees),
                "order": fill.client_order_id,
                "position": event.body.position_id,
            }
        )
    return rows


def trade_rows(store: SqlStore, account: AccountId) -> list[Row]:
    """Give closed trades net of fees, oldest first."""
    return [
        {
            "position": trade.position_id,
            "account": account,
            "occ": trade.contract.occ,
            "strategy": trade.strategy.value,
            "qty": trade.qty,
            "cost": dollars(trade.cost),
            "proceeds": dollars(trade.proceeds),
            "fees": dollars(trade.fees),
            "pnl": dollars(trade.pnl),
            "pnl_pct": trade.pnl_bp / 100,
            "reason": trade.reason,
            "closed": stamp(trade.closed_at),
        }
        for trade in reports.trades(store, account)
    ]


def signal_rows(store: SqlStore, limit: int) -> list[Row]:
    """Give the newest signals, newest first."""
    return [
        {
            "signal": signal.id,
            "at": stamp(signal.as_of),
            "ticker": signal.ticker,
            "right": signal.right.name.lower(),
            "strategy": signal.strategy.value,
            "confidence": round(signal.confidence, 4),
            "expires": stamp(signal.expires_at),
        }
        for signal in reports.signals(store, limit=limit)
    ]


def verdict_rows(store: SqlStore, accounts: Sequence[AccountId], limit: int) -> list[Row]:
    """Give the newest verdicts, newest first, with the first gate that failed."""
    return [_verdict(verdict) for verdict in inspection.newest_verdicts(store, accounts, limit=limit)]


def _verdict(verdict: VerdictRow) -> Row:
    failed = next((gate for gate in verdict.gates if not gate.passed), None)
    return {
        "signal": verdict.signal_id,
        "account": verdict.account,
        "at": stamp(verdict.at),
        "ticker": verdict.ticker,
        "verdict": "approved" if verdict.approved else "refused",
        "reason": verdict.reason if failed else None,
        "observed": failed.observed if failed else None,
        "limit": failed.limit if failed else None,
        "occ": verdict.occ,
        "qty": verdict.qty or None,
        "attempts": verdict.attempts,
    }


def event_rows(store: SqlStore, account: AccountId, key: str | None, limit: int) -> list[Row]:
    """Give the newest events in order, or all events of one order, position or symbol."""
    events = store.events(account, key=key) if key else inspection.newest_events(store, account, limit=limit)
    return [
        {
            "account": account,
            "seq": event.seq,
            "at": stamp(event.at),
            "kind": event.kind,
            "key": event.key,
            "detail": detail_of(event.body),
            "hash": event.hash[:12],
        }
        for event in events
    ]


def detail_of(body: EventBody) -> str | None:
    """Say in a line what an event is about: its cause where it has one, else its reason or detail."""
    match body:
        case BreakFound():
            seen = "" if body.confirmed else ", seen once"
            return f"{body.standing}: ledger {body.ledger_qty}, broker {body.broker_qty}{seen}"
        case BreakSettled(cause=cause, evidence=evidence):
            was = f", was {body.inferred}" if body.inferred not in ("", cause) else ""
            return f"{cause}{was}{f' ({evidence})' if evidence else ''}"
        case ExternalMoved(cause=cause, qty=qty):
            return f"{cause}: {qty:+d}{f', {body.detail}' if body.detail else ''}"
        case OperatorActed():
            return f"OPERATOR {body.actor}: {body.command} {body.cause} {body.reason}".strip()
        case _:
            return getattr(body, "reason", None) or getattr(body, "detail", None) or None


def news_rows(store: SqlStore, limit: int) -> list[Row]:
    """Give the newest items, newest first."""
    return [
        {
            "news": item.news_id[:12],
            "published": stamp(item.published_at),
            "source": item.source,
            "headline": item.headline,
            "repeats": item.linked_to[:12] if item.linked_to else None,
        }
        for item in reports.news(store, limit=limit)
    ]


def profit_rows(store: SqlStore, accounts: Iterable[AccountId], by: str) -> list[Row]:
    """Give what each period made, per account; `by` day, week or month.

    `profit` = `realised` (net of `fees`) + the change of `unrealised`; `equity` stands at the period's end.
    """
    rows: list[Row] = []
    for account in accounts:
        last: dict[str, AccountSnapshot] = {}
        for shot in reports.snapshots(store, account):
            last[_period(shot, by)] = shot
        equity, realised, unrealised, fees = store.ledger(account).start_cash, 0, 0, 0
        for period, shot in last.items():
            rows.append(
                {
                    "account": account,
                    "period": period,
                    "equity": dollars(shot.equity),
                    "profit": dollars(shot.equity - equity),
                    "realised": dollars(shot.realised - realised),
                    "unrealised": dollars(shot.unrealised - unrealised),
                    "fees": dollars(shot.fees - fees),
                }
            )
            equity, realised, unrealised, fees = shot.equity, shot.realised, shot.unrealised, shot.fees
    return rows


def _period(shot: AccountSnapshot, by: str) -> str:
    if by == "week":
        year, week, _ = shot.session.isocalendar()
        return f"{year}-W{week:02d}"
    return f"{shot.session:%Y-%m}" if by == "month" else shot.session.isoformat()


def newest_day(store: SqlStore) -> date | None:
    """Give the day of the newest instant at which a job ran; None: none ever did."""
    return max((run.at.date() for run in store.last_job_runs().values()), default=None)
