"""Runs the registry in real or scaled time until told to stop; a restart goes on. Shell."""

import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from ops_pipeline.adapters.calendar.exchange import exchange_calendar
from ops_pipeline.adapters.calendar.sessions import NEW_YORK
from ops_pipeline.adapters.store.emergency import Emergency
from ops_pipeline.adapters.store.store import read_store
from ops_pipeline.app import compose, runs
from ops_pipeline.app.answers import read_answers
from ops_pipeline.app.attend import Attendant
from ops_pipeline.app.brake import EmergencyBrake
from ops_pipeline.app.clock import SteadyClock, WallClock, elapsed_s, sleep
from ops_pipeline.app.dead_man import DeadMan
from ops_pipeline.app.interlocks import Venue
from ops_pipeline.app.launch import Outcome, refuse_bad
from ops_pipeline.app.mailbox import Mailbox
from ops_pipeline.app.newsfeeds import with_feeds
from ops_pipeline.app.patience import patiently
from ops_pipeline.app.reopen import last_instant, saved_book
from ops_pipeline.app.run_clock import RunClock
from ops_pipeline.app.settings import Settings, environment
from ops_pipeline.app.stream_watch import StreamWatch
from ops_pipeline.app.summary import summarise
from ops_pipeline.app.taping import Taping, taping_of
from ops_pipeline.app.upkeep import Backups, StoreWatch, refuse_full_disk
from ops_pipeline.app.winding_down import wind_down
from ops_pipeline.domain.errors import MissingDataError
from ops_pipeline.domain.market import Session
from ops_pipeline.domain.units import AccountId
from ops_pipeline.engine.clock import ScaledClock
from ops_pipeline.engine.drive import AFTER_CLOSE, BEFORE_OPEN

if TYPE_CHECKING:
    from ops_pipeline.app.broker_parts import BrokerParts
    from ops_pipeline.app.go_live import LiveAccount

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a person asked of a run: its pace, how long, and whether to go on where the last one stopped.

    `ask` puts a question in the terminal (None: there is none); a `token` answers the one about real money.
    `record` keeps all that the run is told, for `ops replay --recording`; a `kind` "run" can be gone on with.
    """

    speed: float = 1.0
    sessions: int | None = None
    anew: bool = False
    ask: Callable[[str], str] | None = None
    token: str = ""
    record: bool = False
    kind: str = "run"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """What a run trades in and by whose time; on the simulator there are no `accounts`."""

    market: compose.Market
    clock: RunClock
    accounts: Mapping[AccountId, "LiveAccount"] = field(default_factory=dict)


def run_live(settings: Settings, home: Path, order: Order, *, say: Callable[[str], None]) -> Outcome:
    """Trade until stopped, or for so many sessions: in the simulated market, or at the broker."""
    refuse_bad(settings)
    run = _continued(home) if not order.anew else None
    refuse_full_disk(home if home.is_dir() else Path.cwd(), settings.host)
    if settings.broker.kind == "simulator":
        run = run or _created(settings, home, order.kind)
        clock = ScaledClock(_begin(run, settings), speed=order.speed, wall=SteadyClock())
        market = compose.simulated_market(settings, exchange_calendar())
        return _trade(settings, home, run, Outside(market=market, clock=clock), order, say=say)
    if settings.broker.mode == "live":
        from ops_pipeline.app.go_live import ramped_settings

        settings = ramped_settings(settings, run, today=WallClock().now().date())
    with _at_broker(settings, home, run, order, say) as parts:
        run = run or _created(settings, home, order.kind)
        outside = Outside(market=parts.market, clock=parts.clock, accounts=parts.accounts)
        parts.listen()
        return _trade(settings, home, run, outside, order, say=say)


def _at_broker(
    settings: Settings, home: Path, run: runs.Run | None, order: Order, say: Callable[[str], None]
) -> "BrokerParts":
    from ops_pipeline.app.broker_parts import open_broker

    ledgers: dict[AccountId, str] = {}
    if run is not None:
        with suppress(MissingDataError), read_store(run.database) as store:
            ledgers = {account: store.ledger(account).broker for account in store.accounts()}

    def begin() -> "BrokerParts":
        return open_broker(
            settings,
            exchange_calendar(),
            environment=environment(),
            ledgers=ledgers,
            answers=read_answers(home),
            speed=order.speed,
        )

    return patiently(begin, within_s=settings.broker.start_within_s, say=say)


def _created(settings: Settings, home: Path, kind: str) -> runs.Run:
    return runs.create_run(
        home,
        kind=kind,
        label="",
        created_at=WallClock().now().isoformat(),
        settings=settings.model_dump(mode="json"),
    )


def _trade(
    settings: Settings,
    home: Path,
    run: runs.Run,
    outside: Outside,
    order: Order,
    *,
    say: Callable[[str], None],
) -> Outcome:
    clock = outside.clock
    brake = EmergencyBrake(home, [account.id for account in settings.accounts])
    brake.listen()
    taping = taping_of(run, wanted=order.record, say=say)
    market = with_feeds(outside.market, settings.news, elapsed=elapsed_s)
    assembly = compose.prepare(
        settings,
        replace(market, between=taping.between),
        database=run.database,
        clock=taping.clock(clock),
        label=run.id,
        book_path=lambda account: saved_book(run, account),
        brake=brake.at_once,
        emergency=Emergency(run.path, ballast_mib=settings.host.ballast_mib),
    )
    say(f"{run.id}: market time {clock.now():%Y-%m-%d %H:%M:%S} UTC, {order.speed:g} x; stop with Ctrl-C")
    with assembly.store, taping:
        if assembly.venue is Venue.LIVE:
            _refuse_live(assembly, outside, run, home, order)
        taping.introduce(assembly, run)
        patiently(
            lambda: _begin_ledgers(assembly, clock.now(), taping),
            within_s=settings.broker.start_within_s,
            say=say,
        )
        backups = Backups(run, settings.host, say=say, began_s=elapsed_s())
        beside = Beside(
            backups=backups,
            attendant=Attendant(assembly.wiring, Mailbox(run), brake, say=say, taping=taping),
            watch=StoreWatch(assembly.store, slow_s=settings.host.slow_commit_s, say=say),
            streams=StreamWatch(assembly.wiring, say=say),
            dead_man=DeadMan(home, run.path, limit_s=settings.host.dead_man_s),
            taping=taping,
        )
        assembly.engine.before_job = beside.dead_man.beat
        beside.dead_man.start()
        try:
            done = _loop(assembly, clock, Stop(brake), order.sessions, say, beside=beside)
        except BaseException:
            brake.keep()
            raise
        finally:
            beside.dead_man.stop()
        taping.begin("stop", clock.now())
        taping.keep()
        wind_down(assembly, taping.clock(clock), say)
        taping.end()
        summary = summarise(assembly, sessions=done, elapsed_s=0.0)
    backups.finish(_LAST_COPY_S)
    runs.write_summary(run, summary)
    return Outcome(run=run, summary=summary)


def _begin_ledgers(assembly: compose.Assembly, now: datetime, taping: Taping) -> None:
    taping.begin("begin", now)
    compose.begin_ledgers(assembly, now)


def _refuse_live(
    assembly: compose.Assembly, outside: Outside, run: runs.Run, home: Path, order: Order
) -> None:
    from ops_pipeline.app.go_live import Evidence, Person, refuse_live

    evidence = Evidence(
        home=home,
        run=run,
        environment=environment(),
        wall=WallClock(),
        person=Person(ask=order.ask, token=order.token),
    )
    refuse_live(assembly, outside.accounts, evidence)


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What a run does besides trading: copies, what people ask, what database and streams do, its timer."""

    backups: Backups
    attendant: Attendant
    watch: StoreWatch
    streams: StreamWatch
    dead_man: DeadMan
    taping: Taping


