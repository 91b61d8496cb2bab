"""Looks at accounts and jobs from outside: snapshots of value, silent jobs. Shell."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from ops_pipeline.domain.accounts import BrokerAccount
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.market import OptionQuote, Session
from ops_pipeline.domain.positions import Position
from ops_pipeline.domain.records import AccountSnapshot, StepReport
from ops_pipeline.domain.units import AccountId, Occ, PositionId, Usd4
from ops_pipeline.engine.parts import Parts
from ops_pipeline.ports import Broker, BrokerUnavailable, LedgerStore, MarketData
from ops_pipeline.stages.dispatcher.context import Household
from ops_pipeline.stages.execution.alarms import passing_trouble
from ops_pipeline.stages.position_manager.alerts import run_alerts
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
    troubles: Mapping[AccountId, str],
) -> StepReport:
    """Tell each account what fails it: its stream, and jobs silent for too long, by (job, account or "").

    `troubles` names every account, with why the broker's updates cannot be relied on ("": they can).
    """
    for account, updates in troubles.items():
        own = {job: gap for (job, owner), gap in silences.items() if owner in ("", account)}
        changed = run_alerts(store.ledger(account), own, updates)
        if changed:
            store.commit(account, changed, at=now)
    names = ["/".join(part for part in key if part) for key in silences]
    return StepReport(stage="health", now=now, read=len(names), refused=len(names), detail=", ".join(names))


def household(store: LedgerStore, brokers: Mapping[AccountId, Broker]) -> Household | None:
    """Sum equity and premium at risk of all accounts; None where one of them cannot be read."""
    equity, premium = 0, 0
    for account, broker in brokers.items():
        try:
            equity += broker.account().equity
        except BrokerUnavailable:
            return None
        ledger = store.ledger(account)
        premium += sum(position.basis for position in ledger.open_positions)
        premium += sum(o.intent.budget for o in ledger.live_orders if o.intent.purpose.opens)
    return Household(equity=equity, premium=premium)


def sound_alarms(parts: Parts, brokers: Mapping[AccountId, Broker]) -> None:
    """Raise the level of accounts that lost too much, see nothing, send too fast or meet another clock."""
    clock = parts.attended
    if clock is None:
        return
    for account, broker in brokers.items():
        asked_at = clock.now()
        try:
            seen: BrokerAccount | None = broker.account()
        except BrokerUnavailable:
            seen = None
        now = clock.now()
        # An answer is as old as the question at most: between the two there is no skew.
        skew = max(asked_at - seen.as_of, seen.as_of - now) if seen else timedelta(0)
        ledger = parts.store.ledger(account)
        loss = parts.book.tier_rules(ledger.tier, account=account).day_loss
        rules = parts.book.execution_rules()
        bodies = passing_trouble(ledger, seen, now=now, skew=skew, day_loss=loss, rules=rules)
        parts.store.commit(account, bodies, at=now)


def balance_gap(shot: AccountSnapshot, ledger: Ledger) -> Usd4:
    """Give equity less (start + realised + unrealised): 0 unless the ledger does not add up."""
    return shot.equity - (ledger.start_cash + shot.realised + shot.unrealised)
