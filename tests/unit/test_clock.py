"""A market's clock counts seconds; whoever sets the wall clock does not move it."""

from datetime import UTC, datetime, timedelta

from ops_pipeline.app.clock import SteadyClock
from ops_pipeline.engine.clock import ScaledClock

BEGAN = datetime(2026, 7, 13, 14, 0, tzinfo=UTC)


class SetWall:
    """A wall clock that somebody sets."""

    def __init__(self):
        self.at = BEGAN

    def now(self):
        return self.at


def test_setting_the_wall_clock_moves_no_market():
    wall, seconds = SetWall(), [100.0]
    steady = SteadyClock(wall, elapsed=lambda: seconds[0])
    market = ScaledClock(BEGAN, speed=120.0, wall=steady)
    market.hold_at(BEGAN + timedelta(days=1))
    for set_to in (BEGAN + timedelta(hours=8), BEGAN - timedelta(hours=8)):
        wall.at = set_to
        assert (steady.now(), market.now()) == (BEGAN, BEGAN)
    seconds[0] += 2.5
    assert steady.now() == BEGAN + timedelta(seconds=2.5)
    assert market.now() == BEGAN + timedelta(minutes=5)
