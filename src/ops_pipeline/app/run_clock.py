"""The clock a run goes by: a market's that waits for us, or a broker's that does not. Shell."""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Protocol

from ops_pipeline.app.clock import elapsed_s, sleep
from ops_pipeline.domain.errors import ConfigurationError
from ops_pipeline.ports import BrokerUnavailable, Clock

# Two looks at a server's clock, so far apart, tell how fast it runs; answers take a part of that.
_LISTEN_S = 1.0
_SPEED_OFF = 0.25


class RunClock(Protocol):
    """What a run asks of its clock."""

    def now(self) -> datetime:
        """Give the market's instant."""

    def hold_at(self, instant: datetime) -> None:
        """Let time run on to `instant`, and no further where the market can wait."""

    def skip_to(self, instant: datetime) -> None:
        """Jump forward to `instant` where the market can."""

    def wall_seconds_to(self, instant: datetime) -> float:
        """Give the seconds of wall time until `instant`, at least 0."""


class BrokerClock:
    """The broker's market in real time: the wall's, which waits for nobody."""

    def __init__(self, wall: Clock) -> None:
        """Go by `wall`."""
        self._wall = wall

    def now(self) -> datetime:
        return self._wall.now()

    def hold_at(self, instant: datetime) -> None:
        """Do nothing: the market goes on whether or not we are ready."""

    def skip_to(self, instant: datetime) -> None:
        """Do nothing: a night takes as long as it takes."""

    def wall_seconds_to(self, instant: datetime) -> float:
        return max(0.0, (instant - self.now()).total_seconds())


class ServedClock:
    """The market time of a server on this machine, which waits for nobody and may skip its nights."""

    def __init__(self, ask: Callable[[], datetime], *, speed: float) -> None:
        """Follow from the instant `ask` gives, at `speed` > 0 market seconds a second."""
        self._ask = ask
        self._speed = speed
        self._began_s = elapsed_s()
        self._start = ask()

    def now(self) -> datetime:
        return self._start + timedelta(seconds=(elapsed_s() - self._began_s) * self._speed)

    def hold_at(self, instant: datetime) -> None:
        """Do nothing: the server goes on whether or not we are ready."""

    def skip_to(self, instant: datetime) -> None:
        """Ask what time it is, for the market may have jumped; never back. Without an answer time goes on."""
        with suppress(BrokerUnavailable):
            known, told = self.now(), self._ask()
            if told > known:
                self._start, self._began_s = told, elapsed_s()

    def wall_seconds_to(self, instant: datetime) -> float:
        return max(0.0, (instant - self.now()).total_seconds() / self._speed)


def refuse_other_speed(ask: Callable[[], datetime], speed: float) -> None:
    """Raise ConfigurationError where a server's time does not run at `speed`; takes a second."""
    began_s, first = elapsed_s(), ask()
    sleep(_LISTEN_S)
    last, lasted_s = ask(), elapsed_s() - began_s
    measured = (last - first).total_seconds() / lasted_s
    if abs(measured - speed) > _SPEED_OFF * speed + _SPEED_OFF:
        raise ConfigurationError(
            f"--speed: expected that of the server, about {measured:.1f} times the wall's, was {speed:g}"
        )
