"""What a broker has no source of: the rate, dividends, and a stand-in for the volatility index. Shell."""

import math
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from itertools import pairwise
from statistics import stdev

from ops_pipeline.domain.market import Bar
from ops_pipeline.domain.records import RegimeReading
from ops_pipeline.domain.units import round_event_float

# A month of sessions, as the volatility index looks at a month ahead.
_RETURNS = 21
_SESSIONS_A_YEAR = 252
# Implied volatility stands above realised by about so many points in the long run.
_PREMIUM_POINTS = 4.0
_LOOK_BACK = timedelta(days=45)

DailyBars = Callable[[str, date, date], Sequence[Bar]]


class RealisedVolatility:
    """The realised volatility of one symbol's last 21 sessions, in points, plus the usual premium.

    Read once a session. Too few bars give None, which lets nothing be entered.
    """

    def __init__(self, symbol: str, bars: DailyBars) -> None:
        """Read `symbol`; `bars(symbol, first, before)` gives daily bars of sessions in [first, before)."""
        self._symbol = symbol
        self._bars = bars
        self._known: dict[date, RegimeReading] = {}

    def __call__(self, before: date) -> RegimeReading | None:
        """Give the reading of the last session before `before`."""
        if before not in self._known:
            reading = self._read(before)
            if reading is None:
                return None
            self._known = {before: reading}
        return self._known[before]

    def _read(self, before: date) -> RegimeReading | None:
        rows = [bar for bar in self._bars(self._symbol, before - _LOOK_BACK, before) if bar.session < before]
        last = rows[-(_RETURNS + 1) :]
        if len(last) <= _RETURNS or any(bar.close <= 0 for bar in last):
            return None
        returns = [math.log(later.close / bar.close) for bar, later in pairwise(last)]
        points = 100.0 * stdev(returns) * math.sqrt(_SESSIONS_A_YEAR) + _PREMIUM_POINTS
        return RegimeReading(
            session=last[-1].session, value=round_event_float(points), source=f"realised {self._symbol}"
        )
