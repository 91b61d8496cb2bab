"""A venue served on loopback, the streams that listen to it, and time that a test moves. Shell."""

import asyncio
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from random import Random
from threading import Thread

import uvicorn

from ops_pipeline.adapters.alpaca.stream_link import StreamKey, StreamMeans
from ops_pipeline.adapters.alpaca.stream_patience import LinkRules
from ops_pipeline.adapters.alpaca.streams import TradeUpdates
from ops_pipeline.adapters.calendar.exchange import exchange_calendar
from ops_pipeline.app.clock import SteadyClock, elapsed_s, sleep
from ops_pipeline.domain.instruments import Right
from ops_pipeline.domain.market import Chain, OptionQuote
from ops_pipeline.domain.orders import Leg, OrderIntent, Purpose, Side
from ops_pipeline.domain.units import AccountId, ClientOrderId, Occ, PositionId, Usd4
from ops_pipeline.simserver.app import create_app
from ops_pipeline.simserver.desk import Spelled
from ops_pipeline.simserver.stream_faults import NO_FAULTS, StreamFaults
from ops_pipeline.simserver.stream_socket import StreamSocket
from ops_pipeline.simserver.streams import Streams
from ops_pipeline.simserver.terms import AccountTerms, VenueTerms
from ops_pipeline.simserver.tickets import OrderType
from ops_pipeline.simserver.venue import Venue

KEY = StreamKey(key_id="demo", secret="demo")
PATIENCE_S = 10.0
QUICK = LinkRules(poll_s=0.003, close_within_s=0.2)


class HandClock:
    """A wall that stands still until a test moves it: both an instant and seconds that only go forward."""

    def __init__(self) -> None:
        self.start = datetime(2026, 7, 13, 14, 0, tzinfo=UTC)
        self.seconds = 0.0

    def now(self) -> datetime:
        return self.start + timedelta(seconds=self.seconds)

    def elapsed(self) -> float:
        return self.seconds

    def means(self, rules: LinkRules = QUICK, seed: int = 1) -> StreamMeans:
        return StreamMeans(clock=self, elapsed=self.elapsed, draws=Random(seed), rules=rules)


class Served:
    """A venue that answers on a port of this machine."""

    def __init__(
        self,
        *,
        faults: StreamFaults = NO_FAULTS,
        accounts: Sequence[AccountTerms] = (),
        speed: float = 60.0,
        protocol: type[StreamSocket] = StreamSocket,
    ) -> None:
        terms = VenueTerms(speed=speed, **({"accounts": tuple(accounts)} if accounts else {}))
        self.venue = Venue(terms, calendar=exchange_calendar(), wall=SteadyClock())
        self.streams = Streams(self.venue, faults=faults)
        config = uvicorn.Config(
            create_app(self.venue, streams=self.streams.routes()),
            port=0,
            ws=protocol,
            log_level="error",
            lifespan="off",
            ws_ping_interval=None,
        )
        self._socket = config.bind_socket()
        self._server = uvicorn.Server(config)
        self.loop: asyncio.AbstractEventLoop
        self._thread = Thread(target=self._serve, daemon=True)

    @property
    def host(self) -> str:
        name, port = self._socket.getsockname()[:2]
        return f"{name}:{port}"

    def url(self, path: str) -> str:
        return f"ws://{self.host}{path}"

    @property
    def demo(self):
        return self.venue.desks[0]

    def in_loop(self, act: Callable[[], None]) -> None:
        done = asyncio.run_coroutine_threadsafe(self._call(act), self.loop)
        done.result(PATIENCE_S)

    def buy(
        self, *, limit: Usd4 | None = None, qty: int = 1, occ: Occ | None = None, tag: str = "entry"
    ) -> OrderIntent:
        """Buy near the money; without a limit, at the ask. One contract is never filled in parts."""
        with self.venue.at_work() as now:
            assert self.venue.is_open, f"expected an open market, was {now}"
            quote = (
                self.quoted()[0] if occ is None else self.venue.world.quotes([occ], now=self.venue.now)[occ]
            )
            price = quote.ask if limit is None else limit
            intent = order(tag, (Leg(occ=quote.occ, side=Side.BUY_TO_OPEN),), qty=qty, limit=price)
            self.venue.submit(self.demo, intent, Spelled(type=OrderType.LIMIT, limit=price))
        return intent

    def roll(self, old: Occ, new: Occ, *, tag: str) -> OrderIntent:
        """Sell one contract and buy another in one order, at the bid and the ask and a cent beyond."""
        legs = (Leg(occ=old, side=Side.SELL_TO_CLOSE), Leg(occ=new, side=Side.BUY_TO_OPEN))
        with self.venue.at_work() as now:
            quotes = self.venue.world.quotes([old, new], now=now)
            limit = quotes[new].ask - quotes[old].bid + 100
            intent = order(tag, legs, qty=1, limit=limit)
            spelled = Spelled(type=OrderType.LIMIT, limit=limit, leg_order=(0, 1))
            self.venue.submit(self.demo, intent, spelled)
        return intent

    def chain(self) -> Chain:
        day = self.venue.now.date()
        ticker = self.venue.world.tickers[0]
        chain = self.venue.world.chain(
            ticker,
            now=self.venue.now,
            first=day + timedelta(days=20),
            last=day + timedelta(days=60),
            right=Right.CALL,
        )
        assert chain is not None
        return chain

    def quoted(self) -> list[OptionQuote]:
        """Give two-sided quotes of calls, the nearest to the money first."""
        chain = self.chain()
        usable = [
            quote for quote in chain.quotes.values() if quote.bid and quote.ask and quote.bid < quote.ask
        ]
        return sorted(
            usable, key=lambda quote: (abs(chain.contracts[quote.occ].strike - chain.spot), quote.occ)
        )

    def start(self) -> None:
        self._thread.start()
        wait_for(lambda: self._server.started, "the server to start")

    def stop(self) -> None:
        self._server.should_exit = True
        self._server.force_exit = True
        self._thread.join(PATIENCE_S)
        self._socket.close()
        assert not self._thread.is_alive()

    async def _call(self, act: Callable[[], None]) -> None:
        act()

    def _serve(self) -> None:
        async def run() -> None:
            self.loop = asyncio.get_running_loop()
            await self._server.serve(sockets=[self._socket])

        asyncio.run(run())


