"""What the answer to an order means: taken, refused, to be sent later, or not known. Pure."""

from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from typing import Final

from ops_pipeline.adapters.alpaca import wire
from ops_pipeline.adapters.alpaca.client import Reply
from ops_pipeline.adapters.alpaca.errors import WireError
from ops_pipeline.adapters.alpaca.masks import shown
from ops_pipeline.adapters.alpaca.reading import error_of
from ops_pipeline.adapters.alpaca.translate import order_of
from ops_pipeline.domain.orders import Accepted, Deferred, OrderIntent, Rejected, SubmitOutcome, Unknown

_SHOWN: Final = 200
# With these the venue says no to the order itself; any other error may come after it was taken.
_REFUSALS: Final = frozenset(
    {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.UNPROCESSABLE_ENTITY,
    }
)
_ID_NAMES: Final = ("client_order_id", "client order id")
_TAKEN: Final = ("unique", "duplicate", "already")


def of(reply: Reply, intent: OrderIntent, *, retry_at: Callable[[Reply], datetime]) -> SubmitOutcome:
    """Classify the answer to `intent`. Only the venue's own error body refuses an order."""
    if HTTPStatus.OK <= reply.status < HTTPStatus.MULTIPLE_CHOICES:
        return _taken(reply, intent)
    if reply.status == HTTPStatus.TOO_MANY_REQUESTS:
        return Deferred(retry_at(reply), "429 too many requests")
    told = error_of(reply)
    # A gateway that knows no such path says so in a message alone.
    lost = reply.status == HTTPStatus.NOT_FOUND and told is not None and not told.code
    if told is None or lost or reply.status not in _REFUSALS or _is_duplicate(told.message):
        return Unknown(f"{reply.status} {told.message if told else _begin(reply)}")
    return Rejected(str(told.code or reply.status), told.message)


def _taken(reply: Reply, intent: OrderIntent) -> SubmitOutcome:
    """Read the order that was taken; an answer that cannot be read leaves it unknown, in its own words."""
    try:
        row = wire.read(wire.Order, reply.body, where="POST order")
        shown = order_of(row)
    except WireError as error:
        return Unknown(f"{reply.status}, unreadable: {error}")
    if shown.client_order_id != intent.client_order_id or not shown.broker_order_id:
        return Unknown(f"{reply.status}, of another order: {_begin(reply)}")
    return Accepted(shown)


def _is_duplicate(message: str) -> bool:
    words = message.lower()
    return any(name in words for name in _ID_NAMES) and any(word in words for word in _TAKEN)


def _begin(reply: Reply) -> str:
    return shown(reply.body, most=_SHOWN)
