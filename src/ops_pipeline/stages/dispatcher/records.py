"""What a decision is written down as: its verdict row, and the position it plans. Pure."""

from datetime import datetime

from ops_pipeline.domain.accounts import Tier
from ops_pipeline.domain.errors import InvariantError
from ops_pipeline.domain.events import PositionOpened
from ops_pipeline.domain.market import Session
from ops_pipeline.domain.orders import Approved
from ops_pipeline.domain.records import VerdictRow
from ops_pipeline.domain.units import AccountId
from ops_pipeline.stages.dispatcher.context import MarketView
from ops_pipeline.stages.dispatcher.plan import Decision


def verdict_row(
    decision: Decision, *, account: AccountId, now: datetime, session: Session, rules_hash: str
) -> VerdictRow:
    """Give the row of one verdict, with every gate and number behind it."""
    signal, verdict, offer = decision.signal, decision.verdict, decision.candidate.offer
    approved = isinstance(verdict, Approved)
    intent = offer.intent if offer is not None else None
    return VerdictRow(
        signal_id=signal.id,
        account=account,
        session=session.date,
        ticker=signal.ticker,
        at=now,
        approved=approved,
        reason="approved" if isinstance(verdict, Approved) else verdict.reason,
        gates=verdict.gates,
        numbers=decision.candidate.numbers,
        occ=intent.occ if intent else None,
        qty=intent.qty if intent else 0,
        client_order_id=intent.client_order_id if intent and approved else None,
        rules_hash=rules_hash,
    )


def position_opened(
    decision: Decision, market: MarketView, session: Session, *, tier: Tier, rules_hash: str
) -> PositionOpened:
    """Give the event that plans the position of an approved decision."""
    offer = decision.candidate.offer
    if offer is None:
        raise InvariantError(f"signal {decision.signal.id}: approved without an offer")
    return PositionOpened(
        position_id=offer.intent.position_id,
        signal_id=decision.signal.id,
        tier=tier,
        contract=offer.contract,
        strategy=decision.signal.strategy,
        session=session.date,
        entry_dte=offer.contract.days_to_expiry(session.date),
        entry_underlying=offer.spot,
        entry_atr=market.features.atr if market.features else None,
        entry_iv_rank=market.iv_rank.rank,
        entry_delta=offer.delta,
        rolled_from=None,
        roll_count=0,
        exit_rules=rules_hash,
    )
