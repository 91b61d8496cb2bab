"""The specification's verification checklist and success criteria, answered from a run's rows. Shell."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from ops_pipeline.adapters.store import inspection, reports
from ops_pipeline.adapters.store.store import SqlStore
from ops_pipeline.adapters.store.verify import verify
from ops_pipeline.app.story_life import result_row
from ops_pipeline.app.words import dollars
from ops_pipeline.domain.events import ExitDecided, PositionMarked
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.orders import Order, Purpose
from ops_pipeline.domain.positions import ExitReason, Position
from ops_pipeline.domain.records import JobRun
from ops_pipeline.engine.jobs import rows_for

PASS, FAIL, NOT_SEEN = "PASS", "FAIL", "NOT SEEN"
# What the specification calls an A+.
GRADE = 0.95

_JUDGED_ON_THE_OPTION = (
    ExitReason.STOP_LOSS,
    ExitReason.TRAILING_STOP,
    ExitReason.FIRST_TARGET,
    ExitReason.SECOND_TARGET,
    ExitReason.PROFIT_TARGET,
)


@dataclass(frozen=True, slots=True)
class Answer:
    """An item's result, the id that shows it ("" for none), and what that id shows."""

    result: str
    evidence: str = ""
    detail: str = ""


class _Facts:
    """What the items are answered from, read once."""

    def __init__(self, store: SqlStore) -> None:
        self.store = store
        self.accounts = store.accounts()
        self.ledgers: list[Ledger] = [store.ledger(account) for account in self.accounts]
        self.positions = [p for ledger in self.ledgers for p in ledger.positions.values() if p.bought]
        self.orders: list[Order] = [o for ledger in self.ledgers for o in ledger.orders.values()]
        self.jobs = store.last_job_runs()
        self.traded = {t.position_id: t for a in self.accounts for t in reports.trades(store, a)}

    def sales(self, *reasons: ExitReason) -> list[Order]:
        """Give the orders that sold something for one of the reasons."""
        names = {reason.value for reason in reasons}
        return [
            o for o in self.orders if o.booked and o.intent.reason in names and not o.intent.purpose.opens
        ]


def run_checklist(store: SqlStore) -> list[dict[str, Any]]:
    """Answer every item with PASS, FAIL or NOT SEEN, the id of its evidence and what that shows."""
    facts = _Facts(store)
    answers = [(part, item, answer(facts)) for part, item, answer in _ITEMS]
    answers.append(("success", "Grade: A+ (95 %+)", _grade([answer for _, _, answer in answers])))
    return [
        {
            "part": part,
            "item": item,
            "result": answer.result,
            "evidence": answer.evidence,
            "detail": answer.detail,
        }
        for part, item, answer in answers
    ]


def _first(ids: Iterable[str], detail: str, missing: str) -> Answer:
    first = next(iter(ids), None)
    return Answer(NOT_SEEN, "", missing) if first is None else Answer(PASS, str(first), detail)


def _schedulers(facts: _Facts) -> Answer:
    if not facts.accounts:
        return Answer(NOT_SEEN, "", "no account was opened")
    rows = [row for row in rows_for(facts.accounts) if row.key not in facts.jobs]
    missing = ["/".join(part for part in row.key if part) for row in rows]
    if missing:
        return Answer(FAIL, missing[0], f"never ran: {', '.join(missing)}")
    names = len({name for name, _ in facts.jobs})
    return Answer(PASS, next(iter(facts.jobs))[0], f"{names} jobs ran, as {len(facts.jobs)} rows")


def _errors(facts: _Facts) -> Answer:
    runs, failed = inspection.job_counts(facts.store)
    if not failed:
        return Answer(PASS, "", f"{runs:,} stored job runs, 0 failures") if runs else Answer(NOT_SEEN)
    return _failure(inspection.failed_job_runs(facts.store, limit=1)[0], failed)


def _failure(run: JobRun, failed: int) -> Answer:
    return Answer(FAIL, run.job, f"{failed} failed items, first at {run.at.isoformat()}: {run.detail}")


