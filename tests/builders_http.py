"""A real HTTP server on loopback that answers as a test says, badly too. Shell."""

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request as it arrived."""

    method: str
    path: str
    params: dict[str, str]
    headers: dict[str, str]
    body: bytes
    port: int

    def json(self):
        return json.loads(self.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is sent back; `reset` hangs up first, `cut` promises more than it sends, `drip_s` is slow.

    `wait` is met before anything is sent; `raw_body` is sent as it is, without a length.
    """

    status: int = 200
    body: object = None
    headers: dict[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    reset: bool = False
    cut: bool = False
    drip_s: float = 0.0
    wait: threading.Barrier | None = None
    raw_body: bytes | None = None

    def raw(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


@dataclass(slots=True)
class Venue:
    """The server of one test: its address and what it was asked."""

    url: str
    asked: list[Asked]

    def count(self, method: str) -> int:
        return sum(one.method == method for one in self.asked)


class Quiet(ThreadingHTTPServer):
    """Says nothing of connections that break, as they are meant to."""

    daemon_threads = True

    def handle_error(self, request, client_address):
        pass


@contextmanager
def serving(
    answer: Callable[[Asked], Answer],
    *,
    date: str = "Mon, 14 Sep 2026 15:30:00 GMT",
    certificate: Path | None = None,
) -> Iterator[Venue]:
    """Serve on a free port of loopback until the block ends; answers are dated `date`.

    With a `certificate` (of localhost, its key beside it) the line is encrypted.
    """
    asked: list[Asked] = []
    over = threading.Event()
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, *_):
            pass

        def date_time_string(self, timestamp=None):
            return date

        def _serve(self):
            parts = urlsplit(self.path)
            one = Asked(
                method=self.command,
                path=parts.path,
                params=dict(parse_qsl(parts.query)),
                headers={name.lower(): value for name, value in self.headers.items()},
                body=self.rfile.read(int(self.headers.get("content-length") or 0)),
                port=self.client_address[1],
            )
            with lock:
                asked.append(one)
                found = answer(one)
            _write(self, found, over)

        do_GET = do_POST = do_DELETE = do_PATCH = _serve  # noqa: N815 - http.server's names

    server = Quiet(("127.0.0.1", 0), Handler)
    scheme = "http://127.0.0.1"
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        scheme = "https://localhost"
    worker = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    worker.start()
    try:
        yield Venue(url=f"{scheme}:{server.server_address[1]}", asked=asked)
    finally:
        over.set()
        server.shutdown()
        server.server_close()


def _write(handler: BaseHTTPRequestHandler, found: Answer, over: threading.Event) -> None:
    over.wait(found.delay_s) if found.delay_s else None
    handler.close_connection = found.reset or found.cut
    if found.reset:
        handler.connection.shutdown(socket.SHUT_RDWR)
        return
    if found.wait is not None:
        found.wait.wait()
    body = b"" if found.status == 204 else found.raw_body or found.raw()
    try:
        handler.send_response(found.status)
        for name, value in found.headers.items():
            handler.send_header(name, value)
        if found.raw_body is None:
            handler.send_header("content-length", str(len(body) + 100 * found.cut))
        handler.end_headers()
        if not found.drip_s:
            handler.wfile.write(body)
        for place in range(len(body) if found.drip_s else 0):
            handler.wfile.write(body[place : place + 1])
            if over.wait(found.drip_s):
                return
    except OSError:
        handler.close_connection = True


def unused_port() -> int:
    """Give a port of loopback on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
