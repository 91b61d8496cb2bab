"""Keeps one websocket alive: greets, listens, pings, gives a mute one up and begins again. Shell."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from random import Random
from threading import Event, Thread
from typing import Any, Final, Protocol

import msgspec
from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, reconnect

from ops_pipeline.adapters.alpaca.stream_patience import DEFAULT_RULES, Backoff, LinkRules
from ops_pipeline.domain.errors import OpsError
from ops_pipeline.ports import Clock

_PACKED: Final = {"Content-Type": "application/msgpack"}
_LARGEST_FRAME: Final = 4 * 1024 * 1024
# The library would log every frame at DEBUG, the one with the secret among them.
_WITHOUT_FRAMES: Final = logging.getLogger("ops_pipeline.streams")
_WITHOUT_FRAMES.setLevel(logging.WARNING)


class StreamError(OpsError):
    """A connection that could not be made or may not be kept; the next one is tried soon."""


class StreamRefusedError(StreamError):
    """A no of the broker's (credentials, plan, another connection): the next try waits longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamKey:
    """What a stream is authorised with."""

    key_id: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamMeans:
    """What a stream runs on: its instants' clock, seconds that only go forward, chance, patience."""

    clock: Clock
    elapsed: Callable[[], float]
    draws: Random
    rules: LinkRules = DEFAULT_RULES


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkState:
    """How a connection fares: `attempts` made, `greeted` of them, messages not taken, the last trouble."""

    listening: bool
    attempts: int
    greeted: int
    faults: int
    trouble: str | None
    refused: bool


class Line:
    """One open connection: what is said on it, and what is heard."""

    def __init__(self, socket: ClientConnection, *, packed: bool) -> None:
        """Speak MessagePack if `packed`, else JSON."""
        self._socket = socket
        self._packed = packed
        self._pong: Event | None = None

    def say(self, message: Mapping[str, Any]) -> None:
        """Send a message."""
        if self._packed:
            self._socket.send(msgspec.msgpack.encode(message))
        else:
            self._socket.send(msgspec.json.encode(message), text=True)

    def heard(self, wait_s: float) -> bytes | None:
        """Give the next frame, JSON or MessagePack alike; None: none came in time."""
        try:
            return self._socket.recv(wait_s, decode=False)
        except TimeoutError:
            return None

    @property
    def pinging(self) -> bool:
        """Tell whether an answer to a ping is awaited."""
        return self._pong is not None

    def ping(self) -> None:
        """Ask for a sign of life."""
        self._pong = self._socket.ping()

    def ponged(self) -> bool:
        """Tell, once, whether the ping was answered."""
        if self._pong is None or not self._pong.is_set():
            return False
        self._pong = None
        return True


class Talk(Protocol):
    """What is said on a connection, whoever keeps it open."""

    def greet(self, line: Line, answer: Callable[[Line], bytes]) -> None:
        """Authorise and begin; `answer` waits for a frame. StreamError where that fails."""

    def hear(self, frame: bytes) -> None:
        """Take a frame. StreamError gives the connection up; anything else counts as missed."""

    def tend(self, line: Line) -> None:
        """Say what is due by now."""

    def missed(self) -> None:
        """Note that something was said that could not be taken."""


