"""A rehearsal of the kill switch on the simulator: each level in turn, over the real services. Shell."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from ops_pipeline.domain.accounts import ControlLevel
from ops_pipeline.domain.controls import Act as Asked
from ops_pipeline.domain.controls import Answered, Request
from ops_pipeline.domain.orders import BrokerOrder, Side
from ops_pipeline.engine.requests import serve
from ops_pipeline.verify.crash import open_lab, run_on
from ops_pipeline.verify.fuse import Fuse
from ops_pipeline.verify.lab import Act, Lab
from ops_pipeline.verify.market import at
from ops_pipeline.verify.scenario import CALL, LARGE, OTHER, Plan, holding, market, signal
from ops_pipeline.verify.terms import LabBook

LEVELS = tuple(level for level in ControlLevel if level is not ControlLevel.NORMAL)
THIRD = "NVDA260410C00500000"
_RAISE, _TOO_EARLY, _NEXT_SIGNAL = at(14, 40, 12), at(14, 40, 30), at(14, 41)
_FALL, _RESTART, _LOWER, _END = at(14, 42), at(14, 43), at(14, 44), at(14, 46)
# What is held and one entry fit under the cap of dollar delta.
_HELD, _SMALL_DELTA = 2, 0.26
_CANCELLED_WITHIN = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Seen:
    """One thing that was rehearsed at a level: whether it went as it must, and what was seen."""

    level: str
    check: str
    passed: bool
    seen: str


@dataclass(slots=True)
class _Rehearsal:
    """What was noted: entries at the broker when the level rose and 5 s later, why one was refused."""

    level: ControlLevel
    before: int = 0
    after: int = 0
    suspended: bool = False
    refused: str = ""
    held: int = 0
    restarted_at: ControlLevel = ControlLevel.NORMAL
    answers: dict[str, Answered] = field(default_factory=dict)

    def asked(self, name: str, when: datetime, level: ControlLevel) -> Act:
        """Let a person ask for a level, as `ops kill` does."""

        def do(lab: Lab) -> None:
            now = lab.clock.now()
            request = Request(
                id=name, act=Asked.LEVEL, asked_at=now, actor="drill", reason="a drill", level=level
            )
            self.answers[name] = serve(request, lab.process.wiring, now=now, wall=now)

        return Act(at=when, do=do)

    def note_before(self, lab: Lab) -> None:
        """Count the entries that rest at the broker."""
        self.before = sum(not order.status.is_terminal for order in _bought(lab))

    def note_after(self, lab: Lab) -> None:
        """Count them again, and note whether the broker itself takes orders."""
        self.after = sum(not order.status.is_terminal for order in _bought(lab))
        self.suspended = lab.oracles[LARGE.id].book.suspended

    def restart(self, lab: Lab) -> None:
        """Note what is held by now, start another process, note the level it finds."""
        session = lab.clock.now().date()
        verdicts = lab.store.verdicts(LARGE.id, session=session).values()
        self.refused = next((row.reason for row in verdicts if row.ticker == "NVDA"), "never judged")
        self.held = lab.ledger(LARGE.id).held().get(CALL, 0)
        lab.start()
        self.restarted_at = lab.ledger(LARGE.id).control


def _bought(lab: Lab, *, since: datetime | None = None) -> list[BrokerOrder]:
    return [
        order
        for order in lab.oracles[LARGE.id].book.orders.values()
        if any(leg.side is Side.BUY_TO_OPEN for leg in order.legs)
        and (since is None or order.submitted_at > since)
    ]


def rehearse(book: LabBook) -> Sequence[Seen]:
    """Rehearse every level, each on a run of its own; give what was seen, level by level."""
    return [seen for level in LEVELS for seen in _rehearse(book, level)]


def _rehearse(book: LabBook, level: ControlLevel) -> list[Seen]:
    """Hold one position, let one entry rest, raise the level, offer another entry, let the stop be met."""
    made = market()
    made.put(at(14, 30), "1.20", "1.25", occ=OTHER, size=0, delta=_SMALL_DELTA)
    made.put(at(14, 30), "1.20", "1.20", occ=THIRD, delta=_SMALL_DELTA)
    made.put(_FALL, "0.85", "0.90", occ=CALL)
    noted = _Rehearsal(level)
    plan = Plan(
        market=made,
        acts=[
            holding(_HELD),
            signal(ticker="XOM"),
            Act(at=_RAISE, do=noted.note_before),
            noted.asked("raise", _RAISE, level),
            Act(at=_RAISE + _CANCELLED_WITHIN, do=noted.note_after),
            noted.asked("too early", _TOO_EARLY, ControlLevel.NORMAL),
            signal(_NEXT_SIGNAL, "NVDA"),
            Act(at=_RESTART, do=noted.restart),
            noted.asked("lower", _LOWER, ControlLevel.NORMAL),
        ],
        end=_END,
    )
    with TemporaryDirectory() as folder:
        lab = open_lab(plan, book, Path(folder), Fuse())
        objections = run_on(lab, plan)
        seen = [Seen(level.name, *check(lab, noted)) for check in _CHECKS]
        lab.close()
    judged = Seen(level.name, "every invariant holds", not objections, "; ".join(objections) or "yes")
    return [*seen, judged]


_Found = tuple[str, bool, str]


def _no_entry(lab: Lab, noted: _Rehearsal) -> _Found:
    started = sum(order.submitted_at < _LOWER for order in _bought(lab, since=_RAISE))
    # A broker that takes no order says so before the level is asked.
    gate = "account" if noted.level is ControlLevel.HARD_STOP else "control"
    passed = not started and noted.refused == gate
    return "no entry starts", passed, f"{started} started, a signal was refused by {noted.refused}"


def _working(_: Lab, noted: _Rehearsal) -> _Found:
    kept = noted.level is ControlLevel.REDUCE_ONLY
    passed = (noted.before, noted.after) == (1, 1 if kept else 0)
    name = f"a working entry is {'kept' if kept else 'cancelled'}"
    return name, passed, f"{noted.before} rested, {noted.after} 5 s later"


def _exits(lab: Lab, noted: _Rehearsal) -> _Found:
    closed = [p.close_reason for p in lab.ledger(LARGE.id).positions.values() if p.sold]
    reasons, left = ", ".join(closed) or "nothing", noted.held
    if noted.level is ControlLevel.HARD_STOP:
        sent = [
            order
            for order in lab.oracles[LARGE.id].book.orders.values()
            if _RAISE < order.submitted_at < _LOWER
        ]
        return "nothing is sent", not sent and left > 0, f"{len(sent)} orders, {left} still held"
    wanted = "kill" if noted.level is ControlLevel.FLATTEN else "option_stop_loss"
    name = "everything is sold" if noted.level is ControlLevel.FLATTEN else "exits go on"
    return name, closed == [wanted] and not left, f"closed by {reasons}, {left} held"


def _suspended(_: Lab, noted: _Rehearsal) -> _Found:
    wanted = noted.level is ControlLevel.HARD_STOP
    name = f"the broker itself takes {'no order' if wanted else 'orders'}"
    return name, noted.suspended is wanted, "suspended" if noted.suspended else "not suspended"


def _restart(_: Lab, noted: _Rehearsal) -> _Found:
    return "survives a restart", noted.restarted_at is noted.level, noted.restarted_at.name


def _too_early(_: Lab, noted: _Rehearsal) -> _Found:
    answer = noted.answers["too early"].answers[0]
    return (
        "lowering waits for the cool-down",
        not answer.done and "since it was raised" in answer.text,
        answer.text,
    )


def _lower(_: Lab, noted: _Rehearsal) -> _Found:
    answer = noted.answers["lower"].answers[0]
    return "lowered after it, reconciled", answer.done, answer.text


_CHECKS: tuple[Callable[[Lab, _Rehearsal], _Found], ...] = (
    _no_entry,
    _working,
    _exits,
    _suspended,
    _restart,
    _too_early,
    _lower,
)
