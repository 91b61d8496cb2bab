"""The option contracts that the venue lists, with their open interest. Shell."""

from dataclasses import dataclass
from datetime import date
from typing import Final

from ops_pipeline.adapters.alpaca import amounts, wire
from ops_pipeline.adapters.alpaca.client import AlpacaClient
from ops_pipeline.adapters.alpaca.errors import WireError
from ops_pipeline.adapters.alpaca.reading import pages
from ops_pipeline.adapters.alpaca.translate import contract_from
from ops_pipeline.domain.instruments import OptionContract, Right

_PATH: Final = "/v2/options/contracts"
_PAGE: Final = 10_000
TYPES: Final = {Right.CALL: "call", Right.PUT: "put"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A listed contract: whether it trades, and its open interest with the day it is of (None: not told)."""

    contract: OptionContract
    tradable: bool
    open_interest: int | None
    open_interest_on: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """All contracts asked for; `refused` are the rows that do not fit, in words."""

    rows: tuple[Listed, ...]
    refused: tuple[str, ...]


def list_contracts(
    client: AlpacaClient, underlying: str, *, first: date, last: date, right: Right | None = None
) -> Listing:
    """Give the active contracts that expire in [first, last], every page of them.

    The venue's own default ends at the next weekend, so the last day is always said.
    """
    params: dict[str, str | int] = {
        "underlying_symbols": underlying,
        "status": "active",
        "expiration_date_gte": first.isoformat(),
        "expiration_date_lte": last.isoformat(),
        "limit": _PAGE,
    }
    if right is not None:
        params["type"] = TYPES[right]
    rows, refused = list[Listed](), list[str]()
    for page in pages(client, _PATH, wire.OptionContracts, params):
        for row in page.option_contracts:
            try:
                rows.append(_listed(row))
            except WireError as error:
                refused.append(str(error))
    return Listing(rows=tuple(rows), refused=tuple(refused))


def _listed(row: wire.OptionContract) -> Listed:
    held = row.open_interest
    return Listed(
        contract=contract_from(row),
        tradable=row.tradable,
        open_interest=None if held is None else amounts.count(held, where=f"{row.symbol} open_interest"),
        open_interest_on=row.open_interest_date,
    )
