"""A broker reached over HTTP: explicit timeouts, nothing sent twice, no answer taken for granted. Shell."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from typing import TypeVar
from urllib.parse import quote

from ops_pipeline.domain.accounts import BrokerAccount, BrokerPosition
from ops_pipeline.domain.orders import (
    Accepted,
    Activity,
    Approved,
    BrokerOrder,
    Deferred,
    Rejected,
    SubmitOutcome,
    Unknown,
)
from ops_pipeline.domain.units import AccountId, ClientOrderId
from ops_pipeline.ports import BrokerUnavailable
from ops_pipeline.verify.wire import (
    NOT_FOUND,
    NOT_UNIQUE,
    WireError,
    order_body,
    plain_of,
    value_of,
    values_of,
)

Value = TypeVar("Value")
# What was refused before a byte was written was not sent, and may be sent again soon.
_AGAIN_S = 1
_CLIENT_ERRORS = range(400, 500)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Seconds to wait for a connection, and for each answer (RELIABILITY 3.5)."""

    connect_s: float = 3.0
    read_s: float = 8.0


class NotSentError(Exception):
    """Nobody was there: not a byte of the request was written."""


class NoAnswerError(Exception):
    """The request was written, at least in part; what came back is no answer."""


class HttpBroker:
    """Implements `ports.Broker` for one account over one connection, which is opened anew where it broke."""

    def __init__(
        self,
        address: tuple[str, int],
        account: AccountId,
        *,
        now: Callable[[], datetime],
        timeouts: Timeouts = Timeouts(),
    ) -> None:
        """Speak to the server at `address` about `account`; nothing is opened yet."""
        self._address = address
        self._path = f"/v1/{quote(account)}"
        self._now = now
        self._timeouts = timeouts
        self._connection: HTTPConnection | None = None

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def account(self) -> BrokerAccount:
        return self._read(lambda body: value_of(BrokerAccount, body), "/account")

    def positions(self) -> Sequence[BrokerPosition]:
        return self._read(lambda body: values_of(BrokerPosition, body), "/positions")

    def orders(self, *, since: datetime) -> Sequence[BrokerOrder]:
        return self._read(lambda body: values_of(BrokerOrder, body), f"/orders?since={_stamp(since)}")

    def activities(self, *, since: datetime) -> Sequence[Activity]:
        return self._read(lambda body: values_of(Activity, body), f"/activities?since={_stamp(since)}")

    def order(self, client_order_id: ClientOrderId) -> BrokerOrder | None:
        path = f"/order?client_order_id={quote(client_order_id)}"
        status, body = self._trusted("GET", path)
        try:
            if status == HTTPStatus.NOT_FOUND and plain_of(body).get("code") == NOT_FOUND:
                return None
            if status == HTTPStatus.OK:
                return value_of(BrokerOrder, body)
        except WireError as error:
            raise BrokerUnavailable(f"GET {path}: {error}") from error
        raise BrokerUnavailable(f"GET {path}: expected 200 or the broker's own 404, was {status}")

    def cancel(self, broker_order_id: str) -> None:
        path = f"/orders/{quote(broker_order_id)}"
        status, _ = self._trusted("DELETE", path)
        # 404 and 422 say that nothing is left to cancel; the order itself will show.
        gone = (HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY)
        if status not in (HTTPStatus.NO_CONTENT, *gone):
            raise BrokerUnavailable(f"DELETE {path}: expected 204, was {status}")

    def suspend(self, *, on: bool) -> None:
        path = f"/suspended?on={int(on)}"
        status, _ = self._trusted("PUT", path)
        if status != HTTPStatus.NO_CONTENT:
            raise BrokerUnavailable(f"PUT {path}: expected 204, was {status}")

    def submit(self, order: Approved) -> SubmitOutcome:
        """POST once. Whatever is not clearly an answer is Unknown; it is never sent again from here."""
        try:
            status, body = self._call("POST", "/orders", order_body(order.intent))
        except NotSentError as error:
            return Deferred(self._now() + timedelta(seconds=_AGAIN_S), f"not sent: {error}")
        except NoAnswerError as error:
            return Unknown(str(error))
        try:
            return _outcome(status, body, order.intent.client_order_id)
        except WireError as error:
            return Unknown(f"{status}: {error}")

    def _read(self, parse: Callable[[bytes], Value], path: str) -> Value:
        status, body = self._trusted("GET", path)
        if status != HTTPStatus.OK:
            raise BrokerUnavailable(f"GET {path}: expected 200, was {status}")
        try:
            return parse(body)
        except WireError as error:
            raise BrokerUnavailable(f"GET {path}: {error}") from error

    def _trusted(self, method: str, path: str) -> tuple[int, bytes]:
        try:
            return self._call(method, path)
        except (NotSentError, NoAnswerError) as error:
            raise BrokerUnavailable(f"{method} {path}: expected an answer, was {error}") from error

    def _call(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        connection = self._connected()
        try:
            connection.request(method, self._path + path, body=body)
            response = connection.getresponse()
            return response.status, response.read()
        except (OSError, HTTPException) as error:
            self.close()
            raise NoAnswerError(f"{type(error).__name__} {error}".strip()) from error

    def _connected(self) -> HTTPConnection:
        if self._connection is not None and self._connection.sock is not None:
            return self._connection
        host, port = self._address
        connection = HTTPConnection(host, port, timeout=self._timeouts.connect_s)
        # What was closed is not opened again behind our back: a request is written once, or not at all.
        connection.auto_open = 0
        try:
            connection.connect()
        except OSError as error:
            connection.close()
            raise NotSentError(str(error)) from error
        connection.sock.settimeout(self._timeouts.read_s)
        self._connection = connection
        return connection


def _outcome(status: int, body: bytes, sent: ClientOrderId) -> SubmitOutcome:
    """Read the answer to a POST; WireError where it is none."""
    if status == HTTPStatus.OK:
        order = value_of(BrokerOrder, body)
        if order.client_order_id != sent:
            raise WireError(f"expected order {sent}, was {order.client_order_id}")
        return Accepted(order)
    if status not in _CLIENT_ERRORS:
        return Unknown(str(status))
    plain = plain_of(body)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return Deferred(_instant(plain.get("reset_at")), "429")
    if "code" not in plain or "message" not in plain:
        raise WireError(f"expected code and message, was {body[:40]!r}")
    if plain["message"] == NOT_UNIQUE:
        return Unknown(f"422 {NOT_UNIQUE}")
    return Rejected(str(plain["code"]), str(plain["message"]))


def _instant(text: object) -> datetime:
    try:
        return datetime.fromisoformat(str(text))
    except ValueError as error:
        raise WireError(f"expected an instant, was {text!r}") from error


def _stamp(instant: datetime) -> str:
    return quote(instant.isoformat())
