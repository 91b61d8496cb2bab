"""The venue as an ASGI application: its REST paths, and where its websockets are mounted. Shell."""

from collections.abc import Callable
from functools import partial

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Route

from ops_pipeline.simserver import (
    account,
    activities,
    assets,
    corporate,
    history,
    hours,
    meta,
    news,
    option_data,
    orders,
    positions,
    stock_data,
)
from ops_pipeline.simserver.door import Client, Door, Endpoint
from ops_pipeline.simserver.faults import Faults
from ops_pipeline.simserver.marks import MarkBook
from ops_pipeline.simserver.venue import Venue

_TRADING = (
    ("GET", "/v2/account", account.show),
    ("GET", "/v2/account/configurations", account.configurations),
    ("PATCH", "/v2/account/configurations", account.configure),
    ("GET", "/v2/account/activities", activities.listing),
    ("GET", "/v2/account/activities/{activity_type}", activities.of_type),
    ("GET", "/v2/account/portfolio/history", history.portfolio),
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
_DATA = (
    ("/v2/stocks/bars", stock_data.bars),
    ("/v2/stocks/bars/latest", stock_data.latest_bars),
    ("/v2/stocks/quotes/latest", stock_data.latest_quotes),
    ("/v2/stocks/trades/latest", stock_data.latest_trades),
    ("/v2/stocks/snapshots", stock_data.snapshots),
    ("/v2/stocks/meta/exchanges", meta.stock_exchanges),
    ("/v2/stocks/meta/conditions/{ticktype}", meta.stock_conditions),
    ("/v2/stocks/{symbol}/bars", stock_data.bars_of_one),
    ("/v2/stocks/{symbol}/quotes/latest", stock_data.latest_quote),
    ("/v2/stocks/{symbol}/trades/latest", stock_data.latest_trade),
    ("/v2/stocks/{symbol}/snapshot", stock_data.snapshot),
    ("/v1beta1/options/bars", option_data.bars),
    ("/v1beta1/options/quotes/latest", option_data.latest_quotes),
    ("/v1beta1/options/trades/latest", option_data.latest_trades),
    ("/v1beta1/options/meta/exchanges", meta.option_exchanges),
    ("/v1beta1/options/meta/conditions/{ticktype}", meta.option_conditions),
    ("/v1beta1/news", news.listing),
    ("/v1/corporate-actions", corporate.listing),
)


def endpoints(venue: Venue) -> tuple[Endpoint, ...]:
    """Give everything the REST side answers."""
    marks = MarkBook(venue.world, venue.calendar)
    with_marks = (
        ("/v1beta1/options/snapshots", partial(option_data.snapshots, marks=marks)),
        ("/v1beta1/options/snapshots/{symbol}", partial(option_data.chain, marks=marks)),
    )
    return (
        *(Endpoint(method=method, path=path, handler=handler) for method, path, handler in _TRADING),
        *(
            Endpoint(method="GET", path=path, handler=handler, is_data=True)
            for path, handler in (*_DATA, *with_marks)
        ),
    )


def create_app(
    venue: Venue,
    *,
    streams: tuple[BaseRoute, ...] = (),
    faults: Faults | None = None,
    hang_up: Callable[[Client], None] | None = None,
) -> Starlette:
    """Build the application; `streams` are the websocket routes, `faults` what befalls requests."""
    door = Door(venue, faults or Faults(), hang_up=hang_up)
    routes = [
        Route(endpoint.path, door.endpoint(endpoint), methods=[endpoint.method])
        for endpoint in endpoints(venue)
    ]
    return Starlette(
        routes=[*streams, *routes],
        exception_handlers={HTTPException: door.no_such_endpoint, Exception: door.broken},
    )
