"""A websocket that can fall silent or break as a network does, below what an application sees. Shell."""

from asyncio import AbstractEventLoop
from typing import Any, Final

from uvicorn.config import Config
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.http11 import Request

SOCKET: Final = "socket"
HEARTBEAT_S: Final = 20.0


class StreamSocket(WebSocketsSansIOProtocol):
    """The protocol to give uvicorn (`ws=StreamSocket`); an endpoint finds its own in `scope["state"]`."""

    heartbeat_s = HEARTBEAT_S
    answers_pings = True

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: AbstractEventLoop | None = None,
    ) -> None:
        """Take a connection; a client that answers no ping for a heartbeat is let go, and its place freed."""
        super().__init__(config, server_state, app_state, _loop)
        self.ping_interval = self.ping_timeout = self.heartbeat_s

    def handle_connect(self, event: Request) -> None:
        """Let the endpoint reach its socket."""
        super().handle_connect(event)
        if not self.close_sent:
            state = self.scope.setdefault("state", {})
            state[SOCKET] = self

    def handle_ping(self) -> None:
        """Answer, unless the socket has fallen silent."""
        if self.answers_pings:
            super().handle_ping()
        else:
            self.conn.data_to_send()

    def send_keepalive_ping(self) -> None:
        """Ask for a sign of life, unless the socket has fallen silent."""
        if self.answers_pings:
            super().send_keepalive_ping()

    def cut(self) -> None:
        """Break the connection off, with no goodbye."""
        self.transport.abort()