def _all_trade(facts: _Facts) -> Answer:
    first: dict[str, Position] = {}
    for position in facts.positions:
        first.setdefault(position.account, position)
    idle = [account for account in facts.accounts if account not in first]
    if idle or not first:
        return Answer(NOT_SEEN, "", f"bought nothing: {', '.join(idle) or 'no account'}")
    return Answer(PASS, ", ".join(p.id for p in first.values()), f"first positions of {len(first)} accounts")


def _managed(facts: _Facts) -> Answer:
    idle = [account for account in facts.accounts if ("position_manager", account) not in facts.jobs]
    if idle:
        return Answer(FAIL, idle[0], f"position_manager never ran for {', '.join(idle)}")
    seen = next((p for p in facts.positions if facts.store.marks(p.id)), None)
    if seen is None:
        return Answer(NOT_SEEN, "", "no position was marked")
    return Answer(PASS, seen.id, f"{len(facts.store.marks(seen.id))} marks of its market are stored")


def _trailing(facts: _Facts) -> Answer:
    """Find a position whose events show an armed stop and then an exit at it."""
    for order in facts.sales(ExitReason.TRAILING_STOP):
        events = inspection.events_of_position(facts.store, order.intent.position_id)
        armed = [v.body for v in events if isinstance(v.body, PositionMarked) and v.body.armed]
        decided = [v.body.decision for v in events if isinstance(v.body, ExitDecided)]
        exits = [d for d in decided if d.reason is ExitReason.TRAILING_STOP]
        if armed and exits:
            return Answer(PASS, order.intent.position_id, exits[-1].message)
    return Answer(NOT_SEEN, "", "no position left by its trailing stop")


def _iv_rank(facts: _Facts) -> Answer:
    verdict = inspection.verdict_saying(facts.store, gates='"name":"iv_rank","observed":"IV Rank: ')
    if verdict is None:
        return Answer(NOT_SEEN, "", "no verdict with an IV rank")
    return Answer(PASS, verdict.signal_id, _observed(verdict.gates, "iv_rank"))


def _iv_filters(facts: _Facts) -> Answer:
    refused = inspection.verdict_saying(facts.store, gates='"name":"iv_rank","observed":"IV Rank too high')
    if refused is None:
        return Answer(NOT_SEEN, "", "no signal was refused for its IV rank")
    return Answer(PASS, refused.signal_id, _observed(refused.gates, "iv_rank"))


def _observed(gates: Iterable[Any], name: str) -> str:
    return next((gate.observed for gate in gates if gate.name == name), "")


def _option_exits(facts: _Facts) -> Answer:
    ids = (order.intent.position_id for order in facts.sales(*_JUDGED_ON_THE_OPTION))
    return _first(ids, "left by the option's own price", "no exit by the option's price")


def _meta(facts: _Facts) -> Answer:
    """Find a META position that a rule closed and whose profit its fills explain."""
    ids = (p.id for p in facts.positions if p.contract.underlying == "META" and _complete(facts, p))
    return _first(ids, "closed by a rule, profit explained by its fills", "this run closed no META position")


def _kelly(facts: _Facts) -> Answer:
    verdict = inspection.verdict_saying(facts.store, numbers='["kelly",')
    if verdict is None:
        return Answer(NOT_SEEN, "", "no verdict was sized")
    value = dict(verdict.numbers)["kelly"]
    words = "too few trades yet, the tier's fraction stood alone" if value < 0 else f"fraction {value:g}"
    return Answer(PASS, verdict.signal_id, words)


def _kelly_benchmarked(facts: _Facts) -> Answer:
    verdict = inspection.verdict_saying(facts.store, numbers='["kelly",0')
    if verdict is None:
        return Answer(NOT_SEEN, "", "no account had enough closed trades")
    numbers = dict(verdict.numbers)
    return Answer(
        PASS,
        verdict.signal_id,
        f"Kelly {numbers['kelly']:g} beside the tier's {numbers.get('tier_fraction_bp', 0) / 10_000:g}",
    )


def _partials(facts: _Facts) -> Answer:
    sold = [o for o in facts.orders if o.intent.purpose is Purpose.TIER and o.booked]
    return _first((o.id for o in sold), f"{len(sold)} filled ladder orders", "no ladder order filled")


