"""Puts a tape between a run and all that it is told, and names the moments of a run for it. Shell."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ops_pipeline.adapters.tape.forms import Form, form_of
from ops_pipeline.adapters.tape.lines import LineWriter, parts_of
from ops_pipeline.adapters.tape.recorder import Recorder
from ops_pipeline.adapters.tape.taped import (
    Tape,
    TapedBroker,
    TapedClock,
    TapedMarket,
    TapedNews,
    TapedStream,
)
from ops_pipeline.app.compose import Assembly
from ops_pipeline.app.process import build_hash
from ops_pipeline.app.run_clock import RunClock
from ops_pipeline.app.runs import Run
from ops_pipeline.app.settings import Settings
from ops_pipeline.domain.accounts import ControlLevel, Mode
from ops_pipeline.domain.controls import Brake
from ops_pipeline.domain.errors import ConfigurationError
from ops_pipeline.domain.records import Failed
from ops_pipeline.domain.units import AccountId
from ops_pipeline.engine.parts import Parts
from ops_pipeline.ports import Clock

FOLDER = "recording"
_TROUBLES = form_of(tuple[Failed, ...])
BRAKE: Form[Brake] = Form(
    lambda brake: [brake.level.value, brake.reason], lambda told: Brake(ControlLevel(told[0]), told[1])
)


class TapedRunClock:
    """A run's clock whose instants go over the tape; how it is moved is its own affair."""

    def __init__(self, tape: Tape, clock: RunClock) -> None:
        """Follow `clock`."""
        self._clock = clock
        self.now = TapedClock(tape, "clock", clock).now
        self.hold_at = clock.hold_at
        self.skip_to = clock.skip_to
        self.wall_seconds_to = clock.wall_seconds_to


class Taping:
    """What a run says of its own course; without a recorder it is said to nobody."""

    def __init__(self, recorder: Recorder | None = None, header: dict[str, Any] | None = None) -> None:
        """Tell `recorder`, which begins with the `header` that is filled in here."""
        self._recorder = recorder
        self._header = {} if header is None else header

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._recorder is not None:
            self._recorder.close()

    def between(self, parts: Parts) -> Parts:
        """Put the recorder between the services and their ports."""
        return parts if self._recorder is None else taped(parts, self._recorder)

    def clock(self, clock: RunClock) -> RunClock:
        """Put the recorder between the services and their clock."""
        return clock if self._recorder is None else TapedRunClock(self._recorder, clock)

    def still_clock(self, clock: Clock) -> Clock:
        """Put the recorder between the services and a clock that only a driver moves."""
        return clock if self._recorder is None else TapedClock(self._recorder, "clock", clock)

    def introduce(self, assembly: Assembly, run: Run) -> None:
        """Note what is recorded; a run that began without a recording raises ConfigurationError."""
        if self._recorder is None:
            return
        begun = any(assembly.store.ledger(account).seq for account in assembly.wiring.accounts)
        if begun and not is_recorded(run):
            raise ConfigurationError(
                f"--record: expected a run recorded from its start, {run.id} began without: "
                "begin another with --new"
            )
        self._header |= {
            "run": run.id,
            "database_id": assembly.store.database_id,
            "build": build_hash(),
            "fingerprint": assembly.settings.fingerprint(),
            "settings": assembly.settings.model_dump(mode="json"),
            "symbols": list(assembly.wiring.parts.symbols),
            "streams": list(assembly.wiring.parts.streams),
            "venue": assembly.venue.value,
            "attended": assembly.wiring.parts.attended is not None,
        }

    def begin(self, kind: str, at: datetime, detail: Any = None) -> None:
        """Begin a moment; it is recorded once something is asked in it, or it is kept."""
        if self._recorder is not None:
            self._recorder.begin(kind, at, detail)

    def keep(self) -> None:
        """Record the moment whatever is asked in it."""
        if self._recorder is not None:
            self._recorder.keep()

    def end(self) -> None:
        """Say that the run stops as it should."""
        if self._recorder is not None:
            self._recorder.end()


UNTAPED = Taping()


def is_recorded(run: Run) -> bool:
    """Tell whether a run has a recording; once begun it is gone on with."""
    return bool(parts_of(run.path / FOLDER))


def taping_of(run: Run, *, wanted: bool, say: Callable[[str], None]) -> Taping:
    """Record a run where that is wanted now or was when it began."""
    if not wanted and not is_recorded(run):
        return UNTAPED
    folder: Path = run.path / FOLDER
    header: dict[str, Any] = {}
    return Taping(Recorder(lambda: LineWriter(folder, header), say=say), header)


def watching_only(settings: Settings, *, chains_every: int) -> Settings:
    """Give the settings with every account in shadow mode, which judges and sends nothing.

    Each name's chain is read every so many minutes; nothing is written to the database of a run that trades.
    """
    accounts = tuple(row.model_copy(update={"mode": Mode.SHADOW}) for row in settings.accounts)
    cadence = settings.cadence.model_copy(update={"iv_minutes": chains_every})
    return settings.model_copy(update={"accounts": accounts, "cadence": cadence, "database": ""})


def taped(parts: Parts, tape: Tape) -> Parts:
    """Put a tape between services and ports: prices, news, brokers, streams, their clock and the brake."""
    clock = parts.stream_clock

    def troubles() -> tuple[Failed, ...]:
        return tape.ask("news", "troubles", [], _TROUBLES, lambda: tuple(parts.news_troubles()))

    def brake(account: AccountId) -> Brake:
        return tape.ask("brake", "level", [account], BRAKE, lambda: parts.brake(account))

    return replace(
        parts,
        market=TapedMarket(tape, parts.market),
        news=TapedNews(tape, parts.news),
        news_troubles=troubles,
        brokers={name: TapedBroker(tape, name, broker) for name, broker in parts.brokers.items()},
        streams={name: TapedStream(tape, name, stream) for name, stream in parts.streams.items()},
        stream_clock=TapedClock(tape, "stream clock", clock) if clock is not None else None,
        brake=brake,
    )
