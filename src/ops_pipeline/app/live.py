"""Runs the registry in real or scaled time until told to stop; a restart goes on. Shell."""

import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import FrameType

from ops_pipeline.adapters.calendar.exchange import exchange_calendar
from ops_pipeline.adapters.store.emergency import Emergency
from ops_pipeline.adapters.store.store import read_store
from ops_pipeline.app import compose, runs
from ops_pipeline.app.attend import Attendant
from ops_pipeline.app.brake import EmergencyBrake
from ops_pipeline.app.clock import WallClock, elapsed_s, sleep
from ops_pipeline.app.launch import Outcome, refuse_bad
from ops_pipeline.app.mailbox import Mailbox
from ops_pipeline.app.newsfeeds import with_feeds
from ops_pipeline.app.reopen import last_instant, saved_book
from ops_pipeline.app.settings import Settings
from ops_pipeline.app.summary import summarise
from ops_pipeline.app.upkeep import Backups, StoreWatch, refuse_full_disk
from ops_pipeline.app.winding_down import wait_for_answers
from ops_pipeline.domain.errors import MissingDataError
from ops_pipeline.domain.market import Session
from ops_pipeline.engine.clock import ScaledClock
from ops_pipeline.engine.drive import AFTER_CLOSE, BEFORE_OPEN

_LONGEST_NAP_S = 0.5
_LAST_COPY_S = 10.0


class Stop:
    """Turns SIGINT and SIGTERM into a wish to stop, looked at between two ticks; entries stop at once."""

    def __init__(self, brake: EmergencyBrake) -> None:
        """Listen from now on."""
        self.wanted = False
        self._brake = brake
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._note)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self.wanted = True
        self._brake.stop()


def run_live(
    settings: Settings,
    home: Path,
    *,
    speed: float,
    sessions: int | None,
    anew: bool,
    say: Callable[[str], None],
) -> Outcome:
    """Drive the simulated market at `speed` until stopped, or for `sessions` sessions."""
    refuse_bad(settings)
    run = _continued(home) if not anew else None
    refuse_full_disk(home if home.is_dir() else Path.cwd(), settings.host)
    run = run or runs.create_run(
        home,
        kind="run",
        label="",
        created_at=WallClock().now().isoformat(),
        settings=settings.model_dump(mode="json"),
    )
    calendar = exchange_calendar()
    clock = ScaledClock(_begin(run, settings), speed=speed, wall=WallClock())
    brake = EmergencyBrake(home, [account.id for account in settings.accounts])
    brake.listen()
    assembly = compose.assemble(
        settings,
        with_feeds(compose.simulated_market(settings, calendar), settings.news, elapsed=elapsed_s),
        database=run.database,
        clock=clock,
        label=run.id,
        book_path=lambda account: saved_book(run, account),
        brake=brake.at_once,
        emergency=Emergency(run.path, ballast_mib=settings.host.ballast_mib),
    )
    say(f"{run.id}: market time {clock.now():%Y-%m-%d %H:%M:%S} UTC, {speed:g} x; stop with Ctrl-C")
    with assembly.store:
        backups = Backups(run, settings.host, say=say, began_s=elapsed_s())
        beside = Beside(
            backups=backups,
            attendant=Attendant(assembly.wiring, Mailbox(run), brake, say=say),
            watch=StoreWatch(assembly.store, slow_s=settings.host.slow_commit_s, say=say),
        )
        try:
            done = _loop(assembly, clock, Stop(brake), sessions, say, beside=beside)
        except BaseException:
            brake.keep()
            raise
        wait_for_answers(assembly, clock, say)
        now = clock.now()
        assembly.engine.flush(now)
        assembly.wiring.store_snapshots(now)
        summary = summarise(assembly, sessions=done, elapsed_s=0.0)
    backups.finish(_LAST_COPY_S)
    runs.write_summary(run, summary)
    return Outcome(run=run, summary=summary)


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What a run does besides trading: copies, what people ask, what the database takes."""

    backups: Backups
    attendant: Attendant
    watch: StoreWatch


def _loop(
    assembly: compose.Assembly,
    clock: ScaledClock,
    stop: Stop,
    sessions: int | None,
    say: Callable[[str], None],
    *,
    beside: Beside,
) -> int:
    done = 0
    while not stop.wanted and (sessions is None or done < sessions):
        now = clock.now()
        beside.attendant.look(now)
        session = _session_for(assembly, now)
        if now < session.open_at - BEFORE_OPEN:
            _wait(clock, session.open_at - BEFORE_OPEN, stop)
            continue
        assembly.engine.run_due(now)
        assembly.store.renew_leases()
        beside.backups.look(elapsed_s())
        beside.watch.look(now)
        due = assembly.engine.next_due(now)
        if due is None or due > session.close_at + AFTER_CLOSE:
            assembly.wiring.store_snapshots(now)
            assembly.engine.flush(now)
            done += 1
            say(f"{session.date} is over")
            clock.skip_to(assembly.calendar.following(session.date).open_at - BEFORE_OPEN)
            continue
        clock.hold_at(due)
        sleep(min(_LONGEST_NAP_S, clock.wall_seconds_to(due)))
    return done


def _session_for(assembly: compose.Assembly, now: datetime) -> Session:
    today = assembly.calendar.session_at(now)
    if today is not None and now <= today.close_at + AFTER_CLOSE:
        return today
    return assembly.calendar.following(now.date())


def _wait(clock: ScaledClock, until: datetime, stop: Stop) -> None:
    """Pass a night: at once on a scaled clock."""
    while not stop.wanted and clock.wall_seconds_to(until) > 0:
        clock.skip_to(until)


def _continued(home: Path) -> runs.Run | None:
    try:
        latest = runs.find_run(home, None)
    except MissingDataError:
        return None
    return latest if latest.kind == "run" else None


def _begin(run: runs.Run, settings: Settings) -> datetime:
    """Give the market instant a run begins or goes on at; one that died before it began anything begins."""
    calendar = exchange_calendar()
    with suppress(MissingDataError), read_store(run.database) as store:
        return last_instant(store)
    first = datetime.fromisoformat(settings.world.first_session).date()
    return compose.start_of(calendar, first)
