"""One client's connection: what it said, what is to be sent, and what goes wrong on the way. Shell."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from random import Random
from typing import Any, Final

import msgspec
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from ops_pipeline.domain.errors import ConfigurationError
from ops_pipeline.simserver.stream_faults import StreamFaults, draw_fate
from ops_pipeline.simserver.stream_socket import SOCKET, StreamSocket

Said = Mapping[str, Any] | Sequence[Any]
Faults = Callable[[], StreamFaults]

# Messages a client may be behind; then it counts as slow and is let go, as the broker does it.
_MOST_WAITING: Final = 4_096
# A message held back for its successor goes out by itself when none follows.
_LONGEST_HELD_S: Final = 0.5
_LONGEST_GOODBYE_S: Final = 1.0
# What sending to a client that is no longer there raises.
_GONE: Final = (WebSocketDisconnect, RuntimeError, OSError)
_OPENINGS: Final = frozenset(b"{[ \t\r\n")


class ClientLine:
    """Sends in order from a queue, so that whoever pushes never waits. Lives in the server's event loop.

    `binary`: JSON goes in binary frames too, as the paper trading stream does it.
    """

    def __init__(
        self, socket: WebSocket, *, packed: bool, binary: bool, faults: Faults, draws: Random
    ) -> None:
        """Wrap a socket that is not yet accepted."""
        self._socket = socket
        self._packed = packed
        self._binary = binary
        self._faults = faults
        self._draws = draws
        self._waiting: asyncio.Queue[bytes | None] = asyncio.Queue(_MOST_WAITING)
        self._held: bytes | None = None
        self._below: StreamSocket
        self._sender: asyncio.Task[None]
        self.muted = False
        self.slow = False

    async def open(self) -> None:
        """Accept the connection and begin to send."""
        below = self._socket.scope.get("state", {}).get(SOCKET)
        if not isinstance(below, StreamSocket):
            raise ConfigurationError("streams: expected a server run with ws=StreamSocket, was another")
        self._below = below
        await self._socket.accept()
        self._sender = asyncio.create_task(self._send())

    async def hear(self, within_s: float | None = None) -> object:
        """Give the client's next message; None where it is neither JSON nor MessagePack.

        TimeoutError where none came in time, WebSocketDisconnect where the client is gone.
        """
        async with asyncio.timeout(within_s):
            message = await self._socket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1005))
        text, raw = message.get("text"), message.get("bytes")
        frame: bytes = text.encode() if text is not None else raw or b""
        decode = msgspec.json.decode if not frame or frame[0] in _OPENINGS else msgspec.msgpack.decode
        with suppress(msgspec.DecodeError, RecursionError):
            return decode(frame)
        return None

    def answer(self, said: Said) -> None:
        """Send an answer: no fault touches it, but a mute line says nothing at all."""
        self._queue(self._encode(said))

    def push(self, said: Said) -> None:
        """Send what nobody asked for now, or let happen to it what may."""
        if self.muted:
            return
        fate = draw_fate(self._faults(), self._draws)
        frame = self._encode(said)
        if fate.cut:
            self.cut()
        elif fate.mute:
            self.mute(pongs=self._faults().pongs)
        elif fate.delay_s:
            asyncio.get_running_loop().call_later(fate.delay_s, self._queue, frame)
        elif fate.held and self._held is None:
            self._held = frame
            asyncio.get_running_loop().call_later(_LONGEST_HELD_S, self._release)
        else:
            for _ in range(fate.copies):
                self._queue(frame)
            self._release()

    def mute(self, *, pongs: bool) -> None:
        """Say nothing more, and without `pongs` answer no ping either; the connection stays open."""
        self.muted = True
        self._below.answers_pings = pongs

    def cut(self) -> None:
        """Break off with no goodbye."""
        self._below.cut()
        self._sender.cancel()

    async def close(self) -> None:
        """Send what is waiting, then say goodbye."""
        with suppress(asyncio.QueueFull):
            self._waiting.put_nowait(None)
        with suppress(TimeoutError, asyncio.CancelledError):
            await asyncio.wait_for(self._sender, _LONGEST_GOODBYE_S)
        if self._socket.client_state is WebSocketState.CONNECTED:
            with suppress(*_GONE):
                await self._socket.close()

    def _encode(self, said: Said) -> bytes:
        return msgspec.msgpack.encode(said) if self._packed else msgspec.json.encode(said)

    def _release(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            self._queue(held)

    def _queue(self, frame: bytes) -> None:
        if self.muted or self.slow:
            return
        try:
            self._waiting.put_nowait(frame)
        except asyncio.QueueFull:
            self.slow = True
            self.cut()

    async def _send(self) -> None:
        while (frame := await self._waiting.get()) is not None:
            if self.muted:
                continue
            with suppress(*_GONE):
                if self._packed or self._binary:
                    await self._socket.send_bytes(frame)
                else:
                    await self._socket.send_text(frame.decode())
