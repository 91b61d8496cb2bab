"""What every request passes on its way to the venue: keys, rate limits, faults, and back. Shell."""

import asyncio
import base64
import binascii
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ops_pipeline.simserver.calls import NOT_FOUND, ApiError, Call, Reply
from ops_pipeline.simserver.desk import Desk
from ops_pipeline.simserver.faults import FaultKind, FaultRule, Faults
from ops_pipeline.simserver.limits import RateLimits
from ops_pipeline.simserver.tickets import wire_id
from ops_pipeline.simserver.venue import Venue

Handler = Callable[[Call], Reply]
Client = tuple[str, int]

KEY_HEADER, SECRET_HEADER = "APCA-API-KEY-ID", "APCA-API-SECRET-KEY"
_UNAUTHORISED = 40110000
_TOO_MANY = 42910000
_BROKEN = 50010000
# A stale answer is the oldest of so many.
_REMEMBERED = 4
_BOUNDS = ("after", "until", "start", "end")
_NOT_A_BODY = b'{"message": "ok'


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One method on one path: who answers, and by which of the broker's two dialects."""

    method: str
    path: str
    handler: Handler
    is_data: bool = False


class Door:
    """Lets requests in one at a time. `hang_up` breaks a client's connection without a word."""

    def __init__(
        self, venue: Venue, faults: Faults, *, hang_up: Callable[[Client], None] | None = None
    ) -> None:
        """Stand before `venue`; without `hang_up` a lost answer is one that breaks off after its head."""
        self._venue = venue
        self._faults = faults
        self._hang_up = hang_up
        self._limits = RateLimits(venue.wall)
        self._told: dict[tuple[str, ...], deque[Reply]] = {}
        self._requests = 0

    def endpoint(self, endpoint: Endpoint) -> Callable[[Request], Any]:
        """Give what Starlette calls for a path."""

        async def serve(request: Request) -> "Response | HungUp":
            raw = await request.body()
            fault = self._faults.draw(request.method, request.url.path)
            if fault is not None and fault.kind is FaultKind.DELAY:
                await asyncio.sleep(fault.delay_s)
                fault = None
            if fault is not None and fault.kind is FaultKind.LOST:
                return self._hung_up(request)
            reply, headers = self._answer(endpoint, request, raw, fault)
            if fault is not None and fault.kind is FaultKind.LOST_ANSWER:
                return self._hung_up(request)
            return self._response(reply, headers, garbled=_is(fault, FaultKind.GARBAGE))

        return serve

    async def no_such_endpoint(self, request: Request, error: Any) -> Response:
        """Answer a path or a method that is not served, as the broker does those it does not know."""
        del request
        code = NOT_FOUND if error.status_code == 404 else error.status_code * 100_000
        return self._response(ApiError(code, "endpoint not found", status=error.status_code).reply, {})

    async def broken(self, request: Request, error: Exception) -> Response:
        """Answer what the venue itself failed at; the server says on its error output what it was.

        It hangs up after that, so the client is told not to ask on this connection again.
        """
        del request, error
        broken = ApiError(_BROKEN, "internal server error occurred").reply
        return self._response(broken, {"Connection": "close"})

    def _answer(
        self, endpoint: Endpoint, request: Request, raw: bytes, fault: FaultRule | None
    ) -> tuple[Reply, dict[str, str]]:
        desk = self._desk(request)
        if desk is None:
            return ApiError(_UNAUTHORISED, "request is not authorized").reply, {}
        terms = desk.terms
        family, limit = (
            ("data", terms.data_per_minute) if endpoint.is_data else ("trading", terms.trading_per_minute)
        )
        allowance = self._limits.count(terms.number, family, limit=limit)
        if allowance.is_spent or _is(fault, FaultKind.RATE_LIMITED):
            spent = replace(allowance, remaining=0)
            return ApiError(_TOO_MANY, "rate limit exceeded").reply, spent.headers
        if fault is not None and fault.kind is FaultKind.ERROR:
            return ApiError(0, "internal server error", status=fault.status).reply, allowance.headers
        reply = self._handled(endpoint, desk, request, raw)
        if fault is not None and fault.kind is FaultKind.ACCEPT_THEN_504:
            return ApiError(0, "gateway timeout", status=504).reply, allowance.headers
        return self._perhaps_stale(desk, request, reply, stale=_is(fault, FaultKind.STALE)), allowance.headers

    def _handled(self, endpoint: Endpoint, desk: Desk, request: Request, raw: bytes) -> Reply:
        with self._venue.at_work() as now:
            call = Call(
                venue=self._venue,
                desk=desk,
                now=now,
                path=request.path_params,
                query=dict(request.query_params),
                body=_body(raw),
            )
            try:
                return endpoint.handler(call)
            except ApiError as error:
                reply = error.reply
        # The market-data paths give a message alone.
        return Reply({"message": error_text(reply)}, reply.status) if endpoint.is_data else reply

    def _perhaps_stale(self, desk: Desk, request: Request, reply: Reply, *, stale: bool) -> Reply:
        """Give an answer, or an older one to the same question, whatever bounds in time it had."""
        if reply.status != HTTPStatus.OK or not self._faults.may_repeat(request.method, request.url.path):
            return reply
        asked = sorted((name, value) for name, value in request.query_params.items() if name not in _BOUNDS)
        told = self._told.setdefault(
            (desk.terms.number, request.url.path, str(asked)), deque(maxlen=_REMEMBERED)
        )
        told.append(reply)
        return told[0] if stale else reply

    def _desk(self, request: Request) -> Desk | None:
        key, secret = request.headers.get(KEY_HEADER), request.headers.get(SECRET_HEADER)
        if key is None or secret is None:
            key, secret = _basic(request.headers.get("Authorization", ""))
        return self._venue.desk_of(key, secret)

    def _response(self, reply: Reply, headers: dict[str, str], *, garbled: bool = False) -> Response:
        self._requests += 1
        body = b"" if reply.body is None else msgspec.json.encode(reply.body)
        identity = {"X-Request-ID": wire_id("request", str(self._requests)).replace("-", "")}
        kind = None if reply.body is None else "application/json"
        if garbled:
            return Response(_NOT_A_BODY, 200, {**headers, **identity}, media_type="application/json")
        return Response(body, reply.status, {**headers, **identity}, media_type=kind)

    def _hung_up(self, request: Request) -> "HungUp":
        client = request.client
        hang_up = self._hang_up
        if hang_up is not None and client is not None:
            hang_up((client.host, client.port))
        return HungUp()


class HungUp:
    """No answer at all: what it is awaited for is over before it begins."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send a head that promises a body that never comes; nothing where the connection is gone already."""
        del scope, receive
        # A connection that was broken off is only known to be gone in the loop's next round.
        await asyncio.sleep(0)
        head = [(b"content-length", b"1"), (b"connection", b"close")]
        await send({"type": "http.response.start", "status": 200, "headers": head})


def error_text(reply: Reply) -> str:
    """Give the message of a refusal."""
    return str(reply.body["message"])


def _is(fault: FaultRule | None, kind: FaultKind) -> bool:
    return fault is not None and fault.kind is kind


def _body(raw: bytes) -> Any:
    try:
        return msgspec.json.decode(raw) if raw else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _basic(header: str) -> tuple[str, str]:
    """Read a key pair sent as HTTP basic authorisation."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        key, _, secret = base64.b64decode(encoded).decode().partition(":")
    except (binascii.Error, ValueError):
        return "", ""
    return key, secret
