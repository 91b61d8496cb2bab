"""One account's lines to Alpaca, and the questions a doctor asks over them. Shell."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from random import Random
from typing import Any
from urllib.parse import urlsplit

import msgspec

from ops_pipeline.adapters.alpaca import wire
from ops_pipeline.adapters.alpaca.calendar import read_clock, read_sessions
from ops_pipeline.adapters.alpaca.client import AlpacaClient, Keys, Patience, Reply
from ops_pipeline.adapters.alpaca.errors import NoAnswer
from ops_pipeline.adapters.alpaca.reading import fetch
from ops_pipeline.adapters.alpaca.translate import account_of
from ops_pipeline.app.broker_options import BrokerOptions
from ops_pipeline.app.clock import elapsed_s, sleep
from ops_pipeline.app.credentials import Credentials
from ops_pipeline.app.interlocks import Venue, venue_of
from ops_pipeline.domain.accounts import BrokerAccount
from ops_pipeline.domain.market import Session
from ops_pipeline.domain.units import AccountId
from ops_pipeline.ports import Clock


@dataclass(frozen=True, slots=True)
class Told:
    """An answer of the broker: the status of HTTP (None: none came) and its body, read as JSON."""

    status: int | None
    body: Any = None
    why: str = ""

    def field(self, name: str) -> Any:
        """Give a field of the body; None where it has none."""
        return self.body.get(name) if isinstance(self.body, dict) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """An account's two lines: `trading` to its orders, `data` to prices and news."""

    account: AccountId
    venue: Venue | None
    host: str
    key_prefix: str
    trading: AlpacaClient
    data: AlpacaClient

    def close(self) -> None:
        """Close both."""
        self.trading.close()
        self.data.close()


def open_lines(options: BrokerOptions, own: Credentials, *, clock: Clock) -> Lines:
    """Open an account's lines; nothing is sent yet."""

    def client(address: str, what: str) -> AlpacaClient:
        return AlpacaClient(
            address,
            Keys(own.key.reveal(), own.secret.reveal()),
            clock=clock,
            elapsed=elapsed_s,
            sleep=sleep,
            # Accounts that begin at one instant do not ask again at one instant.
            jitter=Random(f"{own.account} {what}"),
            patience=Patience(connect_s=options.connect_s, read_s=options.read_s, total_s=options.total_s),
        )

    host = urlsplit(options.trading_address).hostname or ""
    return Lines(
        account=own.account,
        venue=venue_of(host),
        host=host,
        key_prefix=own.prefix,
        trading=client(options.trading_address, "trading"),
        data=client(options.data_address, "data"),
    )


class AlpacaSide:
    """Answers a doctor's questions, whichever account the keys belong to."""

    def __init__(self, lines: Lines, *, clock: Clock) -> None:
        """Ask over `lines`."""
        self._lines = lines
        self._clock = clock

    def account(self) -> BrokerAccount:
        """Give the account that answers; BrokerUnavailable without a trustworthy answer."""
        row = fetch(self._lines.trading, "/v2/account", wire.Account)
        return account_of(row, as_of=self._clock.now())

    def clock_at(self) -> datetime:
        """Give the broker's present; BrokerUnavailable without a trustworthy answer."""
        return read_clock(self._lines.trading).at

    def sessions(self, first: date, last: date) -> Sequence[Session]:
        """Give the broker's sessions in [first, last]; BrokerUnavailable without a trustworthy answer."""
        return read_sessions(self._lines.trading, first, last)

    def read(self, path: str, params: Mapping[str, str | int] | None = None, *, data: bool = False) -> Told:
        """Read whatever is answered; a read that stays without an answer has no status."""
        client = self._lines.data if data else self._lines.trading
        try:
            return _told(client.get(path, params))
        except NoAnswer as error:
            return Told(None, why=str(error))

    def send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Told:
        """Send once; what became of a request without an answer is not known."""
        try:
            return _told(self._lines.trading.send(method, path, body))
        except NoAnswer as error:
            return Told(None, why=str(error))


def _told(reply: Reply) -> Told:
    try:
        return Told(reply.status, msgspec.json.decode(reply.body) if reply.body else None)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Told(reply.status, why="not JSON")
