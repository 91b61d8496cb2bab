"""Where a position rolls to, and how its saga moves from state to state. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from ops_pipeline.domain.instruments import OptionContract
from ops_pipeline.domain.rules import RollRules
from ops_pipeline.domain.units import Contracts, Occ, round_event_float


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A listed contract after the entry filters: `delta` None if unknown, `refused` "" if it passed."""

    contract: OptionContract
    delta: float | None
    refused: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Successor:
    """The contract to roll into and why it was chosen."""

    contract: OptionContract
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NoSuccessor:
    """Why there is nothing to roll into; the old position stays under its other rules."""

    reason: str


def select_successor(
    old: OptionContract,
    candidates: Iterable[Candidate],
    *,
    entry_delta: float | None,
    target: date,
    rules: RollRules,
) -> Successor | NoSuccessor:
    """Choose the successor: same strike if its delta fits, else the strike nearest the entry's delta.

    Only the listed expiry nearest `target` is considered; of two as near, the later one.
    """
    like = [item for item in candidates if _continues(item.contract, old)]
    expiration = select_expiration([item.contract.expiration for item in like], target=target, rules=rules)
    if expiration is None:
        window = f"{rules.days_before} days before to {rules.days_after} after {target}"
        return NoSuccessor(reason=f"no listed expiry from {window}")
    listed = [item for item in like if item.contract.expiration == expiration]
    same = next((item for item in listed if item.contract.strike == old.strike), None)
    objection = _objection(same, rules)
    if same is not None and not objection:
        return Successor(contract=same.contract, why=f"same strike, expiry {expiration}")
    return _nearest_delta(listed, entry_delta, objection, expiration)


def select_expiration(listed: Iterable[date], *, target: date, rules: RollRules) -> date | None:
    """Choose the listed expiry nearest `target` within the window, the later of two as near."""
    first, last = target - timedelta(days=rules.days_before), target + timedelta(days=rules.days_after)
    inside = sorted(day for day in listed if first <= day <= last)
    return min(inside, key=lambda day: (abs((day - target).days), -day.toordinal()), default=None)


def _continues(contract: OptionContract, old: OptionContract) -> bool:
    """Tell whether a contract is the old one's kind, later and standard."""
    alike = (contract.underlying, contract.right, contract.multiplier) == (
        old.underlying,
        old.right,
        old.multiplier,
    )
    return alike and not contract.adjusted and contract.expiration > old.expiration


def _objection(same: Candidate | None, rules: RollRules) -> str:
    if same is None:
        return "same strike is not listed"
    if same.delta is None:
        return "same strike has no delta"
    if not rules.delta_low <= abs(same.delta) <= rules.delta_high:
        return f"same strike has delta {same.delta:.2f}, outside {rules.delta_low:.2f}-{rules.delta_high:.2f}"
    return f"same strike refused: {same.refused}" if same.refused else ""


def _nearest_delta(
    listed: list[Candidate], entry_delta: float | None, objection: str, expiration: date
) -> Successor | NoSuccessor:
    """Choose among what passed the filters; of two as near, the smaller |delta|, the cheaper one."""
    if entry_delta is None:
        return NoSuccessor(reason=f"{objection}; the entry's delta is unknown")
    wanted = abs(entry_delta)
    ranked = sorted(
        (round_event_float(abs(abs(item.delta) - wanted)), abs(item.delta), item.contract.occ)
        for item in listed
        if not item.refused and item.delta is not None
    )
    if not ranked:
        return NoSuccessor(reason=f"{objection}; no contract of {expiration} passes the filters")
    _, delta, occ = ranked[0]
    by_symbol: Mapping[Occ, OptionContract] = {item.contract.occ: item.contract for item in listed}
    why = f"{objection}; |delta| {delta:.2f} is nearest the entry's {wanted:.2f}, expiry {expiration}"
    return Successor(contract=by_symbol[occ], why=why)


class RollState(StrEnum):
    """The saga's states (RULEBOOK 4); the last three are final."""

    PLANNED = "planned"
    CLOSING = "closing"
    CLOSED = "closed"
    OPENING = "opening"
    DONE = "done"
    CLOSED_ONLY = "closed_only"
    ABORTED = "aborted"

    @property
    def is_final(self) -> bool:
        """Tell whether the saga has ended."""
        return self in (RollState.DONE, RollState.CLOSED_ONLY, RollState.ABORTED)


ROLL_TRANSITIONS: Mapping[RollState, tuple[RollState, ...]] = {
    RollState.PLANNED: (RollState.CLOSING, RollState.ABORTED),
    RollState.CLOSING: (RollState.CLOSED, RollState.DONE, RollState.ABORTED),
    RollState.CLOSED: (RollState.OPENING, RollState.CLOSED_ONLY),
    RollState.OPENING: (RollState.DONE, RollState.CLOSED_ONLY),
    RollState.DONE: (),
    RollState.CLOSED_ONLY: (),
    RollState.ABORTED: (),
}


