"""The specification's verification checklist and success criteria, answered from a run's rows. Shell."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ops_pipeline.adapters.store import reports
from ops_pipeline.adapters.store.store import SqlStore
from ops_pipeline.adapters.store.verify import verify
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.orders import Purpose
from ops_pipeline.domain.positions import ExitReason, Position
from ops_pipeline.domain.records import VerdictRow
from ops_pipeline.engine.jobs import rows_for

PASS, FAIL, NOT_SEEN = "PASS", "FAIL", "NOT SEEN"

Answer = tuple[str, str]


class _Facts:
    """What the items are answered from, read once."""

    def __init__(self, store: SqlStore) -> None:
        self.store = store
        self.accounts = store.accounts()
        self.ledgers: list[Ledger] = [store.ledger(account) for account in self.accounts]
        self.positions = [p for ledger in self.ledgers for p in ledger.positions.values() if p.bought]
        self.verdicts: Sequence[VerdictRow] = reports.verdicts(store)
        self.jobs = store.last_job_runs()
        self.signals = {signal.id for signal in reports.signals(store)}


def run_checklist(store: SqlStore) -> list[dict[str, Any]]:
    """Answer every item with PASS, FAIL or NOT SEEN and the id of what shows it."""
    facts = _Facts(store)
    rows = []
    for part, item, answer in _ITEMS:
        result, evidence = answer(facts)
        rows.append({"part": part, "item": item, "result": result, "evidence": evidence})
    return rows


def _seen(ids: Iterable[str]) -> Answer:
    first = next(iter(ids), None)
    return (PASS, str(first)) if first is not None else (NOT_SEEN, "")


def _schedulers(facts: _Facts) -> Answer:
    missing = ["/".join(row.key) for row in rows_for(facts.accounts) if row.key not in facts.jobs]
    names = len({name for name, _ in facts.jobs})
    return (FAIL, ", ".join(missing)) if missing else (PASS, f"{names} jobs, {len(facts.jobs)} rows ran")


def _errors(facts: _Facts) -> Answer:
    failed = [f"{run.job} {run.detail}" for run in facts.jobs.values() if run.failed]
    return (FAIL, failed[0]) if failed else (PASS, f"{len(facts.jobs)} job rows without a failure")


def _all_trade(facts: _Facts) -> Answer:
    traded = {
        ledger.account: [p.id for p in ledger.positions.values() if p.bought] for ledger in facts.ledgers
    }
    idle = [account for account, ids in traded.items() if not ids]
    if idle:
        return NOT_SEEN, f"no position of {', '.join(idle)}"
    return PASS, ", ".join(ids[0] for ids in traded.values())


def _managed(facts: _Facts) -> Answer:
    rows = [key for key in facts.jobs if key[0] == "position_manager"]
    return (PASS, f"{len(rows)} rows") if len(rows) == len(facts.accounts) else (FAIL, f"{len(rows)} rows")


def _closed_by(facts: _Facts, *reasons: ExitReason) -> Answer:
    names = {reason.value for reason in reasons}
    return _seen(
        order.intent.position_id
        for ledger in facts.ledgers
        for order in ledger.orders.values()
        if order.booked and order.intent.reason in names
    )


def _trailing(facts: _Facts) -> Answer:
    exited = _closed_by(facts, ExitReason.TRAILING_STOP)
    return exited if exited[0] == PASS else _seen(p.id for p in facts.positions if p.armed)


def _iv_rank(facts: _Facts) -> Answer:
    return _seen(v.signal_id for v in facts.verdicts if any(gate.name == "iv_rank" for gate in v.gates))


def _option_exits(facts: _Facts) -> Answer:
    return _closed_by(facts, ExitReason.PROFIT_TARGET, ExitReason.STOP_LOSS, ExitReason.FIRST_TARGET)


def _kelly(facts: _Facts) -> Answer:
    return _seen(v.signal_id for v in facts.verdicts if any(name == "kelly" for name, _ in v.numbers))


def _partials(facts: _Facts) -> Answer:
    return _seen(
        order.id
        for ledger in facts.ledgers
        for order in ledger.orders.values()
        if order.intent.purpose is Purpose.TIER and order.booked
    )


def _atr(facts: _Facts) -> Answer:
    return _seen(
        v.signal_id
        for v in facts.verdicts
        if any(name == "factor_atr" and value < 1.0 for name, value in v.numbers)
    )


def _rolls(facts: _Facts) -> Answer:
    done = [roll.id for ledger in facts.ledgers for roll in ledger.rolls.values() if roll.state == "done"]
    considered = [p.id for p in facts.positions if p.rolled_on is not None]
    return _seen(done or considered)


def _end_to_end(facts: _Facts) -> Answer:
    """Find a closed position whose signal is stored and whose trade row exists."""
    traded = {trade.position_id for a in facts.accounts for trade in reports.trades(facts.store, a)}
    whole = [p for p in facts.positions if not p.is_open and p.id in traded and p.signal_id in facts.signals]
    return _seen(position.id for position in whole if _complete(position))


def _complete(position: Position) -> bool:
    return position.sold == position.bought and position.closed_at is not None


def _chain(facts: _Facts) -> Answer:
    findings = verify(facts.store.database)
    events = sum(ledger.seq for ledger in facts.ledgers)
    return (FAIL, str(findings[0])) if findings else (PASS, f"{events} events, folds equal projections")


_ITEMS: tuple[tuple[str, str, Callable[[_Facts], Answer]], ...] = (
    ("system", "All 10 schedulers enabled", _schedulers),
    ("system", "No errors in any service", _errors),
    ("system", "Both accounts trading", _all_trade),
    ("system", "Position Manager monitoring", _managed),
    ("phase 3", "Trailing stops working", _trailing),
    ("phase 3", "IV Rank calculated", _iv_rank),
    ("phase 3", "Option-based exits", _option_exits),
    ("phase 4", "Kelly criterion referenced", _kelly),
    ("phase 4", "Partial exits triggered", _partials),
    ("phase 4", "ATR-adjusted sizing", _atr),
    ("phase 4", "Rolling logic ready", _rolls),
    ("end to end", "News -> Signal -> Execute -> Monitor -> Exit", _end_to_end),
    ("end to end", "All data flows working: ledger verified", _chain),
)
