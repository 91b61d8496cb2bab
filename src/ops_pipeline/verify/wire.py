"""How broker calls are spelled between two processes, in JSON. Pure."""

import json
from collections.abc import Sequence
from typing import Any, TypeVar

from ops_pipeline.domain.codec import build, encode
from ops_pipeline.domain.orders import Leg, OrderIntent, Purpose, Side
from ops_pipeline.domain.units import AccountId, ClientOrderId, Occ, PositionId

Value = TypeVar("Value")
NOT_UNIQUE = "client_order_id must be unique"
NOT_FOUND = 40410000


class WireError(ValueError):
    """Bytes that do not spell what they should."""


def to_bytes(value: Any) -> bytes:
    """Spell a value of the domain, or a mapping to such values."""
    plain = (
        {name: encode(entry) for name, entry in value.items()} if isinstance(value, dict) else encode(value)
    )
    return json.dumps(plain).encode()


def plain_of(body: bytes) -> dict[str, Any]:
    """Read a JSON object; WireError for anything else."""
    try:
        plain = json.loads(body)
    except ValueError as error:
        raise WireError(f"expected JSON, was {body[:40]!r}") from error
    if not isinstance(plain, dict):
        raise WireError(f"expected an object, was {body[:40]!r}")
    return plain


def value_of(kind: type[Value], body: bytes) -> Value:
    """Read one value of the domain; WireError where it does not fit."""
    return _built(kind, plain_of(body))


def values_of(kind: type[Value], body: bytes) -> Sequence[Value]:
    """Read a list of values of the domain, under "rows"; WireError where one does not fit."""
    rows = plain_of(body).get("rows")
    if not isinstance(rows, list):
        raise WireError(f"expected rows, was {body[:40]!r}")
    return [_built(kind, row) for row in rows]


def _built(kind: type[Value], plain: Any) -> Value:
    try:
        made: Value = build(kind, plain)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise WireError(f"expected {kind.__name__}, was {plain!r}"[:200]) from error
    return made


def order_body(intent: OrderIntent) -> bytes:
    """Spell an order as it is sent: what the broker needs and nothing of why."""
    return to_bytes(
        {
            "client_order_id": intent.client_order_id,
            "legs": [{"symbol": leg.occ, "side": leg.side.value} for leg in intent.legs],
            "qty": intent.qty,
            "limit": intent.limit,
            "type": "limit",
            "tif": "day",
        }
    )


def order_of(body: bytes, account: AccountId) -> OrderIntent:
    """Read an order that was sent; WireError where it is none. Its cause stays with the sender."""
    plain = plain_of(body)
    try:
        order_id = ClientOrderId(plain["client_order_id"])
        return OrderIntent(
            client_order_id=order_id,
            account=account,
            purpose=_purpose_of(order_id),
            key=order_id,
            generation=1,
            legs=tuple(Leg(occ=Occ(leg["symbol"]), side=Side(leg["side"])) for leg in plain["legs"]),
            qty=int(plain["qty"]),
            limit=int(plain["limit"]),
            multiplier=100,
            position_id=PositionId(""),
            reason="",
        )
    except (KeyError, TypeError, ValueError) as error:
        raise WireError(f"expected an order, was {plain!r}"[:200]) from error


def _purpose_of(order_id: str) -> Purpose:
    """Read the purpose that stands in an order id of this program; others buy."""
    letters = order_id.split("-")[1:2]
    return Purpose(letters[0]) if letters and letters[0] in [*Purpose] else Purpose.ENTRY
