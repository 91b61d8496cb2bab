"""Scenarios of exits: stops, ladders, kills, refusals, days that end. Pure."""

from dataclasses import replace
from datetime import timedelta

from ops_pipeline.domain.accounts import ControlLevel
from ops_pipeline.domain.events import FillBooked
from ops_pipeline.domain.orders import Purpose
from ops_pipeline.domain.signals import Strategy
from ops_pipeline.domain.units import Occ, to_usd4
from ops_pipeline.verify.kinds import Kind
from ops_pipeline.verify.lab import Act, Lab
from ops_pipeline.verify.market import DAY, HALF_DAY, LabMarket, at
from ops_pipeline.verify.scenario import (
    CALL,
    HELD,
    LARGE,
    NEAR,
    Plan,
    filled,
    flat,
    holding,
    holds,
    level,
    market,
    signal,
)

STOP = "option_stop_loss"
_NEXT_DAY = DAY + timedelta(days=1)


def _falling(when: int = 41, *, size: int = 100) -> LabMarket:
    """Give a market in which the stop is met from 14:`when` on."""
    made = market()
    made.put(at(14, when), "0.85", "0.90", occ=CALL, size=size)
    return made


def repriced_stop() -> Plan:
    """Find nobody at the first limits, then sell in parts further down."""
    made = _falling(size=0)
    made.put(at(14, 42), "0.80", "0.85", occ=CALL, size=2)
    made.put(at(14, 43), "0.75", "0.80", occ=CALL, size=3)
    return Plan(market=made, acts=[holding()], end=at(14, 46), complaints=lambda lab: flat(lab, reason=STOP))


def ladder_and_trailing_stop() -> Plan:
    """Sell half at +50 %, a quarter at +75 %, the rest at the trailing stop."""
    made = market()
    made.put(at(14, 41), "1.85", "1.90", occ=CALL)
    made.put(at(14, 42), "2.20", "2.25", occ=CALL)
    made.put(at(14, 43), "1.55", "1.60", occ=CALL)

    def complaints(lab: Lab) -> list[str]:
        parts = (filled(lab, Purpose.TIER), filled(lab, Purpose.EXIT))
        right = parts == (3, 1)
        return flat(lab, reason="trailing_stop") + ([] if right else [f"expected 3 and 1, was {parts}"])

    return Plan(market=made, acts=[holding()], end=at(14, 46), complaints=complaints)


def flatten_beside_a_working_entry() -> Plan:
    """Flatten while half of an entry still rests: the rest is cancelled, the half sold."""
    made = market(size=2)
    return Plan(
        market=made,
        acts=[signal(), level(ControlLevel.FLATTEN, at(14, 40, 20))],
        end=at(14, 44),
        complaints=lambda lab: flat(lab, reason="kill"),
    )


def hard_stop_then_normal() -> Plan:
    """At level 4 nothing is sent, not even a stop; back at 0 the stop goes out."""
    return Plan(
        market=_falling(),
        acts=[
            holding(),
            level(ControlLevel.HARD_STOP, at(14, 40, 30)),
            level(ControlLevel.NORMAL, at(14, 43)),
        ],
        end=at(14, 45),
        complaints=lambda lab: flat(lab, reason=STOP),
    )


def rejected_exits() -> Plan:
    """Refuse the stop five times in a row: tried again after 1, 2, 5, 10, 30 s, then sold."""
    return Plan(
        market=_falling(),
        acts=[holding()],
        end=at(14, 46),
        script={"submit": [Kind.REJECTED, Kind.INSUFFICIENT, Kind.REJECTED, Kind.REJECTED, Kind.REJECTED]},
        complaints=lambda lab: flat(lab, reason=STOP),
    )


def exit_answer_lost() -> Plan:
    """Lose the answer to the stop, and the request of the next one: sold once."""
    return Plan(
        market=_falling(size=2),
        acts=[holding()],
        end=at(14, 46),
        script={"submit": [Kind.LOST_RESPONSE, Kind.LOST_REQUEST, Kind.GATEWAY_TIMEOUT]},
        complaints=lambda lab: flat(lab, reason=STOP),
    )


