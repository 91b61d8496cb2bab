"""What an order may do next: approval of reductions and steps, limits, timers. Pure."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256

from ops_pipeline.domain.accounts import ControlLevel
from ops_pipeline.domain.fees import unit_entry_fees
from ops_pipeline.domain.ids import client_order_id, logical_account
from ops_pipeline.domain.instruments import OptionContract
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.orders import (
    Approved,
    GateResult,
    Order,
    OrderIntent,
    OrderState,
    Purpose,
    Refused,
    Side,
    Verdict,
)
from ops_pipeline.domain.positions import ExitReason
from ops_pipeline.domain.rules import EntryRules, ExecutionRules, ExitOrderRules, FeeRules
from ops_pipeline.domain.units import WHOLE_BP, ClientOrderId, Occ, Usd4, floor_to_tick

TARGETS = frozenset(
    {
        ExitReason.FIRST_TARGET,
        ExitReason.SECOND_TARGET,
        ExitReason.PROFIT_TARGET,
        ExitReason.UNDERLYING_CALL,
        ExitReason.UNDERLYING_PUT,
    }
)
# The exit ladder reaches its floor at the third order, however long it then takes.
_STEPS_TO_FLOOR = 2
# A cancel that got lost is asked for again, at most this often (RELIABILITY B14).
# A cancel that hangs is asked for again after so long, each time it does, and from then on as the last.
CANCEL_AGAIN = tuple(timedelta(seconds=wait) for wait in (6, 12, 24, 48, 60))
# Waits after the first, second ... rejection of an exit in a row; the last one repeats (B9).
# The attempt that is the first resend.
_RESENT = 2
_EXIT_BACKOFF_S = (1, 2, 5, 10, 30)
# What a send may take in all (RELIABILITY 3.5, 3.8): so long a paused process may still be at it.
_SEND_WITHIN_S = 10
# How a start found what was being sent: its process is dead, or it may be paused and wake up.
RESTART, TAKE_OVER = "restart", "take-over"
# The reason under which an entry is cancelled to go on with another limit.
STEP = "next step"
ENTRIES = (Purpose.ENTRY, Purpose.ROLL_OPEN)


class Upkeep(StrEnum):
    """What a live order needs now."""

    NOTHING = "nothing"
    LOOK_UP = "look_up"
    RESEND = "resend"
    ABANDON = "abandon"
    NOT_PLACED = "not_placed"
    CANCEL = "cancel"
    QUARANTINE = "quarantine"


def body_hash(intent: OrderIntent) -> str:
    """Hash what would be sent, so that a resend can be proved to be the same order."""
    body = {
        "id": intent.client_order_id,
        "legs": [[leg.occ, leg.side.value] for leg in intent.legs],
        "qty": intent.qty,
        "limit": intent.limit,
        "tif": "day",
        "type": "limit",
    }
    return sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:32]


def sell_leaves(ledger: Ledger, occ: Occ, *, ended: bool = False) -> int:
    """Count contracts of `occ` that live sell orders may still take at the broker.

    `ended`: those that orders which have just ended there took, and that are not booked yet. Of one that
    waits for a person the broker's own positions tell by now what it took.
    """
    return sum(
        order.leaves
        for order in ledger.live_orders
        if order.holds_slot
        and order.has_ended is ended
        and any(leg.occ == occ and leg.side is Side.SELL_TO_CLOSE for leg in order.intent.legs)
    )


def order_id(
    ledger: Ledger, database_id: str, *, purpose: Purpose, key: str, generation: int
) -> ClientOrderId:
    """Derive the client order id of an account's order from its cause."""
    account = logical_account(ledger.broker, ledger.number)
    return client_order_id(database_id, account, purpose, key, generation)


def approve_reduction(intent: OrderIntent, *, held: int, committed: int) -> Verdict:
    """Approve a sale of at most what is held and not already for sale; never one that could open a short.

    `held`: contracts the broker is known to hold; `committed`: leaves of live sell orders.
    """
    free = held - committed
    gates = (
        GateResult("sell_to_close", intent.side is Side.SELL_TO_CLOSE, intent.side.value, "sell_to_close"),
        GateResult("held", intent.qty <= free, str(intent.qty), f"<= {free}"),
    )
    failed = [gate.name for gate in gates if not gate.passed]
    if failed:
        return Refused(reason=failed[0], gates=gates)
    return Approved(intent=intent, gates=gates)


