"""What a session has traded so far, carried on bar by bar. Pure."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from operator import attrgetter
from typing import NamedTuple

from ops_pipeline.domain.market import Bar, Session

_MINUTE = timedelta(minutes=1)


class Turnover(NamedTuple):
    """A session's minute bars from its open to the one that ended at `end_at`, summed exactly.

    `turnover` is high + low + close (Usd4) times volume; `volume` None once any bar's was unknown.
    """

    session: date
    end_at: datetime
    turnover: int
    volume: int | None

    @property
    def vwap(self) -> float | None:
        """Give the volume-weighted mean of typical prices, Usd4; None with an unknown or no volume."""
        return self.turnover / (3 * self.volume) if self.volume else None

    def with_bars(self, bars: Sequence[Bar]) -> "Turnover":
        """Add the bars that end later; `bars` are of this session, oldest first, without a gap."""
        turnover, volume, end_at = self.turnover, self.volume, self.end_at
        for bar in bars[bisect_right(bars, self.end_at, key=attrgetter("end_at")) :]:
            end_at = bar.end_at
            if bar.volume is None or volume is None:
                volume = None
                continue
            turnover += (bar.high + bar.low + bar.close) * bar.volume
            volume += bar.volume
        return Turnover(self.session, end_at, turnover, volume)


def turnover_of(bars: Sequence[Bar], *, session: Session) -> Turnover | None:
    """Sum up the bars of `session` at the end of `bars`; None where they do not reach back to its open."""
    own = bars_of_last_session(bars)
    if not own or own[0].session != session.date:
        return None
    if len(own) == len(bars) and own[0].end_at > session.open_at + _MINUTE:
        return None
    return Turnover(session.date, session.open_at, 0, 0).with_bars(own)


def bars_of_last_session(bars: Sequence[Bar]) -> Sequence[Bar]:
    """Give the bars at the end of `bars` that are of one session."""
    return bars[bisect_left(bars, bars[-1].session, key=attrgetter("session")) :] if bars else bars
