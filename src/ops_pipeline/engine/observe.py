"""Looks at accounts and jobs from outside: snapshots of value, silent jobs. Shell."""

from collections.abc import Mapping
from datetime import datetime

from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.market import OptionQuote, Session
from ops_pipeline.domain.positions import Position
from ops_pipeline.domain.records import AccountSnapshot, StepReport
from ops_pipeline.domain.units import Occ, PositionId, Usd4
from ops_pipeline.engine.jobs import Row, is_silent
from ops_pipeline.ports import MarketData, Store
from ops_pipeline.stages.position_manager.marks import MarkMemory


def snapshot(
    ledger: Ledger,
    *,
    now: datetime,
    session: Session,
    market: MarketData,
    memory: Mapping[PositionId, MarkMemory],
) -> AccountSnapshot:
    """Value an account at `now`: at the last counted mark, and at the bid."""
    held = [position for position in ledger.open_positions if position.qty]
    quotes = market.quotes([position.contract.occ for position in held], now=now) if held else {}
    value = sum(_shares(position) * _mark(position, memory) for position in held)
    at_bid = sum(_shares(position) * _bid(position, quotes) for position in held)
    basis = sum(position.basis for position in held)
    return AccountSnapshot(
        account=ledger.account,
        at=now,
        session=session.date,
        tier=ledger.tier,
        control=ledger.control,
        cash=ledger.cash,
        positions_value=value,
        positions_at_bid=at_bid,
        equity=ledger.cash + value,
        realised=ledger.realised,
        unrealised=value - basis,
        fees=ledger.fees,
        open_positions=len(held),
    )


def _shares(position: Position) -> int:
    return position.qty * position.contract.multiplier


def _mark(position: Position, memory: Mapping[PositionId, MarkMemory]) -> Usd4:
    seen = memory.get(position.id)
    if seen is not None and seen.mark is not None:
        return seen.mark
    if position.mark is not None:
        return position.mark
    return position.basis // _shares(position)


def _bid(position: Position, quotes: Mapping[Occ, OptionQuote]) -> Usd4:
    quote = quotes.get(position.contract.occ)
    return quote.bid or 0 if quote else 0


def health(
    now: datetime, *, session: Session | None, rows: tuple[Row, ...], store: Store, started_at: datetime
) -> StepReport:
    """Report the jobs that have been silent too long; one is an error state."""
    if session is None:
        return StepReport(stage="health", now=now)
    runs = store.last_job_runs()
    silent = []
    for row in rows:
        run = runs.get(row.key)
        last = max(run.at, started_at) if run else started_at
        if is_silent(row.job, session=session, last=last, now=now):
            silent.append("/".join(part for part in row.key if part))
    return StepReport(stage="health", now=now, read=len(rows), refused=len(silent), detail=", ".join(silent))


def balance_gap(shot: AccountSnapshot, ledger: Ledger) -> Usd4:
    """Give equity less (start + realised + unrealised): 0 unless the ledger does not add up."""
    return shot.equity - (ledger.start_cash + shot.realised + shot.unrealised)
