"""Histories of one order id, judged: is there an order of what happened that explains every answer? Pure."""

from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

NEVER = float("inf")


class Did(Enum):
    """What a process did to an id, and what it was told; MAYBE: nothing, so it may have happened."""

    ACCEPTED = "submit: accepted"
    DUPLICATE = "submit: known already"
    REFUSED = "submit: refused"
    SUBMITTED_MAYBE = "submit: no answer"
    ABSENT = "look: absent"
    SEEN = "look: there"
    CANCELED = "cancel: done"
    CANCELED_MAYBE = "cancel: no answer"


class Call(NamedTuple):
    """One call of one process, with the machine's seconds of its beginning and its end.

    `status` ("" while the order may still trade) and `cum` are what was shown.
    """

    process: int
    did: Did
    began: float
    ended: float
    status: str = ""
    cum: int = 0

    def __str__(self) -> str:
        shown = f" {self.status or 'live'} {self.cum}" if self.did in (Did.ACCEPTED, Did.SEEN) else ""
        end = "" if self.ended == NEVER else f"{self.ended:.4f}"
        return f"{self.process} [{self.began:.4f}-{end}] {self.did.value}{shown}"


class State(NamedTuple):
    """What the broker may hold: nothing, a live order, one that ended somehow, one that ended as was shown.

    `cum` is the least that is filled.
    """

    kind: str
    status: str = ""
    cum: int = 0


_NOTHING, _LIVE, _ENDED, _SHOWN = "absent", "live", "ended", "shown"
_MAYBES = (Did.SUBMITTED_MAYBE, Did.CANCELED_MAYBE)


def is_linearizable(calls: Sequence[Call]) -> bool:
    """Tell whether {absent -> accepted -> cum* -> terminal} explains the calls of one id, at most 20 of them.

    Every call that was answered took effect between its beginning and its end; one that was not may
    have, at any time after its beginning, or never. Every order of effects is tried.
    """
    known = sum(1 << index for index, call in enumerate(calls) if call.did not in _MAYBES)
    seen: set[tuple[int, State]] = set()
    waiting = [(0, State(_NOTHING))]
    while waiting:
        done, state = waiting.pop()
        if done & known == known:
            return True
        if (done, state) in seen:
            continue
        seen.add((done, state))
        horizon = min(call.ended for index, call in enumerate(calls) if not done >> index & 1)
        for index, call in enumerate(calls):
            if not done >> index & 1 and call.began <= horizon:
                after = _after(state, call)
                if after is not None:
                    waiting.append((done | 1 << index, after))
    return False


def _after(state: State, call: Call) -> State | None:
    """Give the state after a call took effect and showed what it did; None: it could not have."""
    absent = state.kind == _NOTHING
    match call.did:
        case Did.ACCEPTED:
            return _shown(State(_LIVE), call) if absent else None
        case Did.SEEN:
            return None if absent else _shown(state, call)
        case Did.DUPLICATE:
            return None if absent else state
        case Did.REFUSED | Did.ABSENT:
            return state if absent else None
        case Did.SUBMITTED_MAYBE:
            return State(_LIVE) if absent else state
        case _:
            return None if absent else _ended(state)


def _shown(state: State, call: Call) -> State | None:
    """Let a live order fill on, or end, until it is what was shown; what ended stays as it is."""
    if state.kind == _SHOWN:
        return state if (call.status, call.cum) == (state.status, state.cum) else None
    if call.cum < state.cum or (state.kind == _ENDED and not call.status):
        return None
    return State(_SHOWN if call.status else _LIVE, call.status, call.cum)


def _ended(state: State) -> State:
    return State(_ENDED, "", state.cum) if state.kind == _LIVE else state
