"""One account's order updates as the broker pushes them. Shell."""

from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from threading import Lock
from typing import Final

from ops_pipeline.adapters.alpaca.stream_frames import failures
from ops_pipeline.adapters.alpaca.stream_link import (
    Line,
    Link,
    LinkState,
    StreamError,
    StreamKey,
    StreamMeans,
    StreamRefusedError,
)
from ops_pipeline.adapters.alpaca.stream_subscriptions import refusal
from ops_pipeline.adapters.alpaca.stream_trading import (
    TRADE_UPDATES,
    TradingData,
    gap,
    order_update,
    read_trading,
)
from ops_pipeline.domain.orders import OrderUpdate

LONGEST_QUEUE: Final = 10_000
# The data streams say so with a code; how the trading stream does is not documented.
_CONNECTION_LIMIT: Final = "connection limit"


class TradeUpdates:
    """One account's order updates, as ports.OrderStream.

    Whenever something may have been missed (each new connection, a message nobody could read, a queue that
    ran over) an update with the event `gap` and no order stands in its place: look at everything.
    """

    def __init__(
        self, url: str, *, key: StreamKey, means: StreamMeans, longest_queue: int = LONGEST_QUEUE
    ) -> None:
        """Prepare; `start` connects. `url` is the trading host's `/stream`."""
        self._key = key
        self._clock = means.clock
        self._lock = Lock()
        self._updates: deque[OrderUpdate] = deque()
        self._longest_queue = longest_queue
        self.dropped = 0
        self._link = Link(url, self, means=means)

    def start(self) -> None:
        """Connect, and stay connected until `close`."""
        self._link.start()

    def close(self) -> None:
        """Say goodbye; returns once nothing more can arrive."""
        self._link.close()

    def drain(self) -> Sequence[OrderUpdate]:
        """Give the updates since the last call, in the order of their arrival."""
        with self._lock:
            updates, self._updates = self._updates, deque()
        return tuple(updates)

    @property
    def heard_at(self) -> datetime | None:
        """Give when anything, a heartbeat included, was last heard; None: not connected and authorised."""
        return self._link.heard_at

    def reconnect(self, why: str) -> None:
        """Give the connection up and begin another, after the usual wait."""
        self._link.give_up(why)

    @property
    def state(self) -> LinkState:
        """Give how the connection fares."""
        return self._link.state

    def greet(self, line: Line, answer: Callable[[Line], bytes]) -> None:
        """Authorise and listen."""
        line.say({"action": "auth", "key": self._key.key_id, "secret": self._key.secret})
        said = self._reply("authorization", line, answer)
        if said.status != "authorized":
            raise StreamRefusedError(f"authorization: expected 'authorized', was {said.status!r}")
        line.say({"action": "listen", "data": {"streams": [TRADE_UPDATES]}})
        said = self._reply("listening", line, answer)
        if TRADE_UPDATES not in (said.streams or ()):
            raise StreamRefusedError(f"listening: expected {TRADE_UPDATES}, was {said.streams}")
        self.missed()

    def hear(self, frame: bytes) -> None:
        """Queue an update; StreamError where the server reports an error."""
        data = self._read(frame, TRADE_UPDATES)
        if data is not None:
            self._queue(order_update(data, heard_at=self._clock.now()))

    def tend(self, line: Line) -> None:
        """Say nothing: the stream needs no more."""

    def missed(self) -> None:
        """Queue a gap."""
        self._queue(gap(at=self._clock.now()))

    def _queue(self, update: OrderUpdate) -> None:
        with self._lock:
            if len(self._updates) >= self._longest_queue:
                self.dropped += len(self._updates)
                self._updates.clear()
                self._updates.append(gap(at=self._clock.now()))
            self._updates.append(update)

    def _reply(self, stream: str, line: Line, answer: Callable[[Line], bytes]) -> TradingData:
        while True:
            data = self._read(answer(line), stream)
            if data is not None:
                return data

    @staticmethod
    def _read(frame: bytes, stream: str) -> TradingData | None:
        """Give the data of a message of `stream`, None for another's; StreamError for an error's."""
        for failure in failures(frame):
            raise refusal(failure)
        message = read_trading(frame)
        if message.action == "error":
            text = message.data.error_message or "without words"
            is_refusal = _CONNECTION_LIMIT in text
            raise (StreamRefusedError if is_refusal else StreamError)(f"error: {text}")
        return message.data if message.stream == stream else None
