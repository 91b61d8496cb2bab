"""The venue's orders as ours: pages joined, replacements followed, each execution's order found. Shell."""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Final

from ops_pipeline.adapters.alpaca import wire
from ops_pipeline.adapters.alpaca.client import AlpacaClient, path_part
from ops_pipeline.adapters.alpaca.errors import Refused, WireError
from ops_pipeline.adapters.alpaca.instants import instant
from ops_pipeline.adapters.alpaca.reading import fetch
from ops_pipeline.adapters.alpaca.translate import follow, is_multi_leg, order_of
from ops_pipeline.domain.orders import BrokerOrder
from ops_pipeline.domain.units import ClientOrderId

_PATH: Final = "/v2/orders"
_PAGE: Final = 500
# The venue's stamps are finer than ours; a page is asked for from a little before where the last one ended.
_BEFORE: Final = timedelta(milliseconds=1)
# Orders of the day are submitted on the day they fill.
_A_DAY: Final = timedelta(days=1)
_LONGEST_CHAIN: Final = 50


def moment(at: datetime) -> str:
    """Write an instant as the venue reads it."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


class OrderBook:
    """Knows whose order each broker order id is: its own, its multi-leg parent's, what it replaced."""

    def __init__(self, client: AlpacaClient) -> None:
        """Know nothing yet."""
        self._client = client
        self._owners: dict[str, ClientOrderId] = {}

    def own(self, broker_order_id: str, owner: ClientOrderId) -> None:
        """Remember whose an order is."""
        self._owners.setdefault(broker_order_id, owner)

    def orders(self, *, since: datetime) -> list[BrokerOrder]:
        """Give the orders submitted at or after `since`, each replaced one as what it became."""
        rows = {row.id: row for row in self._rows(since)}
        merged = {row.replaced_by for row in rows.values() if row.replaced_by}
        shown = [self._followed(row, rows) for row in rows.values() if row.id not in merged]
        return [order for order in shown if order.submitted_at >= since]

    def show(self, row: wire.Order) -> BrokerOrder:
        """Show one order, with its legs and as what it became."""
        if is_multi_leg(row) and not row.legs:
            row = self._by_id(row.id)
        self._note(row)
        return self._followed(row, {})

    def owners_of(self, activities: Sequence[wire.Activity]) -> Mapping[str, ClientOrderId]:
        """Give the client order id behind each order id that the executions name."""
        trades = [row for row in activities if row.order_id and row.activity_type == "FILL"]
        missing = [row for row in trades if row.order_id not in self._owners]
        if missing:
            stamps = [
                instant(row.transaction_time, where=f"activity {row.id}")
                for row in missing
                if row.transaction_time
            ]
            if stamps:
                self._rows(min(stamps) - _A_DAY)
            for row in missing:
                if row.order_id and row.order_id not in self._owners:
                    self._owners[row.order_id] = self._owner_of(row.order_id)
        return self._owners

    def _owner_of(self, broker_order_id: str) -> ClientOrderId:
        """Ask for one order; none at the venue means none of ours."""
        try:
            row = self._by_id(broker_order_id)
        except Refused as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return ClientOrderId("")
            raise
        if row.order_class == "mleg" and row.symbol:
            return self._parent_of(row)
        return self._root_of(row)

    def _parent_of(self, leg: wire.Order) -> ClientOrderId:
        """Find a leg's parent among the orders of its time: a leg does not name it."""
        self._rows(_placed(leg) - _A_DAY)
        if leg.id not in self._owners:
            raise WireError(f"order {leg.id}: expected it among the legs of an order, found none")
        return self._owners[leg.id]

    def _rows(self, since: datetime) -> Collection[wire.Order]:
        """Read all pages from `since` on, oldest first; WireError where two pages do not join."""
        params: dict[str, str | int] = {
            "status": "all",
            "direction": "asc",
            "nested": "true",
            "limit": _PAGE,
            "after": moment(since - _BEFORE),
        }
        found: dict[str, wire.Order] = {}
        last: wire.Order | None = None
        while True:
            page = fetch(self._client, _PATH, list[wire.Order], params)
            if last is not None and all(row.id != last.id for row in page):
                raise WireError(f"{_PATH}: expected a page from {last.id} on, was another")
            fresh = [row for row in page if row.id not in found]
            for row in fresh:
                found[row.id] = row
                self._note(row)
            # Whether legs count towards a page's length is not told: both readings must end.
            if sum(1 + len(row.legs or ()) for row in page) < _PAGE:
                return found.values()
            if not fresh:
                raise WireError(
                    f"{_PATH}: expected fewer than {_PAGE} orders within {_BEFORE}, was {len(page)}"
                )
            last = page[-1]
            params["after"] = moment(_placed(last) - _BEFORE)

    def _note(self, row: wire.Order) -> None:
        owner = self._owners.get(row.id)
        if owner is None:
            owner = self._owners[row.id] = self._root_of(row)
        for leg in row.legs or ():
            self._owners[leg.id] = owner
        if row.replaced_by:
            self._owners[row.replaced_by] = owner

    def _root_of(self, row: wire.Order) -> ClientOrderId:
        """Give the client order id that an order, or the first of those it replaced, was sent with."""
        steps = 0
        while row.replaces:
            known = self._owners.get(row.replaces)
            if known is not None:
                return known
            if steps == _LONGEST_CHAIN:
                raise WireError(f"order {row.id}: expected fewer than {steps} replacements, found more")
            row, steps = self._by_id(row.replaces), steps + 1
        return ClientOrderId(row.client_order_id)

    def _followed(self, row: wire.Order, known: Mapping[str, wire.Order]) -> BrokerOrder:
        chain: list[BrokerOrder] = []
        later, steps = row.replaced_by, 0
        while later:
            if steps == _LONGEST_CHAIN:
                raise WireError(f"order {row.id}: expected fewer than {steps} replacements, found more")
            following = known.get(later) or self._by_id(later)
            self._owners[following.id] = self._owners[row.id]
            self._note(following)
            chain.append(order_of(following))
            later, steps = following.replaced_by, steps + 1
        return follow(order_of(row), chain)

    def _by_id(self, broker_order_id: str) -> wire.Order:
        path = f"{_PATH}/{path_part(broker_order_id)}"
        row = fetch(self._client, path, wire.Order, {"nested": "true"})
        if row.id != broker_order_id:
            raise WireError(f"GET {path}: expected that order, was {row.id}")
        return row


def _placed(row: wire.Order) -> datetime:
    placed = row.submitted_at or row.created_at
    if placed is None:
        raise WireError(f"order {row.id}: expected submitted_at or created_at, found neither")
    return instant(placed, where=f"order {row.id}")
