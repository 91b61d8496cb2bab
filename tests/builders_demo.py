"""The demo's own configuration, assembled for tests that drive it themselves."""

from datetime import date, timedelta
from pathlib import Path

from ops_pipeline.adapters.calendar.exchange import exchange_calendar
from ops_pipeline.app import compose
from ops_pipeline.app.settings import load_settings

CONFIG = Path(__file__).parents[1] / "config" / "demo.toml"


def assembled(folder, clock=None):
    settings = load_settings(CONFIG)
    calendar = exchange_calendar()
    first = date.fromisoformat(settings.world.first_session)
    clock = clock or compose.simulated_clock(calendar, first)
    assembly = compose.prepare(
        settings,
        compose.simulated_market(settings, calendar),
        database=f"sqlite:///{folder / 'demo.sqlite'}",
        clock=clock,
        label="demo",
    )
    compose.begin_ledgers(assembly, clock.now())
    return assembly, clock


def sessions_of(assembly, count):
    first = date.fromisoformat(assembly.settings.world.first_session)
    return assembly.calendar.between(first, first + timedelta(days=2 * count + 10))[:count]


def drive_until(assembly, clock, end, *, after_tick=lambda _: None):
    """Run what is due up to `end`, telling each instant."""
    now = clock.now()
    while now is not None and now <= end:
        clock.move_to(now)
        assembly.engine.run_due(now)
        after_tick(now)
        now = assembly.engine.next_due(now)
