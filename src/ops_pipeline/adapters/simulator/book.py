"""What the simulated broker knows of one account, and its spelling on disk. Pure."""

import json
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from ops_pipeline.domain.codec import MISFITS, build, encode
from ops_pipeline.domain.errors import MissingDataError
from ops_pipeline.domain.instruments import OptionContract, contract_of
from ops_pipeline.domain.orders import Activity, BrokerOrder
from ops_pipeline.domain.units import Usd4


@dataclass(slots=True, kw_only=True)
class Holding:
    """A position at the broker: contracts, total cost (Usd4) and multiplier."""

    qty: int
    cost: Usd4
    multiplier: int


@dataclass(slots=True, kw_only=True)
class Book:
    """An account's truth: cash, holdings, orders by broker id, activities, the last session's equity.

    `suspended`: its owner wants no order taken.
    """

    number: str
    cash: Usd4
    options_level: int
    last_equity: Usd4
    session: date | None = None
    blocked: bool = False
    suspended: bool = False
    next_number: int = 1
    holdings: dict[str, Holding] = field(default_factory=dict)
    orders: dict[str, BrokerOrder] = field(default_factory=dict)
    by_client_id: dict[str, str] = field(default_factory=dict)
    activities: list[Activity] = field(default_factory=list)

    def number_next(self, prefix: str) -> str:
        """Give the next id of this account, in order."""
        value = f"{prefix}-{self.number}-{self.next_number:08d}"
        self.next_number += 1
        return value

    def contracts(self) -> dict[str, OptionContract]:
        """Give the contracts held, by symbol; shares are none."""
        known = {symbol: contract_of(symbol) for symbol in self.holdings}
        return {symbol: contract for symbol, contract in known.items() if contract is not None}

    def live(self) -> list[BrokerOrder]:
        """Give the orders that may still trade, oldest first."""
        return [order for order in self.orders.values() if not order.status.is_terminal]


def to_json(book: Book) -> str:
    """Write a book as JSON."""
    plain = {name: getattr(book, name) for name in Book.__slots__}
    return json.dumps(
        {
            **{key: encode(value) for key, value in plain.items() if not isinstance(value, dict)},
            "holdings": {key: encode(value) for key, value in book.holdings.items()},
            "orders": {key: encode(value) for key, value in book.orders.items()},
            "by_client_id": book.by_client_id,
        }
    )


def from_json(text: str) -> Book:
    """Read a book back; MissingDataError where the text is none."""
    try:
        return _book_of(json.loads(text, parse_constant=_refuse_constant))
    except MISFITS as error:
        raise MissingDataError(f"broker's book: expected one that was written here: {error!r}") from error


def _refuse_constant(name: str) -> None:
    """Refuse what JSON does not have, and Python reads all the same: NaN and infinities."""
    raise ValueError(f"{name} is no number")


def _book_of(plain: dict[str, Any]) -> Book:
    book = Book(
        number=plain["number"],
        cash=plain["cash"],
        options_level=plain["options_level"],
        last_equity=plain["last_equity"],
        session=date.fromisoformat(plain["session"]) if plain["session"] else None,
        blocked=plain["blocked"],
        suspended=plain.get("suspended", False),
        next_number=plain["next_number"],
    )
    book.holdings = {key: build(Holding, value) for key, value in plain["holdings"].items()}
    book.orders = {key: build(BrokerOrder, value) for key, value in plain["orders"].items()}
    book.by_client_id = plain["by_client_id"]
    book.activities = [build(Activity, value) for value in plain["activities"]]
    return book
