"""The venue's websockets: trading, stock, option and news streams, kept going by one task. Shell."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from random import Random
from typing import Final

from starlette.routing import BaseRoute, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from ops_pipeline.simserver.stream_data import DataStreams
from ops_pipeline.simserver.stream_faults import NO_FAULTS, StreamFaults
from ops_pipeline.simserver.stream_feeds import FEEDS
from ops_pipeline.simserver.stream_line import ClientLine
from ops_pipeline.simserver.stream_orders import TradingStreams
from ops_pipeline.simserver.tickets import OrderChange
from ops_pipeline.simserver.venue import STEP, Venue

# Wall seconds between two looks at the market: a push is at most this late.
LOOK_EVERY_S: Final = 0.02
_PACKED: Final = "application/msgpack"
_KEY, _SECRET = "APCA-API-KEY-ID", "APCA-API-SECRET-KEY"


class Streams:
    """Everything a venue pushes. Run the server with `ws=StreamSocket`, so that faults reach the wire.

    `faults` may be replaced while clients are connected. While there is a client, market time is carried
    on without requests.
    """

    def __init__(self, venue: Venue, *, faults: StreamFaults = NO_FAULTS) -> None:
        """Listen to the venue; nothing is pushed before there is a client."""
        self.faults = faults
        self._venue = venue
        self._draws = Random(f"{venue.terms.seed} streams")
        self._trading = TradingStreams(venue)
        self._data = {feed.path: DataStreams(venue, feed) for feed in FEEDS}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pump: asyncio.Task[None] | None = None
        self._clients = 0
        venue.listen(self._tell)

    def routes(self) -> tuple[BaseRoute, ...]:
        """Give the websocket routes."""
        data = (WebSocketRoute(path, self._data_endpoint(streams)) for path, streams in self._data.items())
        return (WebSocketRoute("/stream", self._trading_endpoint), *data)

    def mute(self, *, pongs: bool) -> None:
        """Silence every connection there is, for good; call in the server's loop."""
        for line in self.lines:
            line.mute(pongs=pongs)

    def cut(self) -> None:
        """Break every connection there is; call in the server's loop."""
        for line in self.lines:
            line.cut()

    @property
    def lines(self) -> tuple[ClientLine, ...]:
        """Give the authorised connections of all streams."""
        data = (line for streams in self._data.values() for line in streams.lines)
        return (*self._trading.lines, *data)

    async def _trading_endpoint(self, socket: WebSocket) -> None:
        packed = socket.headers.get("content-type") == _PACKED
        line = self._line(socket, packed=packed, binary=True)
        await self._attend(line, lambda: self._trading.serve(line, refused=self._turned_away()))

    def _data_endpoint(self, streams: DataStreams) -> Callable[[WebSocket], Awaitable[None]]:
        async def attend(socket: WebSocket) -> None:
            packed = streams.feed.packed or socket.headers.get("content-type") == _PACKED
            line = self._line(socket, packed=packed, binary=False)
            key, secret = socket.headers.get(_KEY), socket.headers.get(_SECRET)
            pair = (key, secret) if key is not None and secret is not None else None
            await self._attend(line, lambda: streams.serve(line, pair, refused=self._turned_away()))

        return attend

    def _line(self, socket: WebSocket, *, packed: bool, binary: bool) -> ClientLine:
        return ClientLine(socket, packed=packed, binary=binary, faults=lambda: self.faults, draws=self._draws)

    async def _attend(self, line: ClientLine, serve: Callable[[], Awaitable[None]]) -> None:
        await line.open()
        self._clients += 1
        self._begin()
        try:
            with suppress(WebSocketDisconnect):
                await serve()
        finally:
            self._clients -= 1
            await line.close()

    def _turned_away(self) -> bool:
        return self._draws.random() < self.faults.refuse

    def _begin(self) -> None:
        self._loop = asyncio.get_running_loop()
        if self._pump is None or self._pump.done():
            self._pump = self._loop.create_task(self._run())

    async def _run(self) -> None:
        """Carry market time on while anybody listens, and push each of its steps."""
        pushed: datetime | None = None
        try:
            while self._clients:
                with self._venue.at_work() as now:
                    if pushed is None or now - pushed >= STEP:
                        pushed = now
                        for streams in self._data.values():
                            streams.push(now)
                await asyncio.sleep(LOOK_EVERY_S)
        except BaseException:
            # A market that cannot go on must not look like a quiet one.
            self.cut()
            raise

    def _tell(self, change: OrderChange) -> None:
        """Hear of a change under the venue's lock, in whichever thread; push it from the loop."""
        if self._loop is not None and not self._loop.is_closed():
            said = self._trading.worded(change)
            self._loop.call_soon_threadsafe(self._trading.tell, change.number, said)