class LegState(StrEnum):
    """An order of the saga: not yet intended, possibly alive (unknown counts), or terminal and booked."""

    ABSENT = "absent"
    LIVE = "live"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class RollLeg:
    """One order of the saga and the contracts booked from it."""

    state: LegState = LegState.ABSENT
    filled: Contracts = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RollFacts:
    """What the ledger knows of a saga. `close` is the two-leg order where `two_leg`.

    `allowed` is the verdict of the gates for the order that would come next; `preempted` tells that
    an exit of higher rank, or the kill level, wants the old position.
    """

    planned: Contracts
    two_leg: bool
    close: RollLeg
    open: RollLeg
    allowed: bool
    preempted: bool = False


class RollAct(StrEnum):
    """What the shell does once the new state is stored."""

    NOTHING = "nothing"
    SEND_TWO_LEG = "send_two_leg"
    SEND_CLOSE = "send_close"
    SEND_OPEN = "send_open"


@dataclass(frozen=True, slots=True, kw_only=True)
class RollStep:
    """The saga's state after this step, what to do then, for how many contracts, and why.

    Storing the step and acting on it may be repeated after a crash: the orders' ids are functions of
    the roll and its leg, and the next step is a function of state and facts alone.
    """

    state: RollState
    act: RollAct
    qty: Contracts
    reason: str


def next_step(state: RollState, facts: RollFacts) -> RollStep:
    """Move a saga on by one state, or stay where an order has yet to end.

    No fill of the closing order aborts: the old position stays under its other rules. What was closed
    is opened anew, or the saga ends closed_only.
    """
    match state:
        case RollState.PLANNED:
            return _from_planned(facts)
        case RollState.CLOSING:
            return _from_closing(facts)
        case RollState.CLOSED:
            return _from_closed(facts)
        case RollState.OPENING:
            return _from_opening(facts)
        case RollState.DONE | RollState.CLOSED_ONLY | RollState.ABORTED:
            return _step(state, reason="the saga has ended")


def _from_planned(facts: RollFacts) -> RollStep:
    if facts.preempted:
        return _step(RollState.ABORTED, reason="an exit of higher rank comes first")
    if not facts.allowed:
        return _step(RollState.ABORTED, reason="the successor was refused")
    act = RollAct.SEND_TWO_LEG if facts.two_leg else RollAct.SEND_CLOSE
    return _step(RollState.CLOSING, act, facts.planned, "the old contract is sold first")


def _from_closing(facts: RollFacts) -> RollStep:
    match facts.close.state:
        case LegState.ABSENT if facts.preempted:
            return _step(RollState.ABORTED, reason="an exit of higher rank comes first")
        case LegState.ABSENT if not facts.allowed:
            return _step(RollState.ABORTED, reason="the successor was refused")
        case LegState.ABSENT:  # stored, but the process died before its order was intended
            act = RollAct.SEND_TWO_LEG if facts.two_leg else RollAct.SEND_CLOSE
            return _step(RollState.CLOSING, act, facts.planned, "the order was never intended")
        case LegState.LIVE:
            return _step(RollState.CLOSING, reason="the closing order is alive")
        case LegState.ENDED if not facts.close.filled:
            return _step(RollState.ABORTED, reason="no fill, the old position stays")
        case LegState.ENDED:
            part = f"{facts.close.filled} of {facts.planned}"
            after = RollState.DONE if facts.two_leg else RollState.CLOSED
            verb = "rolled" if facts.two_leg else "closed"
            return _step(after, qty=facts.close.filled, reason=f"{verb} {part}")


def _from_closed(facts: RollFacts) -> RollStep:
    if not facts.allowed or facts.preempted:
        return _step(RollState.CLOSED_ONLY, reason="the recheck refused the successor")
    return _step(RollState.OPENING, RollAct.SEND_OPEN, facts.close.filled, "the successor is bought")


def _from_opening(facts: RollFacts) -> RollStep:
    match facts.open.state:
        case LegState.ABSENT if not facts.allowed or facts.preempted:
            return _step(RollState.CLOSED_ONLY, reason="the recheck refused the successor")
        case LegState.ABSENT:
            return _step(
                RollState.OPENING, RollAct.SEND_OPEN, facts.close.filled, "the order was never intended"
            )
        case LegState.LIVE:
            return _step(RollState.OPENING, reason="the opening order is alive")
        case LegState.ENDED if not facts.open.filled:
            return _step(RollState.CLOSED_ONLY, reason="the successor did not fill")
        case LegState.ENDED:
            reason = f"rolled {facts.open.filled} of {facts.planned}"
            return _step(RollState.DONE, qty=facts.open.filled, reason=reason)


def _step(state: RollState, act: RollAct = RollAct.NOTHING, qty: Contracts = 0, reason: str = "") -> RollStep:
    return RollStep(state=state, act=act, qty=qty, reason=reason)
