"""Looks at accounts and jobs from outside: snapshots of value, silent jobs. Shell."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.market import OptionQuote, Session
from ops_pipeline.domain.positions import Position
from ops_pipeline.domain.records import AccountSnapshot, StepReport
from ops_pipeline.domain.units import AccountId, Occ, PositionId, Usd4
from ops_pipeline.ports import LedgerStore, MarketData
from ops_pipeline.stages.position_manager.alerts import job_alerts
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
    now: datetime,
    silences: Mapping[tuple[str, str], timedelta],
    *,
    store: LedgerStore,
    accounts: Iterable[str],
) -> StepReport:
    """Tell each account which jobs it depends on had been silent for too long, by (job, account or "")."""
    for account in accounts:
        own = {job: gap for (job, owner), gap in silences.items() if owner in ("", account)}
        changed = job_alerts(store.ledger(AccountId(account)), own)
        if changed:
            store.commit(AccountId(account), changed, at=now)
    names = ["/".join(part for part in key if part) for key in silences]
    return StepReport(stage="health", now=now, read=len(names), refused=len(names), detail=", ".join(names))


def balance_gap(shot: AccountSnapshot, ledger: Ledger) -> Usd4:
    """Give equity less (start + realised + unrealised): 0 unless the ledger does not add up."""
    return shot.equity - (ledger.start_cash + shot.realised + shot.unrealised)