@contextmanager
def served(**wishes) -> Iterator[Served]:
    """Serve a venue for a while."""
    server = Served(**wishes)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def running(stream):
    """Start a stream, and close it at the end."""
    stream.start()
    try:
        yield stream
    finally:
        stream.close()


def wait_for(holds: Callable[[], object], what: object, patience_s: float = PATIENCE_S) -> None:
    """Wait in wall time until something holds; a machine that stood still gets a last look.

    `what` is put into words when it did not come, so a list it names is shown as it is by then.
    """
    due, late = elapsed_s() + patience_s, False
    while not holds():
        assert not late, f"waited {patience_s} s for {what}"
        late = elapsed_s() >= due
        sleep(0.005)


def order(tag: str, legs: tuple[Leg, ...], *, qty: int, limit: Usd4) -> OrderIntent:
    """Give an order by hand."""
    return OrderIntent(
        client_order_id=ClientOrderId(tag),
        account=AccountId("demo"),
        purpose=Purpose.ENTRY if len(legs) == 1 else Purpose.ROLL,
        key=tag,
        generation=0,
        legs=legs,
        qty=qty,
        limit=limit,
        multiplier=100,
        position_id=PositionId(tag),
        reason="by hand",
    )


def free_port() -> int:
    """Give a port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# Time enough for a thread that waits 5 ms at a time to do whatever it would do.
A_WHILE_S = 0.15


def updates_of(server, clock, **wishes):
    return TradeUpdates(server.url("/stream"), key=KEY, means=clock.means(), **wishes)


def listening(stream):
    wait_for(lambda: stream.state.listening, "the stream to listen")


def drained(stream, count):
    """Wait for that many updates."""
    found = []

    def enough():
        found.extend(stream.drain())
        return len(found) >= count

    wait_for(enough, f"{count} updates")
    return found


def wait_s_until_next_attempt(stream, clock):
    """Move time on in small steps until the stream tries again; give how long that took, or a little more."""
    began, attempts = clock.seconds, stream.state.attempts
    while stream.state.attempts == attempts:
        clock.seconds += max(0.1, (clock.seconds - began) / 10)
        sleep(0.006)
    return clock.seconds - began