def _atr(facts: _Facts) -> Answer:
    verdict = inspection.verdict_saying(facts.store, numbers='["factor_atr",0.')
    if verdict is None:
        return Answer(NOT_SEEN, "", "no size was reduced for its ATR")
    return Answer(PASS, verdict.signal_id, f"budget x {dict(verdict.numbers)['factor_atr']:g}")


def _rolls(facts: _Facts) -> Answer:
    done = [r.id for ledger in facts.ledgers for r in ledger.rolls.values() if r.state == "done"]
    if done:
        return Answer(PASS, done[0], f"{len(done)} rolls done")
    considered = (p.id for p in facts.positions if p.rolled_on is not None)
    return _first(considered, "its roll was due, and refused", "no position came near its roll")


def _end_to_end(facts: _Facts) -> Answer:
    """Find one closed position whose headline, signal, verdict, orders, marks and trade row are all there."""
    for position in facts.positions:
        signal = facts.store.signal(position.signal_id)
        if signal is None or not _complete(facts, position):
            continue
        about = reports.classifications(facts.store, signal.ticker, until=signal.as_of, limit=1)
        judged = [v for v in inspection.verdicts_on(facts.store, signal.id) if v.account == position.account]
        marked = facts.store.marks(position.id)
        if about and judged and judged[0].approved and marked:
            return Answer(
                PASS, position.id, f"{about[0]['headline']} -> {signal.id} -> {position.close_reason}"
            )
    return Answer(NOT_SEEN, "", "no closed position with its whole chain")


def _real_trade(facts: _Facts) -> Answer:
    ids = (p.id for p in facts.positions if _complete(facts, p))
    return _first(ids, "cost, proceeds, fees and profit agree with its fills", "no trade closed")


def _complete(facts: _Facts, position: Position) -> bool:
    """Tell whether a position is closed and its trade row is what its fills amount to."""
    trade = facts.traded.get(position.id)
    if trade is None:
        return False
    result = result_row(position, inspection.events_of_position(facts.store, position.id))
    return bool(result["agrees"]) and result["pnl"] == dollars(trade.pnl)


def _chain(facts: _Facts) -> Answer:
    findings = verify(facts.store.database)
    if findings:
        return Answer(FAIL, findings[0].row, str(findings[0]))
    events = sum(ledger.seq for ledger in facts.ledgers)
    head = facts.ledgers[0].head[:12] if facts.ledgers else ""
    return Answer(PASS if events else NOT_SEEN, head, f"{events:,} events chained, every table fits them")


def _grade(answers: list[Answer]) -> Answer:
    """Grade the share of items that passed; what was not seen counts against it but does not fail."""
    passed = sum(answer.result == PASS for answer in answers)
    detail = f"{passed} of {len(answers)} items, {100 * passed / len(answers):.0f} %"
    if any(answer.result == FAIL for answer in answers):
        return Answer(FAIL, "", detail)
    return Answer(PASS if passed >= GRADE * len(answers) else NOT_SEEN, "", detail)


_ITEMS: tuple[tuple[str, str, Callable[[_Facts], Answer]], ...] = (
    ("system", "All 10 schedulers ENABLED", _schedulers),
    ("system", "No errors in any service", _errors),
    ("system", "Both accounts trading", _all_trade),
    ("system", "Position Manager monitoring", _managed),
    ("phase 3", "Trailing stops working", _trailing),
    ("phase 3", "IV Rank calculated", _iv_rank),
    ("phase 3", "Option-based exits", _option_exits),
    ("phase 3", "META position exited correctly", _meta),
    ("phase 4", "Kelly criterion referenced", _kelly),
    ("phase 4", "Partial exits triggered", _partials),
    ("phase 4", "ATR-adjusted sizing", _atr),
    ("phase 4", "Rolling logic ready", _rolls),
    ("end to end", "News -> Signal -> Execute -> Monitor -> Exit", _end_to_end),
    ("end to end", "Verified with real trade", _real_trade),
    ("end to end", "All data flows working", _chain),
    ("success", "IV Rank filtering active", _iv_filters),
    ("success", "Trailing stops working (peak tracked)", _trailing),
    ("success", "Option-based exits", _option_exits),
    ("success", "Partial exits triggered", _partials),
    ("success", "Kelly criterion benchmarked", _kelly_benchmarked),
    ("success", "End-to-end test passes", _end_to_end),
)
