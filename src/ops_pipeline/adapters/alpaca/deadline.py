"""Connections whose every wait ends by the deadline of the request under way. Shell.

A server that sends a byte now and then would outlast any timeout of single reads.
"""

from collections.abc import Callable, Iterable
from ssl import SSLContext
from threading import local
from typing import Any

import httpcore2


class _Request(local):
    """The request that this thread is making: when it must have ended, and whether it wrote anything."""

    until_s: float = 0.0
    written: bool = False


class Deadlines(httpcore2.NetworkBackend):
    """Opens connections that keep the deadline; one request a thread at a time."""

    def __init__(self, elapsed: Callable[[], float]) -> None:
        """Take a clock of seconds that only goes forward."""
        self._elapsed = elapsed
        self._plain = httpcore2.SyncBackend()
        self._request = _Request()

    def begin(self, total_s: float) -> None:
        """Begin a request of this thread that must have ended `total_s` from now."""
        self._request.until_s = self._elapsed() + total_s
        self._request.written = False

    @property
    def written(self) -> bool:
        """Tell whether the request under way handed any of its bytes to the network."""
        return self._request.written

    def note_written(self) -> None:
        """Note that bytes are about to leave: from here on nobody knows what arrived."""
        self._request.written = True

    def left_s(self, timeout: float | None) -> float:
        """Give the seconds a single wait may last; at least a moment, so that it ends as a timeout."""
        left = max(0.001, self._request.until_s - self._elapsed())
        return left if timeout is None else min(timeout, left)

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        stream = self._plain.connect_tcp(host, port, self.left_s(timeout), local_address, socket_options)
        return _Stream(stream, self)


class _Stream(httpcore2.NetworkStream):
    """A connection whose waits are shortened to what is left of the request."""

    def __init__(self, stream: httpcore2.NetworkStream, deadlines: Deadlines) -> None:
        self._stream = stream
        self._deadlines = deadlines

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._deadlines.left_s(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if buffer:
            self._deadlines.note_written()
        self._stream.write(buffer, self._deadlines.left_s(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        secured = self._stream.start_tls(ssl_context, server_hostname, self._deadlines.left_s(timeout))
        return _Stream(secured, self._deadlines)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
