"""Processes that die before or after their n-th effect, and what then goes on. Shell."""

from collections.abc import Callable
from dataclasses import dataclass, replace

EFFECTS_OF_BROKER = ("submit", "cancel")


class Crash(BaseException):
    """The process is gone; nothing may catch it."""


class Fuse:
    """Burns at the n-th point: each commit and each order call has one before it and one after it."""

    def __init__(self, at: int | None = None) -> None:
        self.at = at
        self.points = 0

    def point(self) -> None:
        self.points += 1
        if self.points == self.at:
            raise Crash

    def guard(self, call: Callable) -> Callable:
        def guarded(*args, **named):
            self.point()
            result = call(*args, **named)
            self.point()
            return result

        return guarded

    def wrap(self, desk):
        """Put the fuse around a desk's effects."""
        return replace(
            desk,
            store=_Guarded(desk.store, {"commit": self.guard_commit(desk.store.commit)}),
            broker=_Guarded(
                desk.broker, {name: self.guard(getattr(desk.broker, name)) for name in EFFECTS_OF_BROKER}
            ),
        )

    def guard_commit(self, commit: Callable) -> Callable:
        def guarded(account, bodies, *, at):
            # Nothing is written for no bodies: there is nothing to die around.
            return self.guard(commit)(account, bodies, at=at) if bodies else commit(account, bodies, at=at)

        return guarded


class _Guarded:
    def __init__(self, inner, guarded) -> None:
        self._inner = inner
        self._guarded = guarded

    def __getattr__(self, name):
        return self._guarded.get(name) or getattr(self._inner, name)


@dataclass(frozen=True)
class Step:
    """One thing a process does at an instant; `done` tells that it need not be done again."""

    at: object
    act: Callable
    done: Callable = lambda _: False


def live_through(rig, steps, fuse: Fuse) -> int:
    """Run the steps; a process that dies is followed by a fresh one. Gives the number of crashes."""
    rig.wrap = fuse.wrap
    crashes = 0
    for step in steps:
        rig.clock.move_to(step.at)
        while not step.done(rig):
            try:
                step.act(rig)
                break
            except Crash:
                crashes += 1
                rig.wrap = None
                rig.start()
                rig.wrap = fuse.wrap
    return crashes
