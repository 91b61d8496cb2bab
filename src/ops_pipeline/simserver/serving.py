"""Serves a venue on a port of this machine until it is told to stop. Shell."""

import socket
from asyncio.transports import BaseTransport, Transport
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from ops_pipeline.domain.errors import ConfigurationError
from ops_pipeline.simserver.app import create_app
from ops_pipeline.simserver.door import Client
from ops_pipeline.simserver.faults import Faults
from ops_pipeline.simserver.files import FaultPlan
from ops_pipeline.simserver.stream_socket import StreamSocket
from ops_pipeline.simserver.streams import Streams
from ops_pipeline.simserver.venue import Venue

_GOODBYE_S = 1
_WAITING = 128


def open_port(host: str, port: int) -> socket.socket:
    """Take a port (0: any that is free); ConfigurationError where it is taken or not to be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named as TCP, asyncio sends each answer at once instead of waiting for the client's acknowledgement.
    taken = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind((host, port))
        taken.listen(_WAITING)
    except OSError as error:
        taken.close()
        raise ConfigurationError(f"{host}:{port}: expected a free port: {error.strerror}") from error
    return taken


class VenueServer(uvicorn.Server):
    """A venue behind a port, REST and websockets. `run()` returns after `stop()`."""

    def __init__(self, venue: Venue, port: socket.socket, *, plan: FaultPlan | None = None) -> None:
        """Prepare to serve `venue` on an open port; `plan`: what goes wrong on the way."""
        plan = plan or FaultPlan()
        self.venue = venue
        self.faults = Faults(plan.rules, seed=plan.seed)
        self.streams = Streams(venue, faults=plan.streams)
        self._port = port
        self._transports: dict[Client, Transport] = {}
        app = create_app(venue, streams=self.streams.routes(), faults=self.faults, hang_up=self._hang_up)
        super().__init__(
            uvicorn.Config(
                app,
                http=self._protocol(),
                ws=StreamSocket,
                ws_ping_interval=None,
                lifespan="off",
                log_level="error",
                access_log=False,
                proxy_headers=False,
                timeout_graceful_shutdown=_GOODBYE_S,
            )
        )

    @property
    def address(self) -> str:
        """Give `host:port`."""
        host, port = self._port.getsockname()[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def serve_until_stopped(self) -> None:
        """Serve; blocks until `stop` is called from a signal or another thread."""
        self.run(sockets=[self._port])

    def stop(self) -> None:
        """Ask for the end: open requests are answered, websockets closed."""
        self.should_exit = True

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to whoever runs the server."""
        yield

    def _protocol(self) -> type[H11Protocol]:
        """Give the HTTP protocol that lets a connection be found by its client."""
        transports = self._transports

        class Findable(H11Protocol):
            def connection_made(self, transport: BaseTransport) -> None:
                super().connection_made(cast("Transport", transport))
                if self.client is not None:
                    transports[self.client] = cast("Transport", transport)

            def connection_lost(self, exc: Exception | None) -> None:
                if self.client is not None:
                    transports.pop(self.client, None)
                super().connection_lost(exc)

        return Findable

    def _hang_up(self, client: Client) -> None:
        transport = self._transports.get(client)
        if transport is not None:
            transport.abort()
