"""The guards that the venue itself keeps on an account: read, set, and read back. Shell."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from ops_pipeline.adapters.alpaca import wire
from ops_pipeline.adapters.alpaca.client import AlpacaClient
from ops_pipeline.adapters.alpaca.errors import WireError
from ops_pipeline.adapters.alpaca.reading import fetch, refusal

_PATH: Final = "/v2/account/configurations"


@dataclass(frozen=True, slots=True, kw_only=True)
class Guards:
    """What an account forbids itself; `options_level` is the highest it lets itself use."""

    suspend_trade: bool
    no_shorting: bool
    options_level: int | None


def read_guards(client: AlpacaClient) -> Guards:
    """Ask for the account's guards."""
    return _guards(fetch(client, _PATH, wire.AccountConfigurations))


def set_guards(
    client: AlpacaClient, *, suspend_trade: bool | None = None, no_shorting: bool | None = None
) -> Guards:
    """Set what is named and leave the rest; WireError where the venue does not show it set afterwards."""
    asked = {"suspend_trade": suspend_trade, "no_shorting": no_shorting}
    wanted = {name: value for name, value in asked.items() if value is not None}
    reply = client.send("PATCH", _PATH, wanted)
    if reply.status != HTTPStatus.OK:
        raise refusal(reply, f"PATCH {_PATH}")
    found = read_guards(client)
    unset = [name for name, value in wanted.items() if getattr(found, name) != value]
    if unset:
        raise WireError(f"{_PATH}: expected {wanted}, was {found} in {', '.join(unset)}")
    return found


def _guards(row: wire.AccountConfigurations) -> Guards:
    return Guards(
        suspend_trade=row.suspend_trade,
        no_shorting=row.no_shorting,
        options_level=row.max_options_trading_level,
    )
