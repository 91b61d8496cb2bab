"""The shipped broker server on a port of this machine, and the settings and keys that reach it. Shell."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Thread

from ops_pipeline.adapters.calendar.exchange import exchange_calendar
from ops_pipeline.app.clock import SteadyClock, sleep
from ops_pipeline.app.settings import Settings, load_settings
from ops_pipeline.domain.units import ONE_DOLLAR
from ops_pipeline.simserver.files import FaultPlan
from ops_pipeline.simserver.serving import VenueServer, open_port
from ops_pipeline.simserver.terms import AccountTerms, VenueTerms
from ops_pipeline.simserver.venue import Venue

LARGE = AccountTerms(number="PASIM0001", key="demo-large", secret="demo", equity=121_000 * ONE_DOLLAR)
TINY = AccountTerms(number="PASIM0002", key="demo-tiny", secret="demo", equity=1_000 * ONE_DOLLAR)
KEYS = {
    "ALPACA_API_KEY_LARGE": LARGE.key,
    "ALPACA_SECRET_KEY_LARGE": LARGE.secret,
    "ALPACA_API_KEY_TINY": TINY.key,
    "ALPACA_SECRET_KEY_TINY": TINY.secret,
}
SYMBOLS = ["VLTC", "BRKN", "SOLQ", "HARW", "MDRX", "CLRN", "NIMB", "TORQ"]


@contextmanager
def serving(
    *, accounts: Sequence[AccountTerms] = (LARGE, TINY), plan: FaultPlan | None = None, **terms
) -> Iterator[VenueServer]:
    """Serve a venue on a free port of loopback until the block ends."""
    venue = Venue(
        VenueTerms(accounts=tuple(accounts), **terms), calendar=exchange_calendar(), wall=SteadyClock()
    )
    with open_port("127.0.0.1", 0) as taken:
        server = VenueServer(venue, taken, plan=plan)
        thread = Thread(target=server.serve_until_stopped, daemon=True)
        thread.start()
        while not server.started:
            sleep(0.01)
        try:
            yield server
        finally:
            server.stop()
            thread.join(10)


@contextmanager
def served(**terms) -> Iterator[tuple[Venue, str]]:
    """Serve a venue as `serving` does; give it and its host:port."""
    with serving(**terms) as server:
        yield server.venue, server.address


def at_venue(host: str, **groups) -> Settings:
    """Give the settings of two paper accounts at a served venue."""
    broker = {
        "kind": "alpaca",
        "trading_url": f"http://{host}",
        "data_url": f"http://{host}",
        "stream_url": f"ws://{host}",
    }
    rows = [
        {"id": name, "number": terms.number, "equity_usd": terms.equity // ONE_DOLLAR}
        for name, terms in (("large", LARGE), ("tiny", TINY))
    ]
    return load_settings(
        **(
            {"broker": broker, "accounts": rows, "symbols": SYMBOLS, "quotes": {"allow_delayed": True}}
            | groups
        )
    )
