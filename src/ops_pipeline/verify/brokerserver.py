"""A small HTTP server of simulated accounts, in a process that outlives those that trade at it. Shell."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from http import HTTPStatus
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from threading import Condition, Lock
from typing import Any, cast
from urllib.parse import parse_qsl, unquote, urlsplit

from ops_pipeline.adapters.simulator.book import Book, from_json
from ops_pipeline.domain.codec import build
from ops_pipeline.domain.units import AccountId, Occ, Usd4
from ops_pipeline.verify.counter import Answer, Counter, CounterTerms
from ops_pipeline.verify.judges import Violation
from ops_pipeline.verify.processes import MachineClock, pause, processes, start
from ops_pipeline.verify.troubles import Climate, Trouble, Way, Weather
from ops_pipeline.verify.wire import WireError, order_of, plain_of, to_bytes

_LOCAL = "127.0.0.1"
_STARTS_WITHIN_S = 60.0
_ANSWERS_WITHIN_S = 60.0
_SEEN_BEFORE = (Trouble.RESET_BEFORE, Trouble.ERROR_BEFORE, Trouble.RATE_LIMITED)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerTerms:
    """What a server is started with: its accounts, its clock, and what goes wrong on the way to it."""

    counter: CounterTerms
    start: datetime
    base_s: float
    speed: float
    climate: Climate


class BrokerServer(ThreadingHTTPServer):
    """Serves one counter; requests are answered one at a time, what delays them goes on at once."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, terms: ServerTerms) -> None:
        """Open a port that is free."""
        super().__init__((_LOCAL, 0), _Handler)
        clock = MachineClock(terms.start, base_s=terms.base_s, speed=terms.speed)
        self.counter = Counter(terms.counter, clock)
        self.lock = Lock()
        self._weather = Weather(terms.climate)
        self._drawing = Lock()
        self._calls = 0
        self._called = Condition()

    def way(self, *, orders: bool) -> Way:
        """Draw what happens to a request; count it where it is an order call."""
        with self._drawing:
            way = self._weather.draw(orders=orders)
        if orders:
            with self._called:
                self._calls += 1
                self._called.notify_all()
        return way

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that were killed or hung up: their requests are judged elsewhere."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def wait_for_calls(self, more: int, within_s: float) -> int:
        """Wait until so many more order calls have come; give how many have."""
        with self._called:
            before = self._calls
            self._called.wait_for(lambda: self._calls >= before + more, within_s)
            return self._calls - before


