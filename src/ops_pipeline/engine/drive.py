"""Moves a simulated clock through sessions and runs what is due on the way. Shell."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ops_pipeline.domain.market import Session
from ops_pipeline.engine.clock import SimulatedClock
from ops_pipeline.engine.tick import Engine
from ops_pipeline.ports import MarketData

BEFORE_OPEN = timedelta(hours=1)
AFTER_CLOSE = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Scheduled:
    """Something a person does at an instant of a simulated run; `act` gives False to be tried later."""

    at: datetime
    act: Callable[[datetime], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drive:
    """A run over sessions; `after_session` is told each session that ended."""

    engine: Engine
    clock: SimulatedClock
    sessions: Sequence[Session]
    scheduled: Sequence[Scheduled] = ()
    after_session: Callable[[Session], None] = lambda _: None


def run_continuous(drive: Drive) -> None:
    """Run sessions of a market that always has a price: from due instant to due instant."""
    for session in drive.sessions:
        now: datetime | None = max(session.open_at - BEFORE_OPEN, drive.clock.now())
        last = session.close_at + AFTER_CLOSE
        pending = [item for item in drive.scheduled if now is not None and now <= item.at <= last]
        while now is not None and now <= last:
            drive.clock.move_to(now)
            _act(pending, now)
            drive.engine.run_due(now)
            now = drive.engine.next_due(now)
        drive.engine.flush(drive.clock.now())
        drive.after_session(session)


def run_recorded(drive: Drive, market: MarketData) -> None:
    """Run sessions of a recording: the clock stops at recorded instants only."""
    for session in drive.sessions:
        now = market.next_instant(max(session.open_at, drive.clock.now()) - timedelta(seconds=1))
        pending = [item for item in drive.scheduled if session.open_at <= item.at <= session.close_at]
        while now is not None and now <= session.close_at:
            drive.clock.move_to(now)
            _act(pending, now)
            drive.engine.run_all(now)
            now = market.next_instant(now)
        if drive.clock.now() < session.close_at + timedelta(minutes=1):
            # What the close settles (orders of the day, expiries) is booked before the next session.
            drive.clock.move_to(session.close_at + timedelta(minutes=1))
            drive.engine.settle(drive.clock.now())
        drive.engine.flush(drive.clock.now())
        drive.after_session(session)


def _act(pending: list[Scheduled], now: datetime) -> None:
    """Do what is due by `now`, once each; what cannot be done yet says so and is tried again."""
    for item in [entry for entry in pending if entry.at <= now]:
        if item.act(now):
            pending.remove(item)
