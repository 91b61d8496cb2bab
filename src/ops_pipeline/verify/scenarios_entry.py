"""Scenarios of entries: filled, walked, in parts, refused, abandoned, turned up late. Pure."""

from datetime import timedelta

from ops_pipeline.domain.accounts import ControlLevel
from ops_pipeline.domain.events import OrderSettled
from ops_pipeline.domain.orders import OrderState, Purpose
from ops_pipeline.verify.kinds import Kind
from ops_pipeline.verify.lab import Lab
from ops_pipeline.verify.market import at
from ops_pipeline.verify.scenario import (
    CALL,
    LARGE,
    OTHER,
    PAIR,
    Plan,
    filled,
    flat,
    holds,
    level,
    market,
    signal,
    states,
)

# A signal that is over before an unknown order was asked for twice.
_SHORT = timedelta(seconds=4)
_SHORTER = timedelta(seconds=1)
STOP = "option_stop_loss"


def entry_and_stop() -> Plan:
    """Buy at once, sell at the stop."""
    made = market()
    made.put(at(14, 41), "0.85", "0.90", occ=CALL)
    return Plan(market=made, acts=[signal()], end=at(14, 43), complaints=lambda lab: flat(lab, reason=STOP))


def repriced_entry() -> Plan:
    """Buy on the third step of the walk to the ask, sell at the stop."""
    made = market("1.20", "1.25")
    made.put(at(14, 42), "0.85", "0.90", occ=CALL)
    return Plan(market=made, acts=[signal()], end=at(14, 44), complaints=lambda lab: flat(lab, reason=STOP))


def partial_entry() -> Plan:
    """Buy two of four, then the rest of the walk brings nothing; sell the two at the stop."""
    made = market("1.20", "1.20", size=2)
    made.put(at(14, 40, 5), "1.25", "1.30", occ=CALL, size=0)
    made.put(at(14, 42), "0.85", "0.90", occ=CALL)

    def complaints(lab: Lab) -> list[str]:
        bought = filled(lab, Purpose.ENTRY)
        return flat(lab, reason=STOP) + ([] if bought == 2 else [f"expected 2 bought, was {bought}"])

    return Plan(market=made, acts=[signal()], end=at(14, 44), complaints=complaints)


def unfilled_entry() -> Plan:
    """Nobody sells: the entry is given up after its time."""
    made = market("1.20", "1.25", size=0)
    return Plan(
        market=made,
        acts=[signal()],
        end=at(14, 46, 30),
        complaints=lambda lab: holds(lab, {}),
    )


def rejected_entry() -> Plan:
    """Let the broker refuse the entry."""
    return Plan(
        market=market(),
        acts=[signal()],
        end=at(14, 46, 30),
        script={"submit": [Kind.REJECTED] * 20},
        complaints=lambda lab: holds(lab, {}),
    )


def entry_answer_lost() -> Plan:
    """Lose the answer to an accepted entry: found, managed, stopped."""
    made = market()
    made.put(at(14, 41), "0.85", "0.90", occ=CALL)
    return Plan(
        market=made,
        acts=[signal()],
        end=at(14, 43),
        script={"submit": [Kind.LOST_RESPONSE]},
        complaints=lambda lab: flat(lab, reason=STOP),
    )


def entry_refused_for_the_rate() -> Plan:
    """429, then the same order again; stopped."""
    made = market()
    made.put(at(14, 42), "0.85", "0.90", occ=CALL)
    return Plan(
        market=made,
        acts=[signal()],
        end=at(14, 44),
        script={"submit": [Kind.RATE_LIMITED, Kind.RATE_LIMITED]},
        complaints=lambda lab: flat(lab, reason=STOP),
    )


def reduce_only_refuses_entries() -> Plan:
    """At level 1 a second signal is refused; what was bought keeps its stop."""
    made = market()
    made.put(at(14, 30), "1.20", "1.20", occ=OTHER)
    made.put(at(14, 42), "0.85", "0.90", occ=CALL)
    return Plan(
        market=made,
        acts=[signal(), level(ControlLevel.REDUCE_ONLY, at(14, 40, 40)), signal(at(14, 41), "XOM")],
        end=at(14, 44),
        complaints=lambda lab: flat(lab, reason=STOP),
    )


def cancel_entries() -> Plan:
    """At level 2 a working entry is cancelled."""
    return Plan(
        market=market("1.20", "1.25", size=0),
        acts=[signal(), level(ControlLevel.CANCEL_ENTRIES, at(14, 40, 12))],
        end=at(14, 43, 30),
        complaints=lambda lab: holds(lab, {}),
    )


def two_accounts() -> Plan:
    """Two accounts follow one signal, each with its own broker; both are stopped."""
    made = market()
    made.put(at(14, 41), "0.85", "0.90", occ=CALL)
    return Plan(
        market=made,
        acts=[signal()],
        end=at(14, 43),
        accounts=(LARGE, PAIR),
        complaints=lambda lab: flat(lab, reason=STOP) + flat(lab, PAIR, reason=STOP),
    )


