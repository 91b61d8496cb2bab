"""The second half of a story: orders, fills, marks, exits, rolls and the result as rows. Pure."""

import re
from collections.abc import Iterable, Sequence

from ops_pipeline.app.words import Row, dollars, stamp
from ops_pipeline.domain import events as e
from ops_pipeline.domain.alerts import AlertCleared, AlertRaised
from ops_pipeline.domain.breaks import (
    BreakFound,
    BreakSettled,
    ExternalAdopted,
    ExternalMoved,
    FillBusted,
    OperatorActed,
    PositionReleased,
)
from ops_pipeline.domain.codec import encode
from ops_pipeline.domain.controls import PositionWished
from ops_pipeline.domain.orders import Fill, Order
from ops_pipeline.domain.position_fold import trade_of
from ops_pipeline.domain.positions import ExitDecision, Position
from ops_pipeline.domain.records import PositionMark
from ops_pipeline.domain.rolls import Roll
from ops_pipeline.domain.units import Usd4, format_usd, to_usd4

_SAMPLES = 12
_AMOUNT = re.compile(r"(-?)\$?(-?[\d,]+(?:\.\d+)?)(?: (\w+))?")


def position_row(position: Position) -> Row:
    """Give a position's facts: what is held, what the entry knew, what protects it."""
    contract = position.contract
    shares = position.bought * contract.multiplier
    return {
        "position": position.id,
        "account": position.account,
        "tier": position.tier.label,
        "occ": contract.occ,
        "strategy": position.strategy.value,
        "status": position.status.value,
        "held": f"{position.qty} of {position.original_qty}",
        "entry": dollars(position.cost / shares) if shares else None,
        "entry_dte": position.entry_dte,
        "entry_underlying": dollars(position.entry_underlying),
        "entry_atr": dollars(position.entry_atr),
        "entry_iv_rank": position.entry_iv_rank,
        "entry_delta": position.entry_delta,
        "peak": dollars(position.peak) if position.peak else None,
        "armed": position.armed,
        "trailing_stop": dollars(position.trailing_stop) if position.trailing_stop else None,
        "opened": stamp(position.opened_at),
        "closed": stamp(position.closed_at),
        "closed_by": position.close_reason or None,
        "rolled_from": position.rolled_from,
        "roll_count": position.roll_count or None,
        "frozen": position.frozen or None,
    }


def order_row(order: Order) -> Row:
    """Give an order with its state, limit and times."""
    intent = order.intent
    return {
        "order": order.id,
        "purpose": intent.purpose.name.lower(),
        "reason": intent.reason,
        "side": intent.side.value,
        "qty": intent.qty,
        "filled": order.booked,
        "limit": dollars(intent.limit),
        "state": order.state.value,
        "at": stamp(order.created_at),
        "sent": stamp(order.last_sent_at),
        "ended": stamp(order.updated_at) if order.state.is_terminal else None,
        "detail": order.detail or None,
    }


def event_rows(events: Iterable[e.Event]) -> list[Row]:
    """Give events as they stand in the chain, their plain values in words."""
    rows: list[Row] = []
    for event in events:
        body = encode(event.body)
        body.pop("client_order_id", None)
        plain = {k: v for k, v in body.items() if v not in (None, "") and not isinstance(v, dict | list)}
        words = ", ".join(f"{key} {value}" for key, value in plain.items())
        rows.append({"seq": event.seq, "at": stamp(event.at), "what": event.kind, "with": words})
    return rows


def fill_rows(events: Iterable[e.Event]) -> list[Row]:
    """Give the executions, and contracts that came or left without one."""
    rows: list[Row] = []
    for event in events:
        moved = _movement(event.body)
        if moved is not None:
            at = event.body.fill.at if isinstance(event.body, e.FillBooked) else event.at
            rows.append({"at": stamp(at), **moved})
    return rows


def _movement(body: e.EventBody) -> Row | None:
    match body:
        case e.FillBooked(fill=fill):
            return _fill("buy" if fill.qty > 0 else "sell", fill, fees=fill.fees)
        case FillBusted(fill=fill):
            return _fill("busted", fill, fees=-fill.fees)
        case e.ContractsRemoved() as left:
            return {"side": left.cause.value, "qty": left.qty, "amount": dollars(left.amount)}
        case e.ContractsAdjusted() as changed:
            side = f"split {changed.shares_new}:{changed.shares_old}"
            return {"side": side, "qty": changed.for_one, "contract": changed.contract.occ}
        case e.ContractsAdopted() as held:
            return {"side": "held before", "qty": held.qty, "price": dollars(held.price)}
        case ExternalAdopted() as taken:
            return {"side": "adopted", "qty": taken.qty, "amount": dollars(-taken.cost)}
        case PositionReleased() as released:
            return {"side": "released", "qty": released.qty, "amount": dollars(released.basis)}
        case _:
            return None


