"""The venue's orders as ours: pages joined, replacements followed, each execution's order found. Shell."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final

from ops_pipeline.adapters.alpaca import wire
from ops_pipeline.adapters.alpaca.client import AlpacaClient, path_part
from ops_pipeline.adapters.alpaca.errors import Refused, WireError
from ops_pipeline.adapters.alpaca.instants import instant
from ops_pipeline.adapters.alpaca.others import PassedOver, is_others
from ops_pipeline.adapters.alpaca.reading import NO_SUCH_ORDER, fetch
from ops_pipeline.adapters.alpaca.translate import follow, is_multi_leg, order_of
from ops_pipeline.domain.orders import BrokerOrder
from ops_pipeline.domain.units import ClientOrderId
from ops_pipeline.ports import Clock

_PATH: Final = "/v2/orders"
_ORDERS: Final = "orders"
_PAGE: Final = 500
# The venue's stamps are finer than ours; a page is asked for from a little before where the last one ended.
_BEFORE: Final = timedelta(milliseconds=1)
# Orders of the day are submitted on the day they fill.
_A_DAY: Final = timedelta(days=1)
_LONGEST_CHAIN: Final = 50
# An execution proves that its order exists: so long the venue may fail to show it.
_SHOWN_WITHIN: Final = timedelta(minutes=10)


def moment(at: datetime) -> str:
    """Write an instant as the venue reads it."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


class OrderBook:
    """Knows whose order each broker order id is: its own, its multi-leg parent's, what it replaced."""

    def __init__(self, client: AlpacaClient, clock: Clock, passed_over: PassedOver) -> None:
        """Know nothing yet; what others ordered and nobody can read is left to `passed_over`."""
        self._passed_over = passed_over
        self._client = client
        self._clock = clock
        self._owners: dict[str, ClientOrderId] = {}
        # Orders that the venue does not have, though long ago something was executed on them.
        self._gone: set[str] = set()

    def own(self, broker_order_id: str, owner: ClientOrderId) -> None:
        """Remember whose an order is."""
        self._owners.setdefault(broker_order_id, owner)

    def orders(self, *, since: datetime) -> list[BrokerOrder]:
        """Give the orders submitted at or after `since`, each replaced one as what it became.

        One that is neither ours nor of options, and cannot be read exactly, is passed over.
        """
        rows = {row.id: row for row in self._rows(since)}
        merged = {row.replaced_by for row in rows.values() if row.replaced_by}
        self._passed_over.begin(_ORDERS)
        shown = [self._readable(row, rows) for row in rows.values() if row.id not in merged]
        return [order for order in shown if order is not None and order.submitted_at >= since]

    def show(self, row: wire.Order) -> BrokerOrder:
        """Show one order, with its legs and as what it became."""
        if is_multi_leg(row) and not row.legs:
            row = self._by_id(row.id)
        self._note(row)
        return self._followed(row, {})

    def owners_of(self, activities: Sequence[wire.Activity]) -> Mapping[str, ClientOrderId]:
        """Give the client order id behind each order id that the executions name; nobody's are left out."""
        missing: dict[str, datetime] = {}
        for row in activities:
            if row.order_id and row.order_id not in self._owners and (at := _executed(row)):
                missing[row.order_id] = max(at, missing.get(row.order_id, at))
        young = self._clock.now() - _SHOWN_WITHIN
        missing = {found: at for found, at in missing.items() if found not in self._gone or at > young}
        if missing:
            self._rows(min(missing.values()) - _A_DAY)
            for broker_order_id, at in missing.items():
                if broker_order_id not in self._owners:
                    self._find_owner(broker_order_id, executed_at=at)
        return self._owners

    def _find_owner(self, broker_order_id: str, *, executed_at: datetime) -> None:
        """Ask for one order; none of ours only where the venue has had time to show what was executed."""
        try:
            row = self._by_id(broker_order_id)
        except Refused as error:
            if error.code != NO_SUCH_ORDER:
                raise
            if self._clock.now() - executed_at < _SHOWN_WITHIN:
                raise WireError(
                    f"order {broker_order_id}: expected the order of an execution of {moment(executed_at)}, "
                    "was not shown"
                ) from error
            self._gone.add(broker_order_id)
            return
        is_leg = row.order_class == "mleg" and row.symbol
        self._owners[broker_order_id] = self._parent_of(row) if is_leg else self._root_of(row)

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

    def _readable(self, row: wire.Order, known: Mapping[str, wire.Order]) -> BrokerOrder | None:
        try:
            return self._followed(row, known)
        except WireError as error:
            symbols = (row.symbol, *(leg.symbol for leg in row.legs or ()))
            if not is_others(symbols, owner=self._owners[row.id], asset_class=row.asset_class):
                raise
            self._passed_over.note(_ORDERS, error)
            return None

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


def _executed(row: wire.Activity) -> datetime | None:
    """Give when an execution was; None of what is none, or is refused where it is read."""
    at = row.transaction_time or row.created_at
    if row.activity_type != "FILL" or at is None:
        return None
    with suppress(WireError):
        return instant(at, where=f"activity {row.id}")
    return None