def rejected_exit_was_taken() -> Plan:
    """Have the stop rejected and filled all the same, with its fills shown late: sold once."""
    return Plan(
        market=_falling(),
        acts=[holding()],
        end=at(14, 46),
        script={"submit": [Kind.REJECTED_YET_TAKEN], "activities": [Kind.WITHHELD_FILLS] * 4},
        complaints=lambda lab: flat(lab, reason=STOP),
    )


def rejected_resend_of_a_late_target() -> Plan:
    """Have a target's first send arrive late, after its resend was rejected: the half is sold once."""
    made = market()
    made.put(at(14, 41), "1.85", "1.90", occ=CALL)
    return Plan(
        market=made,
        acts=[holding()],
        end=at(14, 54),
        script={"submit": [Kind.LATE_REQUEST, Kind.REJECTED]},
        complaints=lambda lab: holds(lab, {CALL: HELD // 2}),
    )


def rejected_resend_that_no_list_shows() -> Plan:
    """Hide it from every list until it may be offered again: the order itself is asked for first."""
    plan = rejected_resend_of_a_late_target()
    blind = {
        "orders": [*[None] * 4, *[Kind.READ_FAILED] * 66],
        "activities": [*[None] * 3, Kind.MISSING_FILLS],
    }
    return replace(
        plan,
        script={**plan.script, **blind},
        complaints=lambda lab: holds(lab, {CALL: HELD // 2}, fills_late=True),
    )


def stop_beside_a_part_without_fills() -> Plan:
    """Meet the stop while the fills of a part sold before are not told: sold once, and in time."""
    made = market()
    made.put(at(14, 41), "1.85", "1.90", occ=CALL)
    made.put(at(14, 41, 30), "0.85", "0.90", occ=CALL)

    def complaints(lab: Lab) -> list[str]:
        stops = [order for order in lab.oracles[LARGE.id].accepted if "-x-" in order.client_order_id]
        late = [order for order in stops[:1] if order.submitted_at > at(14, 43, 45)]
        found = [f"the stop was taken at {order.submitted_at:%H:%M:%S}" for order in late]
        return [*found, *flat(lab, reason=STOP)]

    return Plan(
        market=made,
        acts=[holding()],
        end=at(14, 50),
        script={"activities": [Kind.MISSING_FILLS]},
        complaints=complaints,
    )


def stop_beside_an_entry_without_fills() -> Plan:
    """Meet the stop while the entry's last fills are not told: what is booked by then is sold in time."""
    made = market(size=2)
    made.put(at(14, 41), "0.85", "0.90", occ=CALL)

    def complaints(lab: Lab) -> list[str]:
        stops = [order for order in lab.oracles[LARGE.id].accepted if "-x-" in order.client_order_id]
        events = lab.store.events(LARGE.id)
        held = any(isinstance(event.body, FillBooked) and event.at < at(14, 41) for event in events)
        late = held and (not stops or stops[0].submitted_at > at(14, 42))
        return [*(["the stop was not taken within a minute"] if late else []), *flat(lab, reason=STOP)]

    return Plan(
        market=made,
        acts=[signal()],
        end=at(14, 50),
        script={"activities": [None, None, Kind.MISSING_FILLS]},
        complaints=complaints,
    )


def stuck_exit() -> Plan:
    """Let the first exit stick at the broker: cancelled after its patience, sold by the next."""
    return Plan(
        market=_falling(),
        acts=[holding()],
        end=at(14, 46),
        script={"submit": [Kind.STUCK]},
        complaints=lambda lab: flat(lab, reason=STOP),
    )


def cancel_races() -> Plan:
    """Lose a cancel, have one fail, and one met by a fill."""
    made = _falling(size=0)
    made.put(at(14, 43), "0.80", "0.85", occ=CALL, size=2)
    return Plan(
        market=made,
        acts=[holding()],
        end=at(14, 47),
        script={"cancel": [Kind.CANCEL_LOST, Kind.CANCEL_FAILED, Kind.FILL_DURING_CANCEL]},
        complaints=lambda lab: flat(lab, reason=STOP),
    )


def exit_of_the_day_expires() -> Plan:
    """Let a stop go unfilled at the close: its order expires, the next open sells."""
    made = market()
    made.put(at(20, 58), "0.85", "0.90", occ=CALL, size=0)
    made.put(at(14, 30, day=_NEXT_DAY), "0.80", "0.85", occ=CALL)
    return Plan(
        market=made,
        start=at(20, 57),
        acts=[holding(when=at(20, 57))],
        end=at(14, 33, day=_NEXT_DAY),
        complaints=lambda lab: flat(lab, reason=STOP),
    )


def early_close() -> Plan:
    """Buy a day trade on a half day; it is flat five minutes before the early close."""
    near = "META260313C00500000"
    made = LabMarket()
    made.put(at(14, 30, day=HALF_DAY), "1.20", "1.20", occ=near)
    start = at(15, 59, day=HALF_DAY)
    return Plan(
        market=made,
        start=start,
        acts=[signal(start, strategy=Strategy.DAY)],
        idle_from=at(16, 1, day=HALF_DAY),
        idle_until=at(17, 53, day=HALF_DAY),
        end=at(18, 5, day=HALF_DAY),
        complaints=lambda lab: flat(lab, reason="eod_flat"),
    )


def external_sale() -> Plan:
    """Let a person sell one of four: booked as theirs, the stop sells three."""

    def sell(lab: Lab) -> None:
        lab.oracles[LARGE.id].trade_by_hand(Occ(CALL), -1, to_usd4("1.20"))

    def complaints(lab: Lab) -> list[str]:
        sold = filled(lab, Purpose.EXIT)
        return flat(lab) + ([] if sold == HELD - 1 else [f"expected 3 sold, was {sold}"])

    # The outside is not repeated: what has happened at the broker has happened.
    return Plan(
        market=_falling(42),
        acts=[holding(), Act(at=at(14, 40, 50), do=sell, done=_has_traded)],
        end=at(14, 45),
        complaints=complaints,
    )


def _has_traded(lab: Lab) -> bool:
    return bool(lab.oracles[LARGE.id].book.activities)


def foreign_purchase() -> Plan:
    """Let a person buy something: held beside our positions, explained, never sold by us."""

    def buy(lab: Lab) -> None:
        lab.oracles[LARGE.id].trade_by_hand(Occ(NEAR), 2, to_usd4("1.00"))

    made = _falling(42)
    made.put(at(14, 30), "1.00", "1.05", occ=NEAR)

    def complaints(lab: Lab) -> list[str]:
        ledger = lab.ledger(LARGE.id)
        beside = {name: row.qty for name, row in ledger.external.items()}
        found = [] if beside == {NEAR: 2} else [f"expected the person's 2, was {beside}"]
        if ledger.breaks or ledger.control is not ControlLevel.NORMAL:
            found.append(f"expected no difference, was {dict(ledger.breaks)}, {ledger.control.name}")
        return found

    return Plan(
        market=made,
        acts=[holding(), Act(at=at(14, 40, 50), do=buy, done=_has_traded)],
        end=at(14, 45),
        complaints=complaints,
    )


def no_bid_for_the_stop() -> Plan:
    """Meet the stop while nobody bids: held, and sold once somebody does."""
    made = _falling()
    made.put(at(14, 41, 40), None, "0.90", occ=CALL)
    made.put(at(14, 43), "0.70", "0.75", occ=CALL)
    return Plan(market=made, acts=[holding()], end=at(14, 45), complaints=lambda lab: flat(lab, reason=STOP))


EXITS = (
    repriced_stop,
    ladder_and_trailing_stop,
    flatten_beside_a_working_entry,
    hard_stop_then_normal,
    rejected_exits,
    exit_answer_lost,
    rejected_exit_was_taken,
    rejected_resend_of_a_late_target,
    rejected_resend_that_no_list_shows,
    stop_beside_a_part_without_fills,
    stop_beside_an_entry_without_fills,
    stuck_exit,
    cancel_races,
    exit_of_the_day_expires,
    early_close,
    external_sale,
    foreign_purchase,
    no_bid_for_the_stop,
)
