"""A websocket that can fall silent or break as a network does, below what an application sees. Shell."""

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

SOCKET = "socket"


class StreamSocket(WebSocketsSansIOProtocol):
    """The protocol to give uvicorn (`ws=StreamSocket`); an endpoint finds its own in `scope["state"]`."""

    answers_pings = True

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

    def cut(self) -> None:
        """Break the connection off, with no goodbye."""
        self.transport.abort()
