"""One position as a cycle saw it, and what of that is written down. Pure."""

from dataclasses import dataclass
from datetime import datetime

from ops_pipeline.domain import events as e
from ops_pipeline.domain.market import OptionQuote
from ops_pipeline.domain.positions import Held, Position
from ops_pipeline.domain.records import Failed, PositionMark
from ops_pipeline.stages.position_manager.arbiter import ExitAction, ExitActionKind
from ops_pipeline.stages.position_manager.marks import MarkRead
from ops_pipeline.stages.position_manager.triggers import Trigger

# Behind every rank of exit.
_NO_EXIT = 99


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """One position with everything a cycle saw of it."""

    position: Position
    quote: OptionQuote | None
    read: MarkRead
    held: Held
    triggers: tuple[Trigger, ...]
    action: ExitAction


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What carrying out an action came to.

    `cancels`: a cancel was asked for, its slot may soon be free. `blocked`: it is to be tried again soon.
    """

    sent: int = 0
    failed: tuple[Failed, ...] = ()
    cancels: bool = False
    blocked: bool = False


def urgency(watched: Watched) -> tuple[int, int]:
    """Order positions by what is done for them first: the first rank of exit, then most money at stake.

    At stake is what is held at its mark, at its cost where it has none.
    """
    decision, position = watched.action.decision, watched.position
    if decision is None:
        return (_NO_EXIT, 0)
    mark = watched.read.marks.mark
    worth = mark * position.qty * position.contract.multiplier if mark >= 0 else position.basis
    return (decision.rank, -worth)


def sample_of(watched: Watched, now: datetime) -> PositionMark:
    """Give the row that shows what the position's market looked like."""
    quote, marks_seen, trust = watched.quote, watched.read.marks, watched.read.trust
    return PositionMark(
        position_id=watched.position.id,
        at=now,
        bid=quote.bid if quote else None,
        ask=quote.ask if quote else None,
        mark=marks_seen.mark if marks_seen.mark >= 0 else None,
        underlying=marks_seen.underlying if marks_seen.underlying >= 0 else None,
        trust=trust.name if trust is not None else "NO_QUOTE",
    )


def bodies_of(watched: Watched) -> list[e.EventBody]:
    """Give what must be stored before anything is done: tracking first, then the decision."""
    position, action = watched.position, watched.action
    bodies: list[e.EventBody] = []
    seen = watched.held
    armed = bool(seen.trailing_stop)
    tracked = (seen.peak, armed, seen.trailing_stop, seen.stop_count, seen.trail_count)
    known = (
        position.peak,
        position.armed,
        position.trailing_stop,
        position.stop_count,
        position.trail_count,
    )
    if tracked != known:
        mark = watched.read.marks.mark
        bodies.append(
            e.PositionMarked(
                position_id=position.id,
                mark=mark if mark >= 0 else None,
                peak=seen.peak,
                armed=armed,
                trailing_stop=seen.trailing_stop,
                stop_count=seen.stop_count,
                trail_count=seen.trail_count,
            )
        )
    if action.kind is ExitActionKind.WITHDRAW:
        bodies.append(e.ExitWithdrawn(position_id=position.id, reason=action.why))
    elif action.decision is not None and action.decision != position.exit:
        bodies.append(e.ExitDecided(position_id=position.id, decision=action.decision))
    return bodies
