"""The shipped broker server on a port of this machine, and the settings and keys that reach it. Shell."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Thread

import uvicorn

from ops_pipeline.adapters.calendar.exchange import exchange_calendar
from ops_pipeline.app.clock import WallClock, sleep
from ops_pipeline.app.settings import Settings, load_settings
from ops_pipeline.domain.units import ONE_DOLLAR
from ops_pipeline.simserver.app import create_app
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
def served(
    *, accounts: Sequence[AccountTerms] = (LARGE, TINY), speed: float = 1.0, **terms
) -> Iterator[tuple[Venue, str]]:
    """Serve a venue on a free port of loopback until the block ends; give it and its host:port."""
    venue = Venue(
        VenueTerms(accounts=tuple(accounts), speed=speed, **terms),
        calendar=exchange_calendar(),
        wall=WallClock(),
    )
    config = uvicorn.Config(create_app(venue), port=0, log_level="error", lifespan="off")
    socket = config.bind_socket()
    server = uvicorn.Server(config)
    thread = Thread(target=server.run, kwargs={"sockets": [socket]}, daemon=True)
    thread.start()
    while not server.started:
        sleep(0.01)
    try:
        name, port = socket.getsockname()[:2]
        yield venue, f"{name}:{port}"
    finally:
        server.should_exit = True
        thread.join(10)


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