def _loop(
    assembly: compose.Assembly,
    clock: RunClock,
    stop: Stop,
    sessions: int | None,
    say: Callable[[str], None],
    *,
    beside: Beside,
) -> int:
    done = 0
    begun: Session | None = None
    ended: date | None = None
    while not stop.wanted and (sessions is None or done < sessions):
        now = clock.now()
        beside.dead_man.beat()
        beside.attendant.look(now)
        session = _session_for(assembly, now, ended=ended)
        assembly.store.renew_leases()
        beside.backups.look(elapsed_s())
        beside.watch.look(now)
        if now >= session.open_at - BEFORE_OPEN:
            begun = session
            beside.taping.begin("tick", now)
            if assembly.engine.run_due(now):
                beside.taping.keep()
            beside.streams.look(now)
            due = assembly.engine.next_due(now)
            if due is not None and due <= session.close_at + AFTER_CLOSE:
                clock.hold_at(due)
                sleep(min(_LONGEST_NAP_S, clock.wall_seconds_to(due)))
                continue
        if begun is not None:  # nothing more is due in it, or its end was slept through
            beside.taping.begin("close", now)
            ended = _end(assembly, begun, now, say)
            begun = None
            done += 1
            continue
        clock.skip_to(session.open_at - BEFORE_OPEN)
        sleep(min(_LONGEST_NAP_S, clock.wall_seconds_to(session.open_at - BEFORE_OPEN)))
    return done


def _end(assembly: compose.Assembly, session: Session, now: datetime, say: Callable[[str], None]) -> date:
    """Store how a session ended; give its date."""
    assembly.wiring.store_snapshots(now)
    assembly.engine.flush(now)
    say(f"{session.date} is over")
    return session.date


def _session_for(assembly: compose.Assembly, now: datetime, *, ended: date | None) -> Session:
    """Give the session to look after at `now`: today's until it has ended, else the next."""
    today = assembly.calendar.session_at(now)
    if today is not None and today.date != ended and now <= today.close_at + AFTER_CLOSE:
        return today
    return assembly.calendar.following(now.astimezone(NEW_YORK).date())


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