class _Handler(BaseHTTPRequestHandler):
    """One connection of a client."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._serve("GET")

    def do_POST(self) -> None:
        self._serve("POST")

    def do_DELETE(self) -> None:
        self._serve("DELETE")

    def do_PUT(self) -> None:
        """Change something of the account."""
        self._serve("PUT")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - named by http.server
        """Say nothing."""

    @property
    def _server(self) -> BrokerServer:
        return cast("BrokerServer", self.server)

    def _serve(self, method: str) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        place = urlsplit(self.path)
        words = [unquote(word) for word in place.path.split("/")[1:]]
        query = dict(parse_qsl(place.query))
        if words[0] == "lab":
            self._reply(self._for_the_laboratory(words[1:], query, body))
            return
        way = self._server.way(orders=method != "GET")
        pause(way.before_s) if way.before_s else None
        answer = self._instead(way.trouble)
        if answer is None:
            with self._server.lock:
                answer = self._asked(method, words[1:], query, body)
            pause(way.after_s) if way.after_s else None
            answer = self._after(way.trouble, answer)
        if answer.status:
            self._reply(answer)
        else:
            self.close_connection = True

    def _instead(self, trouble: Trouble) -> Answer | None:
        """Give what is said before the broker has seen the request; None: it sees it. Status 0: nothing."""
        match trouble:
            case Trouble.RESET_BEFORE:
                return Answer(0)
            case Trouble.ERROR_BEFORE:
                return Answer(HTTPStatus.SERVICE_UNAVAILABLE, {})
            case Trouble.RATE_LIMITED:
                return self._server.counter.refused_for_rate()
            case _:
                return None

    @staticmethod
    def _after(trouble: Trouble, answer: Answer) -> Answer:
        match trouble:
            case Trouble.RESET_AFTER:
                return Answer(0)
            case Trouble.ERROR_AFTER:
                return Answer(HTTPStatus.GATEWAY_TIMEOUT, {})
            case Trouble.GARBAGE:
                return Answer(HTTPStatus.OK, {"message": "ok"})
            case _:
                return answer

    def _asked(self, method: str, words: Sequence[str], query: dict[str, str], body: bytes) -> Answer:
        account, what, *rest = words
        counter = self._server.counter
        if method == "POST":
            try:
                return counter.submit(order_of(body, AccountId(account)))
            except WireError as error:
                return Answer(HTTPStatus.BAD_REQUEST, {"code": 40010000, "message": str(error)})
        return counter.answer(method, what, account, {**query, **({"id": rest[0]} if rest else {})})

    def _for_the_laboratory(self, words: Sequence[str], query: dict[str, str], body: bytes) -> Answer:
        server = self._server
        if words[0] == "calls":
            come = server.wait_for_calls(int(query["more"]), float(query["within_s"]))
            return Answer(HTTPStatus.OK, {"calls": come})
        with server.lock:
            if words[1] == "truth":
                return server.counter.truth(words[0])
            row = plain_of(body)
            if words[1] == "stand":
                return server.counter.stand_from(datetime.fromisoformat(row["at"]))
            return server.counter.receive(words[0], row["occ"], qty=row["qty"], price=row["price"])

    def _reply(self, answer: Answer) -> None:
        body = b"" if answer.status == HTTPStatus.NO_CONTENT else to_bytes(answer.body)
        reason = HTTPStatus(answer.status).phrase
        head = f"HTTP/1.1 {int(answer.status)} {reason}\r\nContent-Length: {len(body)}\r\n\r\n"
        try:
            self.wfile.write(head.encode() + body)
        except OSError:  # who asked is dead, or has hung up
            self.close_connection = True


@dataclass(frozen=True, slots=True)
class Truth:
    """An account as it is at the broker: its book, every order that came, what was objected to there."""

    at: datetime
    book: Book
    heard: Sequence[tuple[str, str]]
    violations: Sequence[Violation]


@dataclass(frozen=True, slots=True)
class Served:
    """A server in its process, and what the laboratory may ask of it."""

    process: BaseProcess
    address: tuple[str, int]
    clock: MachineClock
    terms: ServerTerms

    def truth(self, account: AccountId) -> Truth:
        """Ask for an account's truth."""
        plain = plain_of(self._ask("GET", f"/lab/{account}/truth"))
        return Truth(
            at=datetime.fromisoformat(plain["at"]),
            book=from_json(plain["book"]),
            heard=[(order_id, body) for order_id, body in plain["heard"]],
            violations=[build(Violation, row) for row in plain["violations"]],
        )

    def calls(self, more: int, *, within_s: float) -> int:
        """Wait for so many more order calls; give how many came."""
        come: int = plain_of(self._ask("GET", f"/lab/calls?more={more}&within_s={within_s}"))["calls"]
        return come

    def receiver(self, account: AccountId) -> "Receiver":
        """Give what tells an account that it holds something."""
        return Receiver(self, account)

    def stop(self) -> None:
        """End it."""
        self.process.kill()
        self.process.join()

    def tell(self, path: str, body: bytes) -> None:
        """Tell the laboratory's door something."""
        self._ask("POST", path, body)

    def _ask(self, method: str, path: str, body: bytes | None = None) -> bytes:
        connection = HTTPConnection(*self.address, timeout=_ANSWERS_WITHIN_S)
        try:
            connection.request(method, path, body=body)
            return connection.getresponse().read()
        finally:
            connection.close()


@dataclass(frozen=True, slots=True)
class Receiver:
    """Implements adoption's receiver at a server."""

    served: Served
    account: AccountId

    def receive(self, occ: Occ, *, qty: int, price: Usd4, multiplier: int = 100) -> None:
        """Take the contracts over."""
        self.served.tell(f"/lab/{self.account}/receive", to_bytes({"occ": occ, "qty": qty, "price": price}))


def serve(terms: ServerTerms, told: Connection) -> None:
    """Serve until killed; the port is told first."""
    server = BrokerServer(terms)
    told.send(server.server_address[1])
    told.close()
    server.serve_forever()


def start_server(terms: ServerTerms) -> Served:
    """Start a server in a process of its own."""
    ours, theirs = processes().Pipe(duplex=False)
    process = start(serve, terms, theirs)
    theirs.close()
    if not ours.poll(_STARTS_WITHIN_S):
        process.kill()
        raise TimeoutError(f"broker server: expected its port within {_STARTS_WITHIN_S:g} s")
    port = ours.recv()
    clock = MachineClock(terms.start, base_s=terms.base_s, speed=terms.speed)
    return Served(process, (_LOCAL, port), clock, terms)


def on_database(terms: ServerTerms, database: str) -> ServerTerms:
    """Give the terms of a server that compares every order with what stands in `database`."""
    return replace(terms, counter=replace(terms.counter, database=database))