def _fill(side: str, fill: Fill, *, fees: Usd4) -> Row:
    return {
        "side": side,
        "qty": abs(fill.qty),
        "price": dollars(fill.price),
        "fees": dollars(fees),
        "order": fill.client_order_id,
    }


def difference_rows(events: Iterable[e.Event]) -> list[Row]:
    """Give each difference with the broker: its cause, provisional or confirmed, and how it ended."""
    rows: list[Row] = []
    for event in events:
        match event.body:
            case BreakFound() as found:
                pair = f"ledger {found.ledger_qty}, broker {found.broker_qty}"
                seen = "twice" if found.confirmed else "once"
                rows.append({"at": stamp(event.at), "cause": found.standing, "what": pair, "seen": seen})
            case BreakSettled() as settled:
                by = f"settled by {settled.evidence}" if settled.evidence else "settled"
                rows.append({"at": stamp(event.at), "cause": settled.cause, "what": by})
            case ExternalMoved() as moved:
                what = f"{moved.qty:+d} beside our positions"
                rows.append({"at": stamp(event.at), "cause": moved.cause.value, "what": what})
            case OperatorActed() as acted:
                what = f"{acted.actor}: {acted.command}, {acted.reason}"
                rows.append({"at": stamp(event.at), "cause": acted.cause, "what": what})
    return rows


def mark_changes(events: Iterable[e.Event]) -> list[Row]:
    """Give every change of peak, arming, trailing stop or confirmation counts; the newest if many."""
    rows = [
        {
            "at": stamp(event.at),
            "mark": dollars(event.body.mark),
            "peak": dollars(event.body.peak),
            "armed": event.body.armed,
            "trailing_stop": dollars(event.body.trailing_stop) if event.body.trailing_stop else None,
            "stop_reads": event.body.stop_count,
            "trail_reads": event.body.trail_count,
        }
        for event in events
        if isinstance(event.body, e.PositionMarked)
    ]
    return rows[:1] + rows[1:][-_SAMPLES:]


