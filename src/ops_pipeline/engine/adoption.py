"""Lets an account begin with a position it is said to have held before. Shell."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from ops_pipeline.domain.accounts import Tier
from ops_pipeline.domain.events import ContractsAdopted, PositionOpened
from ops_pipeline.domain.instruments import OptionContract, Right
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.market import Chain, Interval, OptionQuote, Session
from ops_pipeline.domain.signals import Strategy
from ops_pipeline.domain.units import AccountId, Contracts, Occ, PositionId, SignalId, Usd4
from ops_pipeline.ports import Calendar, LedgerStore, MarketData
from ops_pipeline.stages.feature_computer.features import DAILY_BARS, calculate_atr
from ops_pipeline.stages.feature_computer.windows import rounded
from ops_pipeline.stages.telemetry.bars import in_todays_shares

ADOPTED = SignalId("adopted")
_FAR = timedelta(days=400)


class Receiver(Protocol):
    """A broker account that can be told it holds something."""

    def receive(self, occ: Occ, *, qty: int, price: Usd4, multiplier: int = 100) -> None:
        """Take the contracts over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """What is to be held: `qty` contracts near the money, at least `dte_min` days to expiry."""

    account: AccountId
    ticker: str
    right: Right
    qty: Contracts
    dte_min: int


def adopt(
    holding: Holding,
    *,
    now: datetime,
    market: MarketData,
    calendar: Calendar,
    store: LedgerStore,
    broker: Receiver,
) -> bool:
    """Begin the position at this instant's ask; False where nothing is offered yet.

    The nearest expiry that is far enough, there the strike nearest the spot with a two-sided quote.
    """
    session = calendar.session_at(now)
    if session is None:
        return False
    first = session.date + timedelta(days=holding.dte_min)
    chain = market.chain(holding.ticker, now=now, first=first, last=first + _FAR, right=holding.right)
    found = _nearest(chain) if chain is not None else None
    if chain is None or found is None:
        return False
    contract, quote = found
    price = quote.ask or 0
    position_id = PositionId(f"A-{holding.account}-{contract.occ}")
    atr = _atr_before(holding.ticker, session, now, market)
    tier = store.ledger(holding.account).tier
    opened = _opened(position_id, contract, tier, session, spot=chain.spot, atr=atr, delta=quote.delta)
    adopted = ContractsAdopted(
        position_id=position_id, activity_id=f"ADOPT-{position_id}", qty=holding.qty, price=price
    )
    broker.receive(contract.occ, qty=holding.qty, price=price, multiplier=contract.multiplier)
    store.commit(holding.account, [opened, adopted], at=now)
    return True


def _nearest(chain: Chain) -> tuple[OptionContract, OptionQuote] | None:
    offered = [
        (contract.expiration, abs(contract.strike - chain.spot), occ)
        for occ, contract in chain.contracts.items()
        if occ in chain.quotes and chain.quotes[occ].bid and chain.quotes[occ].ask
    ]
    if not offered:
        return None
    occ = min(offered)[2]
    return chain.contracts[occ], chain.quotes[occ]


def _atr_before(ticker: str, session: Session, now: datetime, market: MarketData) -> float | None:
    """Give the daily ATR (Usd4) of the sessions before this one, as an entry would see it; None: unknown."""
    known = market.bars(ticker, interval=Interval.DAY, after=now - _FAR, now=now)
    past = [bar for bar in known if bar.session < session.date][-DAILY_BARS:]
    if not past:
        return None
    splits = market.splits(ticker, first=past[0].session, last=session.date)
    return rounded(calculate_atr(in_todays_shares(past, splits)))


def taken_over(
    contract: OptionContract, ledger: Ledger, *, now: datetime, market: MarketData, calendar: Calendar
) -> PositionOpened | None:
    """Plan the position that contracts held beside ours become; None where the underlying has no price."""
    session = calendar.session_at(now) or calendar.following(now.date())
    spot = market.spot(contract.underlying, now=now)
    if spot is None:
        return None
    quote = market.quotes([contract.occ], now=now).get(contract.occ)
    name = f"A-{ledger.account}-{contract.occ}"
    position_id = PositionId(name if name not in ledger.positions else f"{name}-{ledger.seq}")
    atr = _atr_before(contract.underlying, session, now, market)
    delta = quote.delta if quote else None
    return _opened(position_id, contract, ledger.tier, session, spot=spot.price, atr=atr, delta=delta)


def _opened(
    position_id: PositionId,
    contract: OptionContract,
    tier: Tier,
    session: Session,
    *,
    spot: Usd4,
    atr: float | None,
    delta: float | None,
) -> PositionOpened:
    return PositionOpened(
        position_id=position_id,
        signal_id=ADOPTED,
        tier=tier,
        contract=contract,
        strategy=Strategy.SWING,
        session=session.date,
        entry_dte=contract.days_to_expiry(session.date),
        entry_underlying=spot,
        entry_atr=atr,
        entry_iv_rank=None,
        entry_delta=delta,
        rolled_from=None,
        roll_count=0,
        exit_rules="adopted",
    )
