"""Runs the same services on what another run was told, moment by moment. Shell."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain, groupby
from pathlib import Path
from typing import Any

from ops_pipeline.adapters.calendar.exchange import exchange_calendar
from ops_pipeline.adapters.simulator.matching import MatchRules
from ops_pipeline.adapters.store.store import open_store
from ops_pipeline.adapters.tape.player import EndOfTape, Missing, Moment, Player, read_moments
from ops_pipeline.adapters.tape.unknown import UnknownBroker, UnknownMarket, UnknownStream
from ops_pipeline.app import compose
from ops_pipeline.app.interlocks import Venue
from ops_pipeline.app.process import holder_name
from ops_pipeline.app.run_clock import RunClock
from ops_pipeline.app.settings import Settings, load_settings
from ops_pipeline.app.taping import BRAKE, TapedRunClock, taped
from ops_pipeline.app.winding_down import wind_down
from ops_pipeline.domain.codec import build
from ops_pipeline.domain.controls import Request
from ops_pipeline.domain.errors import ConfigurationError
from ops_pipeline.domain.units import AccountId
from ops_pipeline.engine.clock import SimulatedClock
from ops_pipeline.engine.requests import hold_brakes, serve
from ops_pipeline.ports import BrokerUnavailable
from ops_pipeline.stages.classifier.tickers import Universe, build_universe

Progress = Callable[[Moment], None]


@dataclass(slots=True)
class Played:
    """What came of it: questions without an answer, lines that were changed, and how far it goes.

    `last_at`: the last moment; `torn`: it was cut short, so that decisions of that moment may be missing.
    """

    headers: list[dict[str, Any]] = field(default_factory=list)
    missing: list[Missing] = field(default_factory=list)
    changed: list[tuple[datetime, list[Any]]] = field(default_factory=list)
    moments: int = 0
    sessions: int = 0
    last_at: datetime | None = None
    torn: bool = False


class _Standing:
    """A run's clock that stands at the moment that is played."""

    def __init__(self, clock: SimulatedClock) -> None:
        self.now = clock.now

    def hold_at(self, instant: datetime) -> None:
        """Do nothing: time is where the recording is."""

    def skip_to(self, instant: datetime) -> None:
        """Do nothing: time is where the recording is."""

    def wall_seconds_to(self, instant: datetime) -> float:
        """Give 0: nothing is waited for."""
        return 0.0


def recorded_settings(folder: Path) -> Settings:
    """Give the settings a recording was made with; others by now (the environment's) are refused."""
    first = next(iter(read_moments(folder)), None)
    if first is None:
        raise ConfigurationError(f"recording {folder}: expected at least one moment, was none")
    return _settings(first.header)


def play(folder: Path, *, database: str, progress: Progress = lambda _: None) -> Played:
    """Play a recording into an empty database; each life of the recorded run is one here."""
    played = Played()
    for _, moments in groupby(read_moments(folder), key=lambda moment: moment.life):
        _play_life(moments, played, database, progress)
    return played


def _play_life(moments: Iterator[Moment], played: Played, database: str, progress: Progress) -> None:
    first = next(moments)
    clock, player = SimulatedClock(first.at), Player()
    standing: RunClock = TapedRunClock(player, _Standing(clock))
    played.headers.append(first.header)
    with _assembled(first.header, standing, player, database) as assembly, suppress(EndOfTape):
        for moment in chain([first], moments):
            clock.move_to(max(moment.at, clock.now()))
            player.turn_to(moment)
            played.last_at, played.torn = moment.at, moment.torn
            played.moments += 1
            played.sessions += moment.kind == "close"
            played.changed += [(moment.at, question) for question in moment.changed]
            _ACTS[moment.kind](assembly, moment, standing)
            progress(moment)
    played.missing += player.missing


def _assembled(header: dict[str, Any], clock: RunClock, player: Player, database: str) -> compose.Assembly:
    settings = _settings(header)
    nothing = UnknownMarket()
    market = compose.Market(
        data=nothing,
        news=nothing,
        symbols=tuple(header["symbols"]),
        universe=_universe(settings, header),
        recorded=False,
        match=MatchRules(seed=0),
        brokers={AccountId(row.id): UnknownBroker() for row in settings.accounts},
        streams={AccountId(name): UnknownStream() for name in header["streams"]},
        venue=Venue(header["venue"]),
        between=lambda parts: taped(parts, player),
    )
    store = open_store(
        database,
        durable=False,
        database_id=header["database_id"],
        holder=holder_name("replay"),
        build_hash=header["build"],
        exclusive=True,
    )
    return compose.join(
        settings,
        market,
        store=store,
        clock=clock,
        books={},
        book_path=lambda _: None,
        attended=header["attended"],
    )


def _settings(header: dict[str, Any]) -> Settings:
    settings = load_settings(**header["settings"])
    if settings.fingerprint() != header["fingerprint"]:
        raise ConfigurationError(
            f"recording of {header['run']}: expected the settings it was made with "
            f"({header['fingerprint']}), was {settings.fingerprint()}: the environment or the code's "
            "defaults changed a value"
        )
    return settings


def _universe(settings: Settings, header: dict[str, Any]) -> Universe:
    if settings.broker.kind == "simulator":
        return compose.simulated_market(settings, exchange_calendar()).universe
    return build_universe(dict.fromkeys(header["symbols"], ""))


def _begin(assembly: compose.Assembly, moment: Moment, _: RunClock) -> None:
    with suppress(BrokerUnavailable):
        compose.begin_ledgers(assembly, moment.at)


def _tick(assembly: compose.Assembly, moment: Moment, _: RunClock) -> None:
    assembly.engine.run_due(moment.at)


def _hold(assembly: compose.Assembly, moment: Moment, _: RunClock) -> None:
    brakes = {account: BRAKE.read(told) for account, told in moment.detail.items()}
    hold_brakes(assembly.wiring, brake_of=lambda account: brakes[account], now=moment.at)


def _request(assembly: compose.Assembly, moment: Moment, _: RunClock) -> None:
    request, wall = moment.detail
    serve(build(Request, request), assembly.wiring, now=moment.at, wall=datetime.fromisoformat(wall))


def _stage(assembly: compose.Assembly, moment: Moment, _: RunClock) -> None:
    name, owner = moment.detail
    assembly.wiring.machinery().runners[name](moment.at, owner)


def _close(assembly: compose.Assembly, moment: Moment, _: RunClock) -> None:
    assembly.wiring.store_snapshots(moment.at)
    assembly.engine.flush(moment.at)


def _stop(assembly: compose.Assembly, _: Moment, clock: RunClock) -> None:
    wind_down(assembly, clock, lambda _: None)


_ACTS: dict[str, Callable[[compose.Assembly, Moment, RunClock], None]] = {
    "begin": _begin,
    "tick": _tick,
    "hold": _hold,
    "request": _request,
    "stage": _stage,
    "close": _close,
    "stop": _stop,
}