def market_rows(marks: Sequence[PositionMark]) -> list[Row]:
    """Give about a dozen of the stored marks, the last among them."""
    step = max(1, -(-len(marks) // _SAMPLES))
    return [
        {
            "at": stamp(mark.at),
            "bid": dollars(mark.bid),
            "ask": dollars(mark.ask),
            "mark": dollars(mark.mark),
            "underlying": dollars(mark.underlying),
            "trust": mark.trust,
        }
        for mark in marks[::-1][::step][::-1]
    ]


def decision_rows(events: Iterable[e.Event]) -> list[Row]:
    """Give each exit decision with its trigger's level, what was observed and how far beyond it was."""
    rows: list[Row] = []
    for event in events:
        match event.body:
            case e.ExitDecided(decision=decision):
                rows.append(
                    {
                        "at": stamp(event.at),
                        "reason": decision.reason.value,
                        "qty": decision.qty,
                        "level": decision.level,
                        "observed": decision.observed,
                        "distance": distance_of(decision),
                        "latched": decision.latched,
                        "message": decision.message,
                    }
                )
            case e.ExitWithdrawn(reason=reason):
                rows.append({"at": stamp(event.at), "reason": "withdrawn", "message": reason})
            case e.RollRefused(reason=reason):
                rows.append({"at": stamp(event.at), "reason": "roll refused", "message": reason})
            case PositionWished() as wish:
                rows.append(
                    {"at": stamp(event.at), "reason": f"{wish.actor} asked", "message": wish_text(wish)}
                )
    return rows


def wish_text(wish: PositionWished) -> str:
    """Write what a person wants of a position, and why."""
    parts = [f"keep {wish.keep}"] if wish.keep is not None else []
    parts += [f"stop {format_usd(wish.stop)}"] if wish.stop is not None else []
    parts += [f"target {format_usd(wish.target)}"] if wish.target is not None else []
    return f"{', '.join(parts)}: {wish.reason}"


def alert_rows(events: Iterable[e.Event]) -> list[Row]:
    """Give what was raised and cleared about the position and its orders."""
    rows: list[Row] = []
    for event in events:
        match event.body:
            case AlertRaised() as raised:
                rows.append({"at": stamp(event.at), "alert": raised.code.value, "message": raised.detail})
            case AlertCleared(code=code):
                rows.append({"at": stamp(event.at), "alert": code.value, "message": "cleared"})
    return rows


def distance_of(decision: ExitDecision) -> str | None:
    """Give observed less level in their own unit: `-$0.02`, `+3 days`; None where either is unknown."""
    level, observed = _AMOUNT.fullmatch(decision.level), _AMOUNT.fullmatch(decision.observed)
    if level is None or observed is None or level[3] != observed[3]:
        return None
    change = _amount(observed) - _amount(level)
    sign = "-" if change < 0 else "+"
    if level[3] is None:
        return f"{sign}{format_usd(abs(change))}"
    return f"{sign}{abs(change) // 10_000} {level[3]}"


def _amount(match: "re.Match[str]") -> Usd4:
    amount = to_usd4(match[2].replace(",", ""))
    return -amount if match[1] else amount


def sale_rows(position: Position, orders: Iterable[Order], events: Iterable[e.Event]) -> list[Row]:
    """Give what each sale took off: contracts, what was left, average price, gain before fees."""
    filled = [event.body.fill for event in events if isinstance(event.body, e.FillBooked)]
    unit, left = position.contract.multiplier, position.bought
    rows: list[Row] = []
    for order in orders:
        sold = [fill for fill in filled if fill.client_order_id == order.id and fill.qty < 0]
        qty = -sum(fill.qty for fill in sold)
        if not qty:
            continue
        left -= qty
        proceeds = -sum(fill.price * fill.qty for fill in sold) * unit
        gain = proceeds - position.cost * qty // position.bought
        rows.append(
            {
                "reason": order.intent.reason,
                "qty": qty,
                "left": left,
                "price": dollars(proceeds / (qty * unit)),
                "gain": dollars(gain),
                "gain_pct": round(gain * 100 * position.bought / (position.cost * qty), 2),
            }
        )
    return rows


def roll_rows(rolls: Iterable[Roll], events: Iterable[e.Event]) -> list[Row]:
    """Give each roll with the states it went through, in order."""
    steps = [event for event in events if isinstance(event.body, e.RollAdvanced)]
    rows: list[Row] = []
    for roll in rolls:
        own = [v for v in steps if isinstance(v.body, e.RollAdvanced) and v.body.roll_id == roll.id]
        states = " -> ".join(v.body.state for v in own if isinstance(v.body, e.RollAdvanced))
        rows.append(
            {
                "roll": roll.id,
                "from": roll.position_id,
                "to": roll.successor_id,
                "contract": roll.successor.occ if roll.successor else None,
                "qty": roll.qty,
                "states": states,
                "pnl_locked": dollars(roll.pnl_locked),
                "reason": roll.reason or None,
                "at": stamp(roll.updated_at),
            }
        )
    return rows


def result_row(position: Position, events: Iterable[e.Event]) -> Row:
    """Reconcile the profit with every fill: paid, received and charged, to 1/10 000 dollar.

    `agrees` tells whether the fills alone give the position's cost, proceeds and fees.
    """
    paid = received = charged = 0
    for event in events:
        match event.body:
            case e.FillBooked(fill=fill, multiplier=multiplier):
                amount = fill.price * abs(fill.qty) * multiplier
                charged += fill.fees
                paid, received = (paid + amount, received) if fill.qty > 0 else (paid, received + amount)
            case e.ContractsRemoved(amount=amount):
                received += amount
            case e.ContractsAdopted(price=price, qty=qty):
                paid += price * qty * position.contract.multiplier
            case ExternalAdopted(cost=cost):
                paid += cost
            case PositionReleased(basis=basis):
                received += basis
            case FillBusted(fill=fill, multiplier=multiplier):
                amount = fill.price * abs(fill.qty) * multiplier
                charged -= fill.fees
                paid, received = (paid - amount, received) if fill.qty > 0 else (paid, received - amount)
    trade = trade_of(position)
    return {
        "cost": dollars(paid),
        "proceeds": dollars(received),
        "fees": dollars(charged),
        "realised": dollars(position.realised),
        "pnl": dollars(trade.pnl) if trade else None,
        "pnl_pct": trade.pnl_bp / 100 if trade else None,
        "still_held_at_cost": dollars(position.basis) if position.qty else None,
        "agrees": (paid, received, charged) == (position.cost, position.proceeds, position.fees),
    }
