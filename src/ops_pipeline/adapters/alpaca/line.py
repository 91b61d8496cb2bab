"""Kept connections to one host on which every wait ends by the deadline of its request. Shell.

A server that sends a byte now and then would outlast any timeout of single reads.
"""

import io
import select
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse, IncompleteRead
from threading import Event, Lock, Thread
from typing import Any, Final

from ops_pipeline.adapters.alpaca.unpack import BodyError, unpacked

# What opening, writing to and reading from a connection may raise: ValueError for a chunk of negative size.
FAILURES: Final = (OSError, HTTPException, BodyError, ValueError)
_PART: Final = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """Seconds: to connect, between two bytes, in all, and for which an idle connection is kept."""

    connect_s: float
    read_s: float
    total_s: float
    kept_s: float


@dataclass(slots=True)
class Attempt:
    """One request: when it must have ended, and whether any byte of it was handed to the network."""

    until_s: float
    written: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


class _Connection:
    """A socket that reads and writes within the attempt it is lent to."""

    def __init__(self, sock: socket.socket, waits: Waits, elapsed: Callable[[], float]) -> None:
        self._sock = sock
        self._waits = waits
        self._elapsed = elapsed
        self.attempt = Attempt(0.0)
        self.idle_since_s = 0.0

    def makefile(self, mode: str = "rb") -> io.BufferedReader:
        """Give what `http.client` reads an answer from."""
        return io.BufferedReader(_Reader(self))

    def send(self, data: bytes) -> None:
        """Write it all; from the first byte on nobody knows what arrived."""
        self._sock.settimeout(self._left_s())
        self.attempt.written = True
        self._sock.sendall(data)

    def receive_into(self, buffer: Any) -> int:
        """Read what there is, waiting no longer than the attempt has left."""
        self._sock.settimeout(self._left_s())
        return self._sock.recv_into(buffer)

    def is_stale(self) -> bool:
        """Tell whether an idle connection was closed by the other side, or is older than it may be."""
        if self._elapsed() - self.idle_since_s > self._waits.kept_s:
            return True
        watch = select.poll()
        watch.register(self._sock, select.POLLIN)
        return bool(watch.poll(0))

    def shut(self) -> None:
        """Close it."""
        self._sock.close()

    def _left_s(self) -> float:
        left = self.attempt.until_s - self._elapsed()
        if left <= 0:
            raise TimeoutError(f"expected an end within {self._waits.total_s:g} s")
        return min(left, self._waits.read_s)


class _Reader(io.RawIOBase):
    """The reading side of a connection, as long as one answer lasts."""

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._connection.receive_into(buffer)


class Lines:
    """Opens connections to one host, lends each to one request at a time and keeps it for the next."""

    def __init__(
        self, host: str, port: int, *, secure: bool, waits: Waits, elapsed: Callable[[], float]
    ) -> None:
        """Open nothing yet. `elapsed` is a clock of seconds that only goes forward."""
        self._address = (host, port)
        self._tls = ssl.create_default_context() if secure else None
        self._waits = waits
        self._elapsed = elapsed
        self._idle: list[_Connection] = []
        self._lock = Lock()

    def begin(self, ends_s: float | None = None) -> Attempt:
        """Begin an attempt, whose time runs from now, or up to `ends_s`."""
        return Attempt(self._elapsed() + self._waits.total_s if ends_s is None else ends_s)

    def exchange(self, attempt: Attempt, method: str, request: bytes, *, most_bytes: int) -> Answer:
        """Write a request and read its whole answer; FAILURES where that does not come about."""
        connection = self._lent(attempt)
        keep = False
        try:
            connection.send(request)
            answer, keep = _read(connection, method, most_bytes)
            return answer
        finally:
            if keep:
                connection.idle_since_s = self._elapsed()
                with self._lock:
                    self._idle.append(connection)
            else:
                connection.shut()

    def close(self) -> None:
        """Close what is idle; a request under way ends by its own deadline."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.shut()

    def _lent(self, attempt: Attempt) -> _Connection:
        while True:
            with self._lock:
                connection = self._idle.pop() if self._idle else None
            if connection is None:
                connection = self._opened(attempt)
            elif connection.is_stale():
                connection.shut()
                continue
            connection.attempt = attempt
            return connection

    def _opened(self, attempt: Attempt) -> _Connection:
        left = max(0.001, min(self._waits.connect_s, attempt.until_s - self._elapsed()))
        sock = _Opening(lambda: self._connect(left)).within(left)
        return _Connection(sock, self._waits, self._elapsed)

    def _connect(self, timeout_s: float) -> socket.socket:
        sock = socket.create_connection(self._address, timeout=timeout_s)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return self._tls.wrap_socket(sock, server_hostname=self._address[0]) if self._tls else sock
        except OSError:
            sock.close()
            raise


class _Opening:
    """A connection opened in a thread of its own, for neither a name server nor a handshake need ever end."""

    def __init__(self, connect: Callable[[], socket.socket]) -> None:
        self._connect = connect
        self._sock: socket.socket | None = None
        self._error: OSError | None = None
        self._given_up = False
        self._lock = Lock()
        self._done = Event()
        try:
            Thread(target=self._run, daemon=True).start()
        except RuntimeError as error:  # as many threads as the machine allows
            raise OSError(str(error)) from error

    def within(self, seconds: float) -> socket.socket:
        """Wait for it; TimeoutError where it is not there in time, and what comes later is closed."""
        self._done.wait(seconds)
        with self._lock:
            self._given_up = True
            if self._error is not None:
                raise self._error
            if self._sock is None:
                raise TimeoutError(f"expected a connection within {seconds:g} s")
            return self._sock

    def _run(self) -> None:
        try:
            sock = self._connect()
        except OSError as error:
            self._error = error
        except ValueError as error:  # a name that no name server could know
            self._error = OSError(str(error))
        else:
            with self._lock:
                if self._given_up:
                    sock.close()
                else:
                    self._sock = sock
        self._done.set()


def _read(connection: _Connection, method: str, most_bytes: int) -> tuple[Answer, bool]:
    """Read an answer to its end; tell whether the connection may be used again."""
    response = HTTPResponse(connection, method=method)  # type: ignore[arg-type] # it is read by makefile alone
    try:
        response.begin()
        headers = {name.lower(): value for name, value in response.getheaders()}
        parts = iter(lambda: response.read(_PART), b"")
        body = unpacked(parts, encoding=headers.get("content-encoding"), most=most_bytes)
        if response.length:
            raise IncompleteRead(b"", response.length)
        # After an interim answer the real one is still to come, and would be taken for the next request's.
        whole = response.status >= HTTPStatus.OK
        return Answer(response.status, headers, body), whole and not response.will_close
    finally:
        response.close()