def abandoned_entry() -> Plan:
    """Lose the request while the signal passes: given up after the quarantine, nothing bought."""

    def complaints(lab: Lab) -> list[str]:
        lost = OrderState.NOT_PLACED in states(lab)
        return holds(lab, {}) + ([] if lost else [f"expected NOT_PLACED, was {states(lab)}"])

    return Plan(
        market=market(),
        acts=[signal(life=_SHORT)],
        end=at(14, 44),
        script={"submit": [Kind.LOST_REQUEST], "order": [Kind.READ_FAILED] * 4},
        complaints=complaints,
    )


def abandoned_entry_turns_up() -> Plan:
    """Let an entry given up for lost arrive after the quarantine: adopted, then sold by its rules."""
    made = market()
    made.put(at(14, 50), "0.85", "0.90", occ=CALL)

    def complaints(lab: Lab) -> list[str]:
        # A process that died before the POST has nothing that could turn up.
        arrived = bool(lab.oracles[LARGE.id].accepted)
        return flat(lab, reason=STOP) if arrived else holds(lab, {})

    return Plan(
        market=made,
        acts=[signal(life=_SHORT)],
        end=at(14, 53),
        script={"submit": [Kind.VERY_LATE_REQUEST], "order": [Kind.READ_FAILED] * 4},
        complaints=complaints,
    )


# Lists and look-ups that do not show a new order yet.
_UNSEEN = {"order": [Kind.SKEWED_ORDERS] * 3, "orders": [Kind.SKEWED_ORDERS] * 3}


def abandoned_entry_found_resting() -> Plan:
    """Give an unseen entry up for its signal has passed; it is found resting and cancelled."""
    return Plan(
        market=market("1.20", "1.25", size=0),
        acts=[signal(life=_SHORTER)],
        end=at(14, 44),
        script={"submit": [Kind.LOST_RESPONSE], **_UNSEEN},
        complaints=lambda lab: holds(lab, {}),
    )


def _stopped_or_never_sent(lab: Lab) -> list[str]:
    """Complain unless it was stopped; one whose process died before the POST outlived its signal, unsent."""
    never = not lab.oracles[LARGE.id].accepted
    return flat(lab, reason="not_filled" if never else STOP)


def abandoned_entry_found_filled() -> Plan:
    """Give an unseen entry up; it is found filled before its fills are shown, and managed to its stop."""
    made = market()
    made.put(at(14, 43), "0.85", "0.90", occ=CALL)
    return Plan(
        market=made,
        acts=[signal(life=_SHORTER)],
        end=at(14, 46),
        script={"submit": [Kind.LOST_RESPONSE], "activities": [Kind.WITHHELD_FILLS] * 4, **_UNSEEN},
        complaints=_stopped_or_never_sent,
    )


def abandoned_entry_turns_up_filled() -> Plan:
    """Let an entry given up for lost arrive and fill; its fills are shown only minutes later."""
    made = market()
    made.put(at(14, 50), "0.85", "0.90", occ=CALL)
    return Plan(
        market=made,
        acts=[signal(life=_SHORTER)],
        end=at(14, 53),
        script={"submit": [Kind.VERY_LATE_REQUEST], "activities": [Kind.WITHHELD_FILLS] * 34},
        complaints=_stopped_or_never_sent,
    )


def fills_shown_late() -> Plan:
    """Find an entry filled whose answer was lost and whose fills are shown only later; stopped."""
    made = market()
    made.put(at(14, 43), "0.85", "0.90", occ=CALL)
    return Plan(
        market=made,
        acts=[signal()],
        end=at(14, 46),
        script={"submit": [Kind.LOST_RESPONSE], "activities": [Kind.WITHHELD_FILLS] * 2},
        complaints=lambda lab: flat(lab, reason=STOP),
    )


def fills_never_shown_in_time() -> Plan:
    """Wait longer for an order's fills than a broker may take: quarantined, until they come after all."""

    def complaints(lab: Lab) -> list[str]:
        settled = [event.body for event in lab.store.events(LARGE.id) if isinstance(event.body, OrderSettled)]
        waited = any(body.state == OrderState.QUARANTINED for body in settled)
        right = waited and states(lab) == [OrderState.FILLED]
        return [] if right else [f"expected QUARANTINED, then FILLED, was {states(lab)}"]

    return Plan(
        market=market(),
        acts=[signal()],
        end=at(14, 46),
        script={"activities": [None, Kind.MISSING_FILLS, Kind.MISSING_FILLS]},
        complaints=complaints,
    )


ENTRIES = (
    entry_and_stop,
    repriced_entry,
    partial_entry,
    unfilled_entry,
    rejected_entry,
    entry_answer_lost,
    entry_refused_for_the_rate,
    reduce_only_refuses_entries,
    cancel_entries,
    two_accounts,
    abandoned_entry,
    abandoned_entry_turns_up,
    abandoned_entry_found_resting,
    abandoned_entry_found_filled,
    abandoned_entry_turns_up_filled,
    fills_shown_late,
    fills_never_shown_in_time,
)
