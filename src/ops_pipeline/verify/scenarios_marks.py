"""Scenarios of what an exit may be decided from: marks, bids, reads, and none of them. Pure."""

from datetime import timedelta

from ops_pipeline.domain.orders import Purpose
from ops_pipeline.domain.positions import ExitReason
from ops_pipeline.domain.signals import Strategy
from ops_pipeline.domain.units import Occ, to_usd4
from ops_pipeline.verify.kinds import Kind
from ops_pipeline.verify.lab import Act, Lab
from ops_pipeline.verify.market import at
from ops_pipeline.verify.scenario import (
    CALL,
    LARGE,
    Plan,
    filled,
    flat,
    holding,
    holds,
    market,
    signal,
)

STOP = ExitReason.STOP_LOSS.value
_SPLIT_SECOND = timedelta(milliseconds=500)


def endless_rejections() -> Plan:
    """Refuse a stop for minutes: tried again, but no faster than the waits allow; then sold."""
    made = market()
    made.put(at(14, 41), "0.85", "0.90", occ=CALL)
    return Plan(
        market=made,
        acts=[holding()],
        end=at(14, 52),
        script={"submit": [Kind.REJECTED] * 15},
        complaints=lambda lab: flat(lab, reason=STOP),
    )


def bad_tick() -> Plan:
    """Quote four times the price for half a second: no peak, no target; then the stop, from the true peak."""
    made = market()
    made.put(at(14, 42), "4.80", "4.85", occ=CALL)
    made.put(at(14, 42) + _SPLIT_SECOND, "1.20", "1.20", occ=CALL)
    made.put(at(14, 44), "0.85", "0.90", occ=CALL)
    return Plan(market=made, acts=[holding()], end=at(14, 47), complaints=lambda lab: flat(lab, reason=STOP))


def one_low_read() -> Plan:
    """Quote below the stop for one read: held."""
    made = market()
    made.put(at(14, 42), "0.85", "0.90", occ=CALL)
    made.put(at(14, 42, 5), "1.20", "1.20", occ=CALL)
    return Plan(market=made, acts=[holding()], end=at(14, 46), complaints=lambda lab: holds(lab, {CALL: 4}))


def peak_nobody_bids() -> Plan:
    """Let the ask alone rise to an armed trailing stop: no peak, so its fall sells nothing."""
    made = market()
    made.put(at(14, 42), "1.60", "1.95", occ=CALL)
    made.put(at(14, 43), "1.40", "1.42", occ=CALL)
    made.put(at(14, 43, 20), "1.30", "1.32", occ=CALL)
    return Plan(market=made, acts=[holding()], end=at(14, 46), complaints=lambda lab: holds(lab, {CALL: 4}))


def trailing_stop_beside_a_wide_spread() -> Plan:
    """Arm the trailing stop, widen the spread, then fall: the stop stays where it was."""
    made = market()
    made.put(at(14, 41), "1.90", "1.92", occ=CALL)
    made.put(at(14, 42), "1.78", "2.00", occ=CALL)
    made.put(at(14, 43), "1.71", "1.73", occ=CALL)
    trail = ExitReason.TRAILING_STOP.value
    return Plan(market=made, acts=[holding()], end=at(14, 46), complaints=lambda lab: flat(lab, reason=trail))


def stop_after_an_unseen_sale() -> Plan:
    """Let a person sell one of four, unseen, just before the stop: it sells the three there are."""

    def sell(lab: Lab) -> None:
        lab.oracles[LARGE.id].trade_by_hand(Occ(CALL), -1, to_usd4("0.85"))

    def complaints(lab: Lab) -> list[str]:
        sold = filled(lab, Purpose.EXIT)
        return flat(lab) + ([] if sold == 3 else [f"expected 3 sold, was {sold}"])

    made = market()
    made.put(at(14, 41), "0.85", "0.90", occ=CALL)
    return Plan(
        market=made,
        acts=[
            holding(),
            Act(at=at(14, 41, 5), do=sell, done=lambda lab: bool(lab.oracles[LARGE.id].book.activities)),
        ],
        end=at(14, 46),
        script={"activities": [None, *[Kind.EMPTY_LIST] * 9]},
        complaints=complaints,
    )


def stop_beside_a_working_entry() -> Plan:
    """Meet the stop with half of an entry still resting: the rest is cancelled first, the half sold."""
    made = market("1.20", "1.20", size=2)
    made.put(at(14, 40, 5), "0.85", "0.90", occ=CALL, size=0)
    made.put(at(14, 40, 40), "0.85", "0.90", occ=CALL)
    return Plan(market=made, acts=[signal()], end=at(14, 43), complaints=lambda lab: flat(lab, reason=STOP))


def stop_that_recovers() -> Plan:
    """Meet the stop while nobody buys, then see the price come back: sold all the same."""
    made = market()
    made.put(at(14, 41), "0.85", "0.90", occ=CALL, size=0)
    made.put(at(14, 42), "1.20", "1.25", occ=CALL)
    return Plan(market=made, acts=[holding()], end=at(14, 45), complaints=lambda lab: flat(lab, reason=STOP))


def single_contract_at_its_target() -> Plan:
    """Hold one contract at +50 %: sold whole."""
    made = market()
    made.put(at(14, 41), "1.82", "1.86", occ=CALL)
    target = ExitReason.PROFIT_TARGET.value
    return Plan(
        market=made, acts=[holding(1)], end=at(14, 44), complaints=lambda lab: flat(lab, reason=target)
    )


def target_nobody_bids() -> Plan:
    """Let the mark reach +50 % beside a bid that does not: held."""
    made = market()
    made.put(at(14, 41), "1.66", "1.98", occ=CALL)
    return Plan(market=made, acts=[holding(1)], end=at(14, 44), complaints=lambda lab: holds(lab, {CALL: 1}))


def day_trade_without_a_quote() -> Plan:
    """Lose every quote of a day trade before its last five minutes: its exit is decided all the same."""
    near = "META260305C00500000"
    made = market(occ=near)
    made.put(at(14, 50), None, None, occ=near)

    def complaints(lab: Lab) -> list[str]:
        held = lab.ledger(LARGE.id).open_positions
        reasons = [position.exit and position.exit.reason for position in held]
        return [] if reasons == [ExitReason.EOD_FLAT] else [f"expected eod_flat decided, was {reasons}"]

    return Plan(
        market=made,
        acts=[signal(strategy=Strategy.DAY)],
        idle_from=at(14, 48),
        idle_until=at(20, 52),
        end=at(20, 59),
        complaints=complaints,
    )


def stop_in_a_crossed_market() -> Plan:
    """Quote a bid above the ask below the stop's level: no price to decide from; held."""
    made = market()
    made.put(at(14, 42), "0.90", "0.80", occ=CALL)
    made.put(at(14, 50), "1.20", "1.20", occ=CALL)
    return Plan(market=made, acts=[holding()], end=at(14, 52), complaints=lambda lab: holds(lab, {CALL: 4}))


MARKS = (
    endless_rejections,
    bad_tick,
    one_low_read,
    peak_nobody_bids,
    trailing_stop_beside_a_wide_spread,
    stop_after_an_unseen_sale,
    stop_beside_a_working_entry,
    stop_that_recovers,
    single_contract_at_its_target,
    target_nobody_bids,
    day_trade_without_a_quote,
    stop_in_a_crossed_market,
)
