"""Event bodies of ordinary lives, for the tests of the ledger and its store. Pure."""

from datetime import UTC, date, datetime, timedelta

from ops_pipeline.domain import events as e
from ops_pipeline.domain.accounts import Mode, Tier
from ops_pipeline.domain.instruments import parse_occ
from ops_pipeline.domain.orders import BrokerStatus, Fill, Leg, OrderIntent, Purpose, Side
from ops_pipeline.domain.positions import ExitDecision, ExitReason
from ops_pipeline.domain.signals import Strategy
from ops_pipeline.domain.units import AccountId, ClientOrderId, Occ, PositionId, SignalId, to_usd4

TINY = AccountId("tiny")
START = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
SESSION = date(2026, 3, 2)
META_CALL = Occ("META260320C00700000")


def minute(number: int) -> datetime:
    return START + timedelta(minutes=number)


def account_opened(cash: str = "1000") -> e.AccountOpened:
    return e.AccountOpened(
        number="PA1", broker="simulator", mode=Mode.TRADE, cash=to_usd4(cash), tier=Tier.TINY
    )


def planned(position: str = "P1", occ: str = META_CALL) -> e.PositionOpened:
    return e.PositionOpened(
        position_id=PositionId(position),
        signal_id=SignalId("S1"),
        tier=Tier.TINY,
        contract=parse_occ(occ),
        strategy=Strategy.DAY,
        session=SESSION,
        entry_dte=18,
        entry_underlying=to_usd4("700"),
        entry_atr=4.5,
        entry_iv_rank=0.31,
        entry_delta=0.5,
        rolled_from=None,
        roll_count=0,
        exit_rules="rules",
    )


def intended(
    cid: str,
    *,
    position: str = "P1",
    qty: int = 4,
    limit: str = "1.00",
    purpose: Purpose = Purpose.ENTRY,
    generation: int = 1,
    occ: str = META_CALL,
) -> e.OrderIntended:
    side = Side.BUY_TO_OPEN if purpose is Purpose.ENTRY else Side.SELL_TO_CLOSE
    return e.OrderIntended(
        intent=OrderIntent(
            client_order_id=ClientOrderId(cid),
            account=TINY,
            purpose=purpose,
            key=position,
            generation=generation,
            legs=(Leg(occ=Occ(occ), side=side),),
            qty=qty,
            limit=to_usd4(limit),
            multiplier=100,
            position_id=PositionId(position),
            reason="a test",
        )
    )


def sending(cid: str, attempt: int = 1) -> e.OrderSending:
    return e.OrderSending(client_order_id=ClientOrderId(cid), epoch=1, attempt=attempt, body_hash="b")


def accepted(cid: str) -> e.OrderAnswered:
    return e.OrderAnswered(
        client_order_id=ClientOrderId(cid),
        outcome="accepted",
        broker_order_id=f"broker-{cid}",
        status=BrokerStatus.NEW,
    )


def answered_(cid: str, outcome: str) -> e.OrderAnswered:
    return e.OrderAnswered(client_order_id=ClientOrderId(cid), outcome=outcome)


def observed(cid: str, status: BrokerStatus, cum: int) -> e.OrderObserved:
    return e.OrderObserved(
        client_order_id=ClientOrderId(cid), broker_order_id=f"broker-{cid}", status=status, cum=cum
    )


def filled(
    cid: str,
    qty: int,
    price: str,
    *,
    execution: str,
    position: str = "P1",
    fees: str = "0",
    at: datetime = START,
    occ: str = META_CALL,
) -> e.FillBooked:
    fill = Fill(
        execution_id=execution,
        client_order_id=ClientOrderId(cid),
        occ=Occ(occ),
        qty=qty,
        price=to_usd4(price),
        fees=to_usd4(fees),
        at=at,
    )
    return e.FillBooked(fill=fill, position_id=PositionId(position), multiplier=100)


def completed(position: str = "P1", qty: int = 4) -> e.EntryCompleted:
    return e.EntryCompleted(position_id=PositionId(position), original_qty=qty)


def marked(position: str, mark: str, *, peak: str, stop: str = "0", armed: bool = False) -> e.PositionMarked:
    return e.PositionMarked(
        position_id=PositionId(position),
        mark=to_usd4(mark),
        peak=to_usd4(peak),
        armed=armed,
        trailing_stop=to_usd4(stop),
        stop_count=0,
        trail_count=0,
    )


def exit_decided(position: str = "P1", qty: int = 4) -> e.ExitDecided:
    decision = ExitDecision(
        reason=ExitReason.PROFIT_TARGET,
        rank=8,
        qty=qty,
        latched=False,
        at=START,
        level="2.00",
        observed="2.00",
        message="the mark reached the target",
    )
    return e.ExitDecided(position_id=PositionId(position), decision=decision)


def closed(position: str = "P1", reason: str = "option_profit_target") -> e.PositionClosed:
    return e.PositionClosed(position_id=PositionId(position), reason=reason)


def entry(position: str = "P1", *, qty: int = 4, price: str = "1.00", fees: str = "0") -> list[e.EventBody]:
    """From the plan to the filled entry."""
    cid = f"{position}-e1"
    return [
        planned(position),
        intended(cid, position=position, qty=qty, limit=price),
        sending(cid),
        accepted(cid),
        filled(cid, qty, price, execution=f"{cid}-f", position=position, fees=fees),
        completed(position, qty),
    ]


def exit_(position: str = "P1", *, qty: int = 4, price: str = "2.00", fees: str = "0") -> list[e.EventBody]:
    """From the decision to the closed position."""
    cid = f"{position}-x1"
    return [
        exit_decided(position, qty),
        intended(cid, position=position, qty=qty, limit=price, purpose=Purpose.EXIT),
        sending(cid),
        accepted(cid),
        filled(cid, -qty, price, execution=f"{cid}-f", position=position, fees=fees),
        closed(position),
    ]