def approve_step(order: Order, intent: OrderIntent) -> Verdict:
    """Approve the next limit of an approved entry: same cause and contract, no more risk than approved."""
    before = order.intent
    same = (intent.purpose, intent.key, intent.legs) == (before.purpose, before.key, before.legs)
    left = before.qty - order.booked
    cost = intent.limit * intent.qty * intent.multiplier
    gates = (
        GateResult("same_cause", same, intent.key, before.key),
        GateResult("terminal", order.state.is_terminal, order.state.value, "terminal and booked"),
        GateResult("generation", intent.generation == before.generation + 1, str(intent.generation), "+1"),
        GateResult("left", intent.qty <= left, str(intent.qty), f"<= {left}"),
        GateResult("budget", cost <= before.budget, str(cost), f"<= {before.budget}"),
    )
    failed = [gate.name for gate in gates if not gate.passed]
    if failed:
        return Refused(reason=failed[0], gates=gates)
    return Approved(intent=intent, gates=gates)


def approve_resend(order: Order) -> Approved:
    """Approve the same order once more: same id, same body, so the broker can take it only once."""
    resend = GateResult("resend", passed=True, observed=str(order.attempt), limit="same id and body")
    return Approved(intent=order.intent, gates=(resend,))


def exit_limit(
    contract: OptionContract,
    *,
    bid: Usd4 | None,
    reason: ExitReason,
    latched: bool,
    step: int,
    expiry_day: bool,
    rules: ExitOrderRules,
) -> Usd4 | None:
    """Price an exit: the bid first, then down to its floor; None where nobody bids.

    `step` 0 is the first order of the decision. Rounded down to the tick. On expiry day a missing
    bid is met with an offer at one tick.
    """
    if not bid:
        return contract.tick(0) if expiry_day else None
    tick = contract.tick(bid)
    if step == 0:
        return floor_to_tick(bid, tick) or tick
    if reason in TARGETS:
        return max(tick, floor_to_tick(bid, tick) - tick)
    floor = rules.latched_floor if latched else rules.floor
    part = floor * min(step, _STEPS_TO_FLOOR) // _STEPS_TO_FLOOR
    level = bid * (WHOLE_BP - part) // WHOLE_BP
    return max(tick, floor_to_tick(level, contract.tick(level)))


def upkeep(order: Order, *, now: datetime, rules: ExecutionRules) -> Upkeep:
    """Say what a live order needs, from its own timers only; prices are another matter."""
    expired = order.intent.expires_at is not None and now >= order.intent.expires_at
    entry = order.intent.purpose.opens
    since_sent = (now - order.last_sent_at).total_seconds() if order.last_sent_at else 0.0
    match order.state:
        case OrderState.INTENT:
            return Upkeep.NOT_PLACED if entry and expired else Upkeep.RESEND
        case OrderState.RESEND_WAIT:
            if entry and expired:
                return Upkeep.ABANDON
            waiting = order.not_before is not None and now < order.not_before
            return Upkeep.NOTHING if waiting else Upkeep.RESEND
        case OrderState.UNKNOWN:
            return Upkeep.LOOK_UP
        case OrderState.ABANDONING:
            gone = order.not_found > 0 and since_sent > rules.quarantine_s
            return Upkeep.NOT_PLACED if gone else Upkeep.LOOK_UP
        case OrderState.ORPHAN:
            ended = order.broker_status is not None and order.broker_status.is_terminal
            return Upkeep.NOTHING if ended else Upkeep.CANCEL
        case OrderState.WORKING if entry and expired:
            return Upkeep.CANCEL
        case OrderState.CANCELING:
            return Upkeep.CANCEL if now - order.updated_at >= CANCEL_AGAIN[0] else Upkeep.NOTHING
        case OrderState.DRAINING:
            waited = (now - order.updated_at).total_seconds()
            return Upkeep.QUARANTINE if waited > rules.drain_s else Upkeep.NOTHING
        case _:
            return Upkeep.NOTHING


