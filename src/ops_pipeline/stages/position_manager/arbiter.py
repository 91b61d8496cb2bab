"""Chooses, from every trigger of a position, the one thing to do this cycle. Pure."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from ops_pipeline.domain.accounts import ControlLevel
from ops_pipeline.domain.positions import ExitDecision, ExitReason, Held, Marks
from ops_pipeline.domain.rules import ExitRules
from ops_pipeline.domain.units import Contracts, kernel
from ops_pipeline.stages.position_manager import exit_kernels as k
from ops_pipeline.stages.position_manager.triggers import RANKS, Condition, Trigger, Unit, format_quantity


class ExitActionKind(StrEnum):
    """What the shell does now; at most one of these a cycle."""

    HOLD = "hold"
    SEND = "send"
    ROLL = "roll"
    CANCEL = "cancel"
    WAIT = "wait"
    WITHDRAW = "withdraw"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitAction:
    """The one action: send `qty`, start a roll, cancel the working order, wait, withdraw or hold.

    `decision` is the one that stands after it; where it differs from the position's it is stored before
    anything is sent. A CANCEL is followed by SEND once the cancelled order is terminal and booked.
    """

    kind: ExitActionKind
    decision: ExitDecision | None
    qty: Contracts
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What holds apart from triggers: contracts held, kill level, and the exit under way.

    `keep` is what a person wants left of it at most (None: no wish); `working` the reason of the live
    exit order or unfinished roll, None where none lives; `roll_waits` that no roll is to be planned now,
    which leaves the position to its other rules.
    """

    at: datetime
    qty: Contracts
    control: ControlLevel
    current: ExitDecision | None
    working: ExitReason | None
    roll_waits: bool = False
    keep: Contracts | None = None


class ExitChoice(NamedTuple):
    """The met rule of highest rank: its rank (0: none) and the contracts to sell."""

    rank: int
    qty: int


def arbitrate(triggers: tuple[Trigger, ...], standing: Standing) -> ExitAction:
    """Pick the action: the first met rank wins, a latched decision stays, a higher rank pre-empts.

    Under HARD_STOP nothing is sent or cancelled; under FLATTEN everything held is sold first of all.
    """
    current = standing.current
    if standing.control is ControlLevel.HARD_STOP:
        return _action(ExitActionKind.HOLD, current, 0, "hard stop: no exit is sent")
    best = _best(triggers, standing)
    if standing.working is not None:
        return _beside_working(best, standing, standing.working)
    if standing.qty <= 0:
        return _action(ExitActionKind.HOLD, current, 0, "nothing held")
    if current is not None and current.latched and (best is None or best.rank >= current.rank):
        return _action(ExitActionKind.SEND, current, standing.qty, f"{current.reason} is latched")
    if best is None:
        if current is None:
            return _action(ExitActionKind.HOLD, None, 0, "no rule is met")
        return _action(ExitActionKind.WITHDRAW, None, 0, f"{current.reason} no longer holds")
    kept = current is not None and current.reason is best.reason
    decision = current if kept else _decide(best, standing)
    kind = ExitActionKind.ROLL if best.reason is ExitReason.ROLL else ExitActionKind.SEND
    return _action(kind, decision, min(best.qty, standing.qty), best.message)


def kill_trigger(standing: Standing) -> Trigger:
    """Give the kill level's finding: met at FLATTEN, for everything held."""
    level = Condition(
        name="kill level",
        value=int(standing.control),
        level=int(ControlLevel.FLATTEN),
        unit=Unit.COUNT,
        at_least=True,
    )
    return Trigger(
        reason=ExitReason.KILL,
        met=standing.control is ControlLevel.FLATTEN and standing.qty > 0,
        qty=standing.qty,
        conditions=(level,),
        message=f"Kill level {standing.control.name}",
        skipped="" if standing.qty > 0 else "nothing held",
    )


def manual_trigger(standing: Standing) -> Trigger:
    """Give a person's finding: met while more is held than they want kept.

    A latched exit sells everything as it is, and is not undone for less.
    """
    keep = standing.qty if standing.keep is None else standing.keep
    latched = standing.current is not None and standing.current.latched
    held = Condition(name="held", value=standing.qty, level=keep + 1, unit=Unit.CONTRACTS, at_least=True)
    return Trigger(
        reason=ExitReason.MANUAL,
        met=standing.qty > keep and not latched,
        qty=max(0, standing.qty - keep),
        conditions=(held,),
        message=f"A person wants {keep} of {standing.qty} kept",
        skipped="" if standing.keep is not None else "nobody asked",
    )


@kernel
def first_exit(held: Held, marks: Marks, rules: ExitRules) -> ExitChoice:
    """Choose what an idle position does now: the first rank met, as `arbitrate` does, in numbers alone."""
    if k.is_expiry_cutoff(held, marks, rules):
        return ExitChoice(2, held.qty)
    if k.is_eod_flat(held, marks, rules):
        return ExitChoice(3, held.qty)
    if k.is_stop_loss(held, marks, rules):
        return ExitChoice(4, held.qty)
    if k.is_trailing_stop(held, marks, rules):
        return ExitChoice(5, held.qty)
    sale = k.ladder_sale(held, marks, rules)
    if sale.qty > 0:
        return ExitChoice(6, sale.qty)
    return _later_exit(held, marks, rules)


@kernel
def _later_exit(held: Held, marks: Marks, rules: ExitRules) -> ExitChoice:
    """Choose among the ranks after the ladder."""
    if k.is_profit_target(held, marks, rules):
        return ExitChoice(7, held.qty)
    if k.is_underlying_target(held, marks, rules):
        return ExitChoice(8, held.qty)
    if k.is_event_exit(held, marks, rules):
        return ExitChoice(9, held.qty)
    if k.is_theta_risk(held, marks, rules):
        return ExitChoice(10, held.qty)
    if k.is_roll_due(held, marks, rules):
        return ExitChoice(11, held.qty)
    if k.is_max_hold(held, rules):
        return ExitChoice(12, held.qty)
    return ExitChoice(0, 0)


def _best(triggers: tuple[Trigger, ...], standing: Standing) -> Trigger | None:
    met = [
        trigger
        for trigger in (kill_trigger(standing), manual_trigger(standing), *triggers)
        if trigger.met and trigger.qty > 0 and not (trigger.reason is ExitReason.ROLL and standing.roll_waits)
    ]
    return min(met, key=lambda trigger: trigger.rank, default=None)


def _beside_working(best: Trigger | None, standing: Standing, working: ExitReason) -> ExitAction:
    """Cancel the working exit for a higher rank; otherwise let it work."""
    decision = standing.current
    first = min(RANKS[working], decision.rank if decision else RANKS[working])
    if best is not None and best.rank < first:
        decision = _decide(best, standing)
    if decision is not None and decision.rank < RANKS[working]:
        return _action(ExitActionKind.CANCEL, decision, 0, f"{decision.reason} pre-empts {working}")
    return _action(ExitActionKind.WAIT, decision, 0, f"{working} is working")


def _decide(trigger: Trigger, standing: Standing) -> ExitDecision:
    return ExitDecision(
        reason=trigger.reason,
        rank=trigger.rank,
        qty=min(trigger.qty, standing.qty),
        latched=trigger.latches,
        at=standing.at,
        level=format_quantity(trigger.level, trigger.unit),
        observed=format_quantity(trigger.value, trigger.unit),
        message=trigger.message,
    )


def _action(kind: ExitActionKind, decision: ExitDecision | None, qty: Contracts, why: str) -> ExitAction:
    return ExitAction(kind=kind, decision=decision, qty=qty, why=why)
