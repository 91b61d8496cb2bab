"""Starts a run, drives it through its sessions and sums it up. Shell."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from ops_pipeline.adapters.calendar.exchange import exchange_calendar
from ops_pipeline.adapters.calendar.sessions import SessionCalendar
from ops_pipeline.adapters.simulator.broker import SimulatedBroker
from ops_pipeline.app import compose, runs
from ops_pipeline.app.affordability import affordability_recorded
from ops_pipeline.app.checks import check_settings
from ops_pipeline.app.clock import WallClock, elapsed_s
from ops_pipeline.app.settings import Settings
from ops_pipeline.app.summary import summarise
from ops_pipeline.domain.accounts import ControlLevel
from ops_pipeline.domain.errors import ConfigurationError
from ops_pipeline.domain.events import ControlChanged
from ops_pipeline.domain.instruments import Right
from ops_pipeline.domain.market import Session
from ops_pipeline.domain.units import AccountId
from ops_pipeline.engine.adoption import Holding, Receiver, adopt
from ops_pipeline.engine.clock import SimulatedClock
from ops_pipeline.engine.drive import Drive, Scheduled, run_continuous, run_recorded

Progress = Callable[[Session, int, int, compose.Assembly], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A finished run with its summary."""

    run: runs.Run
    summary: dict[str, Any]


def refuse_bad(settings: Settings) -> None:
    """Raise ConfigurationError that lists every cross-check that fails."""
    wrong = [finding.text for finding in check_settings(settings) if finding.is_error]
    if wrong:
        raise ConfigurationError("configuration: " + "; ".join(wrong))


def refuse_broker(settings: Settings, what: str) -> None:
    """Raise ConfigurationError where settings for a broker are handed to what only simulates."""
    if settings.broker.kind != "simulator":
        raise ConfigurationError(f"{what}: expected broker.kind = 'simulator', was {settings.broker.kind!r}")


def run_demo(settings: Settings, home: Path, progress: Progress) -> Outcome:
    """Trade the embedded world for the configured sessions."""
    refuse_bad(settings)
    refuse_broker(settings, "demo")
    calendar = exchange_calendar()
    sessions = _first_sessions(
        calendar, date.fromisoformat(settings.world.first_session), settings.world.sessions
    )
    label = f"demo-{settings.world.seed}"
    run = _create(settings, home, kind="demo", label=f"seed{settings.world.seed}")
    market = compose.simulated_market(settings, calendar)
    clock = compose.simulated_clock(calendar, sessions[0].date)
    assembly = compose.prepare(settings, market, database=run.database, clock=clock, label=label)
    return _drive(assembly, run, clock, sessions, progress, recorded=False)


def run_replay(settings: Settings, home: Path, first: date, last: date, progress: Progress) -> Outcome:
    """Drive the same services over recorded sessions."""
    refuse_bad(settings)
    refuse_broker(settings, "replay")
    calendar = exchange_calendar()
    sessions = calendar.between(first, last)
    if not sessions:
        raise ConfigurationError(f"period: expected a session between {first} and {last}, was none")
    market = compose.recorded_market(settings, calendar, first=first, last=last)
    run = _create(settings, home, kind="replay", label=f"{first}")
    clock = compose.simulated_clock(calendar, sessions[0].date)
    assembly = compose.prepare(
        compose.for_recording(settings, market),
        market,
        database=run.database,
        clock=clock,
        label=f"replay-{first}-{last}",
    )
    return _drive(assembly, run, clock, sessions, progress, recorded=True)


def _drive(
    assembly: compose.Assembly,
    run: runs.Run,
    clock: SimulatedClock,
    sessions: Sequence[Session],
    progress: Progress,
    *,
    recorded: bool,
) -> Outcome:
    started = elapsed_s()
    compose.begin_ledgers(assembly, clock.now())
    done: list[Session] = []

    def after(session: Session) -> None:
        assembly.wiring.store_snapshots(clock.now())
        done.append(session)
        progress(session, len(done), len(sessions), assembly)

    drive = Drive(
        engine=assembly.engine,
        clock=clock,
        sessions=sessions,
        scheduled=[*_operator(assembly, sessions), *_holdings(assembly, sessions)],
        after_session=after,
    )
    with assembly.store:
        if recorded:
            run_recorded(drive, assembly.market)
            reach = {"affordable": affordability_recorded(assembly, sessions)}
        else:
            run_continuous(drive)
            reach = {}
        summary = summarise(assembly, sessions=len(done), elapsed_s=elapsed_s() - started) | reach
    runs.write_summary(run, summary)
    return Outcome(run=run, summary=summary)


def _operator(assembly: compose.Assembly, sessions: Sequence[Session]) -> list[Scheduled]:
    """Turn the scripted operator commands into acts at instants."""
    acts = []
    for command in assembly.settings.operator:
        if command.session > len(sessions):
            continue
        session = sessions[command.session - 1]
        at = session.open_at + timedelta(minutes=command.minutes_after_open)
        body = ControlChanged(
            level=ControlLevel[command.level.upper()], reason=command.reason, actor="operator"
        )
        acts.append(Scheduled(at, _control(assembly, AccountId(command.account), body)))
    return acts


def _control(
    assembly: compose.Assembly, account: AccountId, body: ControlChanged
) -> Callable[[datetime], bool]:
    def act(now: datetime) -> bool:
        assembly.store.commit(account, [body], at=now)
        return True

    return act


def _holdings(assembly: compose.Assembly, sessions: Sequence[Session]) -> list[Scheduled]:
    """Turn configured holdings into adoptions in the first session."""
    found = []
    for row in assembly.settings.holdings:
        holding = Holding(
            account=AccountId(row.account),
            ticker=row.ticker,
            right=Right.CALL if row.right == "call" else Right.PUT,
            qty=row.qty,
            dte_min=row.dte_min,
        )
        at = sessions[0].open_at + timedelta(minutes=row.minutes_after_open)
        found.append(Scheduled(at, _adoption(assembly, holding)))
    return found


def _adoption(assembly: compose.Assembly, holding: Holding) -> Callable[[datetime], bool]:
    def act(now: datetime) -> bool:
        return adopt(
            holding,
            now=now,
            market=assembly.market,
            calendar=assembly.calendar,
            store=assembly.store,
            broker=receiver,
        )

    broker = assembly.brokers[holding.account]
    if not isinstance(broker, SimulatedBroker):
        raise ConfigurationError("holdings: expected a simulated broker, which can be told what it holds")
    receiver: Receiver = broker
    return act


def _create(settings: Settings, home: Path, *, kind: str, label: str) -> runs.Run:
    return runs.create_run(
        home,
        kind=kind,
        label=label,
        created_at=WallClock().now().isoformat(),
        settings=settings.model_dump(mode="json"),
    )


def _first_sessions(calendar: SessionCalendar, first: date, count: int) -> list[Session]:
    session = calendar.session_on(first) or calendar.following(first)
    found = [session]
    while len(found) < count:
        found.append(calendar.following(found[-1].date))
    return found
