"""One account at the venue over REST: the record of its orders, positions and activities. Shell."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final

from ops_pipeline.adapters.alpaca import outcome, wire
from ops_pipeline.adapters.alpaca.book import OrderBook, moment
from ops_pipeline.adapters.alpaca.client import AlpacaClient, path_part, told_at
from ops_pipeline.adapters.alpaca.errors import NotSent, Refused, WireError, WrongAccount
from ops_pipeline.adapters.alpaca.guards import set_guards
from ops_pipeline.adapters.alpaca.masks import masked
from ops_pipeline.adapters.alpaca.others import PassedOver, is_others
from ops_pipeline.adapters.alpaca.reading import NO_SUCH_ORDER, code_of, fetch, fetch_dated, refusal
from ops_pipeline.adapters.alpaca.translate import account_of, order_body, position_of
from ops_pipeline.adapters.alpaca.translate_activities import activities_of
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
from ops_pipeline.domain.records import Failed
from ops_pipeline.domain.units import ClientOrderId, Occ
from ops_pipeline.ports import BrokerUnavailable, Clock

_POSITIONS: Final = "positions"
_ACTIVITIES: Final = "/v2/account/activities"
_ACTIVITY_PAGE: Final = 100
# How long a request that could not be sent is left alone.
_NOT_SENT_WAIT: Final = timedelta(seconds=2)


class AlpacaBroker:
    """Implements `ports.Broker`; every answer must come from the account `number`.

    The keys decide whose account answers, so it is asked for once, before anything else is believed or sent.
    """

    def __init__(self, client: AlpacaClient, *, number: str, clock: Clock, is_dated: bool = True) -> None:
        """Take the account's client; nothing is asked yet.

        `is_dated`: the Date of an answer is the time the venue lives by. A server of a market at a time and
        speed of its own dates its answers by the wall.
        """
        self._client = client
        self._number = number
        self._clock = clock
        self._passed_over = PassedOver()
        self._book = OrderBook(client, clock, self._passed_over)
        self._is_dated = is_dated
        self._verified = False

    def account(self) -> BrokerAccount:
        """Give the account, as of the venue's clock; WrongAccount where the keys belong to another."""
        row, reply = fetch_dated(self._client, "/v2/account", wire.Account)
        now = self._clock.now()
        found = account_of(row, as_of=told_at(reply, now) if self._is_dated else now)
        self._verified = found.number == self._number
        if not self._verified:
            raise WrongAccount(f"account: expected number {masked(self._number)}, was {masked(found.number)}")
        return found

    def troubles(self) -> tuple[Failed, ...]:
        """Give what the newest reads left out of what others do on the account."""
        return self._passed_over.troubles()

    def positions(self) -> Sequence[BrokerPosition]:
        """Give every position; one of neither options nor anything that can be read is passed over."""
        self._verify()
        rows = fetch(self._client, "/v2/positions", list[wire.Position])
        self._passed_over.begin(_POSITIONS)
        shown = [self._position(row) for row in rows]
        found = [position for position in shown if position is not None]
        if len({position.symbol for position in found}) < len(found):
            raise WireError("positions: expected each symbol once, found one twice")
        return found

    def submit(self, order: Approved) -> SubmitOutcome:
        """Send the order once and say what is known of it afterwards."""
        intent = order.intent
        try:
            self._verify()
        except BrokerUnavailable as error:
            return self._unverified(error)
        body = order_body(intent)
        try:
            reply = self._client.send("POST", "/v2/orders", body)
            found = outcome.of(reply, intent, retry_at=self._client.retry_at)
        except NotSent as error:
            return Deferred(self._clock.now() + _NOT_SENT_WAIT, f"not sent: {error}")
        except Exception as error:  # noqa: BLE001 - whatever it was, the order may be at the venue
            return Unknown(f"{type(error).__name__}: {error}")
        if isinstance(found, Accepted):
            self._book.own(found.order.broker_order_id, intent.client_order_id)
        return found

    def cancel(self, broker_order_id: str) -> None:
        """Ask for a cancel; what can no longer be cancelled is told by the order itself."""
        self._verify()
        path = f"/v2/orders/{path_part(broker_order_id)}"
        reply = self._client.send("DELETE", path)
        told = (HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY)
        if reply.status not in (HTTPStatus.OK, HTTPStatus.NO_CONTENT, *told):
            raise refusal(reply, "DELETE order")

    def suspend(self, *, on: bool) -> None:
        """Have the venue take no order of the account, or take them again; believed once it is read back."""
        self._verify()
        set_guards(self._client, suspend_trade=on)

    def order(self, client_order_id: ClientOrderId) -> BrokerOrder | None:
        """Look an order up by our id; None only where the venue itself says that it has none."""
        self._verify()
        path = "/v2/orders:by_client_order_id"
        reply = self._client.get(path, {"client_order_id": client_order_id})
        if reply.status == HTTPStatus.NOT_FOUND and code_of(reply) == NO_SUCH_ORDER:
            return None
        if reply.status != HTTPStatus.OK:
            raise refusal(reply, f"GET {path}")
        row = wire.read(wire.Order, reply.body, where=f"GET {path}")
        if row.client_order_id != client_order_id:
            raise WireError(f"GET {path}: expected {client_order_id}, was {row.client_order_id}")
        return self._book.show(row)

    def orders(self, *, since: datetime) -> Sequence[BrokerOrder]:
        """Give every order submitted at or after `since`, oldest first."""
        self._verify()
        return self._book.orders(since=since)

    def activities(self, *, since: datetime) -> Sequence[Activity]:
        """Give what was booked at or after `since`, oldest first; some of it may have happened before."""
        self._verify()
        rows = self._activity_rows(since)
        owners = self._book.owners_of(rows)
        found = activities_of(rows, owners, passed_over=self._passed_over)
        return [activity for activity in found if activity.fill is None or activity.at >= since]

    def exercise(self, occ: Occ) -> None:
        """Instruct an exercise of everything held of `occ`; Refused or NoAnswer where that is not sure."""
        self._instruct(occ, "exercise")

    def do_not_exercise(self, occ: Occ) -> None:
        """Instruct that `occ` is not exercised at expiry; Refused or NoAnswer where that is not sure."""
        self._instruct(occ, "do-not-exercise")

    def _instruct(self, occ: Occ, what: str) -> None:
        self._verify()
        reply = self._client.send("POST", f"/v2/positions/{path_part(occ)}/{what}")
        if reply.status not in (HTTPStatus.OK, HTTPStatus.NO_CONTENT):
            raise refusal(reply, f"{what} {occ}")

    def _activity_rows(self, since: datetime) -> list[wire.Activity]:
        """Read all pages; each begins with the row that the one before ended with, or the list has moved."""
        params: dict[str, str | int] = {
            # Whole seconds are all that is promised to be read, and rows of that very second are left out.
            "after": moment((since - timedelta(seconds=1)).replace(microsecond=0)),
            "direction": "asc",
            "page_size": _ACTIVITY_PAGE,
        }
        rows: list[wire.Activity] = []
        while True:
            page = fetch(self._client, _ACTIVITIES, list[wire.Activity], params)
            if rows and (not page or page[0].id != rows[-1].id):
                raise WireError(f"{_ACTIVITIES}: expected a page from {rows[-1].id} on, was another")
            rows += page[1:] if rows else page
            if len({row.id for row in rows}) < len(rows):
                raise WireError(f"{_ACTIVITIES}: expected each row once, found one twice")
            if len(page) < _ACTIVITY_PAGE:
                return rows
            params["page_token"] = rows[-2].id

    def _position(self, row: wire.Position) -> BrokerPosition | None:
        try:
            return position_of(row)
        except WireError as error:
            if not is_others((row.symbol,), asset_class=row.asset_class):
                raise
            self._passed_over.note(_POSITIONS, error)
            return None

    def _verify(self) -> None:
        if not self._verified:
            self.account()

    def _unverified(self, error: BrokerUnavailable) -> SubmitOutcome:
        """Say what becomes of an order that was not sent, for nobody knows whose account would take it."""
        why = f"not sent: {error}"
        if isinstance(error, WrongAccount):
            return Rejected("account", why)
        if isinstance(error, Refused) and error.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            return Rejected(str(error.code or error.status), why)
        return Deferred(self._clock.now() + _NOT_SENT_WAIT, why)