class Link:
    """A connection that is there again after every loss, in a thread of its own.

    Silence is measured by `elapsed`, which only goes forward, so that no change of the clock makes a mute
    connection look alive; `clock` only gives it as an instant.
    """

    def __init__(self, url: str, talk: Talk, *, means: StreamMeans, packed: bool = False) -> None:
        """Prepare; nothing is opened before `start`. `packed`: speak MessagePack, not JSON."""
        self._url = url
        self._talk = talk
        self._clock = means.clock
        self._elapsed = means.elapsed
        self._rules = means.rules
        self._packed = packed
        self._backoff = Backoff(means.rules, means.draws)
        self._closing = Event()
        self._given_up: str | None = None
        self._heard_s: float | None = None
        self._attempts = self._greeted = self._faults = 0
        self._trouble: str | None = None
        self._refused = False
        self._thread = Thread(target=self._run, name=f"stream {url}", daemon=True)

    def start(self) -> None:
        """Connect, and stay connected until `close`."""
        self._thread.start()

    def close(self) -> None:
        """Say goodbye and stop; returns once the thread has ended."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join()

    def give_up(self, why: str) -> None:
        """End the connection there is, for the next to begin after the usual wait; without one, nothing."""
        self._given_up = why

    @property
    def heard_at(self) -> datetime | None:
        """Give when anything was last heard; None while not connected and authorised."""
        silent_s = self.silent_s
        return None if silent_s is None else self._clock.now() - timedelta(seconds=silent_s)

    @property
    def silent_s(self) -> float | None:
        """Give the seconds since anything was heard; None while not connected and authorised."""
        heard_s = self._heard_s
        return None if heard_s is None else max(0.0, self._elapsed() - heard_s)

    @property
    def state(self) -> LinkState:
        """Give how it fares."""
        return LinkState(
            listening=self._heard_s is not None,
            attempts=self._attempts,
            greeted=self._greeted,
            faults=self._faults,
            trouble=self._trouble,
            refused=self._refused,
        )

    def _run(self) -> None:
        while not self._closing.is_set():
            self._refused, greeted = False, self._greeted
            began_s = self._elapsed()
            try:
                self._converse()
            except Exception as error:  # noqa: BLE001 - whatever ended it, the next one is to begin
                self._note(error)
            lasted_s = self._elapsed() - began_s if self._greeted > greeted else 0.0
            self._wait(self._backoff.delay_s(lasted_s=lasted_s, refused=self._refused))

    def _wait(self, delay_s: float) -> None:
        due_s = self._elapsed() + delay_s
        while (left_s := due_s - self._elapsed()) > 0:
            if self._closing.wait(min(self._rules.poll_s, left_s)):
                return

    def _converse(self) -> None:
        self._attempts += 1
        self._given_up = None
        with _OneHost(
            self._url,
            additional_headers=_PACKED if self._packed else None,
            proxy=None,
            open_timeout=self._rules.open_within_s,
            close_timeout=self._rules.close_within_s,
            ping_interval=None,
            logger=_WITHOUT_FRAMES,
            max_size=_LARGEST_FRAME,
        ) as socket:
            line = Line(socket, packed=self._packed)
            try:
                self._talk.greet(line, partial(self._answer, self._elapsed() + self._rules.answer_within_s))
                self._heard_s = self._elapsed()
                self._greeted += 1
                self._listen(line)
            except _ClosedError:
                return
            except Exception as error:
                # Before it counts as away, so that whoever sees that sees why.
                self._note(error)
                raise
            finally:
                self._heard_s = None

    def _note(self, error: Exception) -> None:
        self._trouble = f"{type(error).__name__}: {error}"
        self._refused = isinstance(error, StreamRefusedError)

    def _check(self) -> None:
        if self._closing.is_set():
            raise _ClosedError
        if self._given_up is not None:
            raise StreamError(f"given up: {self._given_up}")

    def _answer(self, due_s: float, line: Line) -> bytes:
        """Wait for an answer; StreamError where none comes in time."""
        while self._elapsed() < due_s:
            self._check()
            frame = line.heard(self._rules.poll_s)
            if frame is not None:
                return frame
        raise StreamError(f"expected an answer within {self._rules.answer_within_s:g} s, was silence")

    def _listen(self, line: Line) -> None:
        """Take frame after frame; what else there is to do, whenever none comes and every `poll_s`."""
        elapsed, poll_s, hear = self._elapsed, self._rules.poll_s, self._talk.hear
        heard_s = pinged_s = tended_s = elapsed()
        while True:
            frame = line.heard(poll_s)
            now_s = elapsed()
            if frame is not None:
                self._heard_s = heard_s = now_s
                try:
                    hear(frame)
                except (StreamError, WebSocketException):
                    raise
                except Exception as error:  # noqa: BLE001 - one message that breaks its reader must not stop the rest
                    self._pass_over(error)
                if now_s - tended_s < poll_s:
                    continue
            tended_s = now_s
            if line.ponged():
                self._heard_s = heard_s = now_s
            if now_s - heard_s > self._rules.mute_after_s:
                raise StreamError(f"expected a frame or pong within {self._rules.mute_after_s:g} s, was none")
            if not line.pinging and now_s - pinged_s >= self._rules.ping_every_s:
                pinged_s = now_s
                line.ping()
            self._check()
            self._talk.tend(line)

    def _pass_over(self, error: Exception) -> None:
        self._faults += 1
        self._trouble = f"{type(error).__name__}: {error}"
        self._talk.missed()


class _OneHost(reconnect):
    """A connection to the host it was told, and to no other: the key would follow a redirect."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        """Take a redirect for the failure it is."""
        return exc


class _ClosedError(Exception):
    """The link is being closed."""
