"""A run in numbers: the JSON that `ops demo --json` prints. Shell."""

from typing import Any

from ops_pipeline.adapters.store import inspection, reports
from ops_pipeline.app.alerting import alert_rows
from ops_pipeline.app.compose import Assembly
from ops_pipeline.app.interlocks import Venue
from ops_pipeline.domain.alerts import AlertRaised
from ops_pipeline.domain.breaks import BreakFound
from ops_pipeline.domain.errors import InvariantError
from ops_pipeline.domain.orders import Purpose
from ops_pipeline.domain.records import AccountSnapshot
from ops_pipeline.domain.units import AccountId, Usd4
from ops_pipeline.engine.observe import balance_gap
from ops_pipeline.ports import BrokerUnavailable


def summarise(assembly: Assembly, *, sessions: int, elapsed_s: float) -> dict[str, Any]:
    """Count what happened and value every account; a ledger that does not add up raises InvariantError."""
    store = assembly.store
    funnel = reports.funnel(store)
    accounts = {account: _account(assembly, account) for account in assembly.wiring.accounts}
    breaks = [
        event
        for account in assembly.wiring.accounts
        for event in store.events(account)
        if isinstance(event.body, BreakFound) and event.body.confirmed and not event.body.evidence
    ]
    summary: dict[str, Any] = {
        "sessions": sessions,
        "seed": assembly.settings.world.seed,
        "news": funnel.news,
        "classified": funnel.classified,
        "signals": funnel.signals,
        "holds": funnel.holds,
        "verdicts": {
            "approved": funnel.approved,
            "refused": funnel.refused,
            "by_gate": funnel.refused_by,
        },
        "orders": funnel.orders,
        "fills": funnel.fills,
        "positions": {
            "opened": sum(row["opened"] for row in accounts.values()),
            "closed": sum(row["closed"] for row in accounts.values()),
            "open": sum(row["open"] for row in accounts.values()),
        },
        "exits": exits_by_reason(assembly),
        "partials": funnel.partials,
        "rolls": funnel.rolls_by_state.get("done", 0),
        "accounts": accounts,
        "alerts": _alerts(assembly),
        "reconciliation": {"checks": assembly.wiring.memory.checks, "breaks": len(breaks)},
        "events": sum(store.ledger(account).seq for account in assembly.wiring.accounts),
        "commits": store.commits,
        "ledger_hash": reports.ledger_hash(store),
        "elapsed_s": round(elapsed_s, 1),
    }
    coverage = getattr(assembly.market, "coverage", None)
    if coverage is not None:
        summary["data"] = coverage.as_json()
    return summary


def exits_by_reason(assembly: Assembly) -> dict[str, int]:
    """Count positions per reason that sold (or lost) contracts, partly or wholly; most frequent first."""
    found: dict[str, int] = {}
    for account in assembly.wiring.accounts:
        ledger = assembly.store.ledger(account)
        sold = {
            (order.intent.position_id, order.intent.reason): None
            for order in ledger.orders.values()
            if order.booked and order.intent.purpose not in (Purpose.ENTRY, Purpose.ROLL_OPEN)
        }
        removed = {(p.id, p.removed_by): None for p in ledger.positions.values() if p.removed_by}
        for _, reason in (*sold, *removed):
            found[reason] = found.get(reason, 0) + 1
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def _alerts(assembly: Assembly) -> dict[str, Any]:
    """Count the alerts raised, by code, and those that still stand."""
    raised: dict[str, int] = {}
    for account in assembly.wiring.accounts:
        for event in inspection.events_of_kind(assembly.store, account, "AlertRaised"):
            if isinstance(event.body, AlertRaised):
                raised[event.body.code.value] = raised.get(event.body.code.value, 0) + 1
    standing = alert_rows(assembly.store, assembly.wiring.accounts)
    return {"raised": dict(sorted(raised.items())), "standing": len(standing)}


def _account(assembly: Assembly, account: AccountId) -> dict[str, Any]:
    ledger = assembly.store.ledger(account)
    shot = _last_snapshot(assembly, account)
    if balance_gap(shot, ledger):
        raise InvariantError(
            f"account {account}: equity is {shot.equity}, expected start + realised + unrealised, "
            f"off by {balance_gap(shot, ledger)} ten-thousandths of a dollar"
        )
    cash = _broker_cash(assembly, account)
    if assembly.venue is Venue.SIMULATOR and cash != ledger.cash:
        raise InvariantError(f"account {account}: ledger cash {ledger.cash}, broker cash {cash}")
    bought = [position for position in ledger.positions.values() if position.bought]
    return {
        "start_equity": _dollars(ledger.start_cash),
        "end_equity": _dollars(shot.equity),
        "equity_at_bid": _dollars(shot.cash + shot.positions_at_bid),
        "realised": _dollars(shot.realised),
        "unrealised": _dollars(shot.unrealised),
        "fees": _dollars(shot.fees),
        "tier": ledger.tier.label,
        **_cash_beside(assembly, ledger.cash, cash),
        "opened": len(bought),
        "closed": sum(not position.is_open for position in bought),
        "open": sum(position.is_open for position in bought),
    }


def _broker_cash(assembly: Assembly, account: AccountId) -> Usd4 | None:
    """Ask the broker for the account's cash; None where it gives no answer."""
    try:
        return assembly.brokers[account].account().cash
    except BrokerUnavailable:
        return None


def _cash_beside(assembly: Assembly, ours: Usd4, theirs: Usd4 | None) -> dict[str, Any]:
    """Give a broker's cash beside the ledger's: charges and interest are booked there a day later."""
    if assembly.venue is Venue.SIMULATOR:
        return {}
    if theirs is None:
        return {"broker_cash": None, "cash_off": None}
    return {"broker_cash": _dollars(theirs), "cash_off": _dollars(theirs - ours)}


def _last_snapshot(assembly: Assembly, account: AccountId) -> AccountSnapshot:
    shots = reports.snapshots(assembly.store, account)
    if not shots:
        raise InvariantError(f"account {account}: expected a snapshot at the end of the run, was none")
    return shots[-1]


def _dollars(amount: Usd4) -> float:
    return amount / 10_000
