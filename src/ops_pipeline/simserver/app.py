"""The venue as an ASGI application: its routes, and what every request passes on the way. Shell."""

import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from ops_pipeline.simserver import account, activities, assets, hours, orders, positions
from ops_pipeline.simserver.calls import NOT_FOUND, ApiError, Call, Reply
from ops_pipeline.simserver.tickets import wire_id
from ops_pipeline.simserver.venue import Venue

Handler = Callable[[Call], Reply]
Endpoint = Callable[[Request], Awaitable[Response]]

TRADING: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/v2/account", account.show),
    ("GET", "/v2/account/configurations", account.configurations),
    ("PATCH", "/v2/account/configurations", account.configure),
    ("GET", "/v2/account/activities", activities.listing),
    ("GET", "/v2/account/activities/{activity_type}", activities.of_type),
    ("GET", "/v2/orders:by_client_order_id", orders.by_client_order_id),
    ("POST", "/v2/orders", orders.submit),
    ("GET", "/v2/orders", orders.listing),
    ("DELETE", "/v2/orders", orders.cancel_all),
    ("GET", "/v2/orders/{order_id}", orders.one),
    ("PATCH", "/v2/orders/{order_id}", orders.amend),
    ("DELETE", "/v2/orders/{order_id}", orders.cancel),
    ("GET", "/v2/positions", positions.listing),
    ("DELETE", "/v2/positions", positions.close_all),
    ("GET", "/v2/positions/{symbol}", positions.one),
    ("DELETE", "/v2/positions/{symbol}", positions.close),
    ("POST", "/v2/positions/{symbol}/exercise", positions.exercise),
    ("POST", "/v2/positions/{symbol}/do-not-exercise", positions.do_not_exercise),
    ("GET", "/v2/assets", assets.listing),
    ("GET", "/v2/assets/{symbol}", assets.one),
    ("GET", "/v2/options/contracts", assets.contracts),
    ("GET", "/v2/options/contracts/{symbol}", assets.contract),
    ("GET", "/v2/calendar", hours.calendar),
    ("GET", "/v2/clock", hours.clock),
)
DATA: tuple[tuple[str, str, Handler], ...] = ()
KEY_HEADER, SECRET_HEADER = "APCA-API-KEY-ID", "APCA-API-SECRET-KEY"
_UNAUTHORISED = 40110000


def create_app(venue: Venue, *, streams: tuple[BaseRoute, ...] = ()) -> Starlette:
    """Build the application. `streams` are the websocket routes, mounted beside the REST paths."""
    routes: list[BaseRoute] = [*streams]
    for method, path, handler in (*TRADING, *DATA):
        routes.append(Route(path, _endpoint(venue, handler), methods=[method]))
    return Starlette(routes=routes, exception_handlers={HTTPException: _no_such_endpoint})


def _endpoint(venue: Venue, handler: Handler) -> Endpoint:
    async def serve(request: Request) -> Response:
        raw = await request.body()
        try:
            reply = _answer(venue, handler, request, raw)
        except ApiError as error:
            reply = error.reply
        return _response(reply)

    return serve


def _answer(venue: Venue, handler: Handler, request: Request, raw: bytes) -> Reply:
    desk = venue.desk_of(request.headers.get(KEY_HEADER, ""), request.headers.get(SECRET_HEADER, ""))
    if desk is None:
        raise ApiError(_UNAUTHORISED, "request is not authorized")
    body = None
    if raw:
        with suppress(ValueError):
            body = json.loads(raw)
    with venue.at_work() as now:
        return handler(
            Call(
                venue=venue,
                desk=desk,
                now=now,
                path=request.path_params,
                query=dict(request.query_params),
                body=body,
            )
        )


def _response(reply: Reply) -> Response:
    body = b"" if reply.body is None else json.dumps(reply.body, separators=(",", ":")).encode()
    headers = {"X-Request-ID": wire_id("request", str(id(reply)))}
    return Response(body, reply.status, headers, media_type="application/json")


async def _no_such_endpoint(request: Request, error: Any) -> Response:
    del request
    code = NOT_FOUND if error.status_code == 404 else error.status_code * 100_000
    return _response(ApiError(code, "endpoint not found", status=error.status_code).reply)