def again_at(
    order: Order, *, started_at: datetime, now: datetime, rules: ExecutionRules, entry: EntryRules
) -> datetime | None:
    """Give the instant after `now` at which a live order's own timers move it; None: the usual pace will do.

    `started_at` is when the walk of an entry began.
    """
    match order.state:
        case OrderState.RESEND_WAIT:
            return order.not_before
        case OrderState.UNKNOWN if order.not_found:
            return order.updated_at + timedelta(seconds=rules.not_found_gap_s)
        case OrderState.UNKNOWN if may_be_under_way(order, now=now) and order.last_sent_at is not None:
            return order.last_sent_at + timedelta(seconds=_SEND_WITHIN_S)
        case OrderState.CANCELING:
            return order.updated_at + CANCEL_AGAIN[0]
        case OrderState.WORKING if order.intent.purpose in ENTRIES:
            pace = timedelta(seconds=entry.step_s)
            step = started_at + ((now - started_at) // pace + 1) * pace
            cancel = started_at + timedelta(seconds=entry.cancel_after_s)
            return min(step, cancel, order.intent.expires_at or step)
        case _:
            return None


def may_be_under_way(order: Order, *, now: datetime) -> bool:
    """Tell whether the process that was taken over from may still be sending an order."""
    if order.state is not OrderState.UNKNOWN or order.detail != TAKE_OVER or order.last_sent_at is None:
        return False
    return (now - order.last_sent_at).total_seconds() < _SEND_WITHIN_S


def after_not_found(order: Order, *, count: int, now: datetime) -> OrderState | None:
    """Decide an UNKNOWN order's way after `count` authoritative 404s; None: ask again."""
    needed = 2
    if order.state is not OrderState.UNKNOWN or count < needed:
        return None
    expired = order.intent.expires_at is not None and now >= order.intent.expires_at
    return OrderState.ABANDONING if order.intent.purpose.opens and expired else OrderState.RESEND_WAIT


def next_step(order: Order, *, new_id: ClientOrderId, fees: FeeRules) -> OrderIntent:
    """Give the intent of an entry's next order: what is left of quantity and budget, at the same limit."""
    before = order.intent
    unit = before.limit * before.multiplier + unit_entry_fees(fees)
    return replace(
        before,
        client_order_id=new_id,
        generation=before.generation + 1,
        qty=before.qty - order.booked,
        budget=before.budget - order.booked * unit,
    )


def entry_objection(order: Order, ledger: Ledger) -> str:
    """Say why an opening order may not go on working or be sent; "" where it may."""
    if not order.intent.purpose.opens:
        return ""
    if ledger.control >= ControlLevel.CANCEL_ENTRIES:
        return f"control {ledger.control.name}"
    position = ledger.positions.get(order.intent.position_id)
    if order.intent.purpose not in ENTRIES or position is None:
        return ""
    if not position.is_open:
        return "given up before"
    return "exit decided" if position.exit is not None else ""


def exit_objection(order: Order, ledger: Ledger) -> str:
    """Say why a working sale must go: contracts it offers are no longer held; "" where all are."""
    position = ledger.positions.get(order.intent.position_id)
    if position is None or not is_exit(order) or order.leaves <= position.qty:
        return ""
    return f"offers {order.leaves}, holds {position.qty}"


def entry_may_step(order: Order, *, started_at: datetime, now: datetime, rules: EntryRules) -> bool:
    """Tell whether an entry that was cancelled for its next limit goes on with it."""
    expired = order.intent.expires_at is not None and now >= order.intent.expires_at
    within = (now - started_at).total_seconds() < rules.cancel_after_s
    stepping = order.state is OrderState.CANCELED and order.detail.startswith(STEP)
    return stepping and not expired and within and order.booked < order.intent.qty


def rejections_in_row(orders: Sequence[Order]) -> int:
    """Count the rejections that the orders, oldest first, end with."""
    rejected = 0
    for order in reversed(orders):
        if order.state is not OrderState.REJECTED:
            break
        rejected += 1
    return rejected


def retry_exit_at(orders: Sequence[Order]) -> datetime | None:
    """Give when an exit may be sent again after rejections in a row; None: at once. Oldest order first."""
    rejected = rejections_in_row(orders)
    if not rejected:
        return None
    wait = _EXIT_BACKOFF_S[min(rejected, len(_EXIT_BACKOFF_S)) - 1]
    return orders[-1].updated_at + timedelta(seconds=wait)


def newest_rejected(orders: Sequence[Order]) -> Order | None:
    """Give the newest order where it was rejected; oldest order first."""
    newest = orders[-1] if orders else None
    return newest if newest is not None and newest.state is OrderState.REJECTED else None


def quiet_at(orders: Sequence[Order], *, quarantine_s: int) -> datetime | None:
    """Give when the sends of a rejected resend can no longer arrive; None: the newest order is none.

    Such a rejection is no proof: an earlier send under the same id may still be under way.
    """
    newest = newest_rejected(orders)
    if newest is None or newest.attempt < _RESENT:
        return None
    return (newest.last_sent_at or newest.updated_at) + timedelta(seconds=quarantine_s)


def is_exit(order: Order) -> bool:
    """Tell whether an order takes the position's one exit slot."""
    return order.intent.purpose in (
        Purpose.EXIT,
        Purpose.TIER,
        Purpose.KILL,
        Purpose.ROLL_CLOSE,
        Purpose.ROLL,
    )
