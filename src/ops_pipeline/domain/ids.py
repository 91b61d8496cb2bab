"""Identifiers as functions of their cause: the same wish is the same order, on any machine. Pure."""

from base64 import b32encode
from hashlib import sha256

from ops_pipeline.domain.orders import Purpose
from ops_pipeline.domain.units import ClientOrderId, PositionId

PREFIX = "op1"
_DIGEST_LETTERS = 26
_SHORT_DIGITS = 15


def logical_account(env: str, number: str) -> str:
    """Name an account across environments: `paper|PA123`; the same number elsewhere is another."""
    return f"{env}|{number}"


def client_order_id(
    database_id: str, account: str, purpose: Purpose, key: str, generation: int
) -> ClientOrderId:
    """Derive an order's id from its cause (RELIABILITY 3.4); at most 48 characters of [a-z0-9-].

    `database_id` is hexadecimal and marks orders of other installations as foreign; `account` comes
    from `logical_account`; `generation` counts attempts from 1. A cause without key, or a
    generation below 1, raises ValueError.
    """
    if not key:
        raise ValueError(f"client order id ({purpose.name}): expected a key, was empty")
    if generation < 1:
        raise ValueError(f"client order id of {key}: expected generation >= 1, was {generation}")
    logical = "|".join((account, purpose.value, key, str(generation)))
    digest = b32encode(sha256(logical.encode()).digest()).decode()[:_DIGEST_LETTERS].lower()
    mark = database_id.replace("-", "")[:4].lower()
    return ClientOrderId(f"{PREFIX}{mark}-{purpose.value}-{digest}-{generation}")


def is_ours(order_id: str, database_id: str) -> bool:
    """Tell whether an order id was made by the installation that owns `database_id`."""
    return order_id.startswith(f"{PREFIX}{database_id.replace('-', '')[:4].lower()}-")


def position_id_for(entry_order: ClientOrderId) -> PositionId:
    """Derive the id of the position that an entry order opens."""
    return PositionId(_short("P", entry_order))


def roll_id_for(position_id: PositionId, attempt: int) -> str:
    """Derive the id of a position's roll; `attempt` counts its rolls from 1."""
    return _short("R", f"{position_id}|{attempt}")


def tier_key(position_id: PositionId, level: int) -> str:
    """Give the cause of a ladder order: position and ladder level."""
    return f"{position_id}+{level}"


def _short(letter: str, cause: str) -> str:
    return letter + sha256(cause.encode()).hexdigest()[:_SHORT_DIGITS]
