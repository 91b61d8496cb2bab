"""The stocks and option contracts of a venue. Shell."""

from datetime import date, datetime, timedelta
from typing import Any

from ops_pipeline.adapters.simulator.world import World
from ops_pipeline.domain.instruments import OptionContract, Right
from ops_pipeline.domain.market import OptionQuote
from ops_pipeline.simserver.calls import NOT_FOUND, ApiError, Call, Reply
from ops_pipeline.simserver.listing import Wanted, contracts_of, listed
from ops_pipeline.simserver.money import text
from ops_pipeline.simserver.order_json import asset_id
from ops_pipeline.simserver.query import (
    choice_of,
    count_of,
    day_of,
    flag_of,
    place_of,
    price_of,
    token,
    words_of,
)
from ops_pipeline.simserver.tickets import is_wire_id

DEFAULT_CONTRACTS, MOST_CONTRACTS = 100, 10_000
_SUNDAY = 6
_FAR = timedelta(days=4000)


def listing(call: Call) -> Reply:
    """Answer GET /v2/assets: the world's companies. Their shares are shown, not traded."""
    query = call.query
    rows = [_asset_json(call.venue.world, ticker) for ticker in call.venue.world.tickers]
    wanted = {
        "status": query.get("status"),
        "class": query.get("asset_class"),
        "exchange": query.get("exchange"),
    }
    attributes = set(words_of(query, "attributes"))
    return Reply(
        [
            row
            for row in rows
            if all(value in (None, "", row[key]) for key, value in wanted.items())
            and attributes <= set(row["attributes"])
        ]
    )


def one(call: Call) -> Reply:
    """Answer GET /v2/assets/{symbol_or_asset_id}."""
    wanted = call.path["symbol"]
    for ticker in call.venue.world.tickers:
        if wanted in (ticker, asset_id(ticker)):
            return Reply(_asset_json(call.venue.world, ticker))
    raise ApiError(NOT_FOUND, f"asset not found for {wanted}")


def contracts(call: Call) -> Reply:
    """Answer GET /v2/options/contracts. Without an expiration only those up to the next weekend show."""
    query = call.query
    limit = count_of(query, "limit", default=DEFAULT_CONTRACTS, most=MOST_CONTRACTS)
    wanted = _wanted(call)
    after = place_of(query)
    none = query.get("status") == "inactive" or query.get("style") == "european"
    penny = flag_of(query, "ppind") if query.get("ppind") else None
    found: list[OptionContract] = []
    tickers = words_of(query, "underlying_symbols") or call.venue.world.tickers
    for ticker in sorted(tickers) if not none else ():
        found += [
            contract
            for contract in contracts_of(call.venue.world, ticker, wanted, now=call.now)
            if contract.occ > after and penny in (None, contract.penny)
        ]
    page = found[:limit]
    more = token(page[-1].occ) if len(found) > limit else None
    return Reply({"option_contracts": _contract_rows(call, page), "next_page_token": more})


def contract(call: Call) -> Reply:
    """Answer GET /v2/options/contracts/{symbol_or_id}."""
    wanted = call.path["symbol"]
    found = listed(call.venue.world, wanted, now=call.now) or _by_id(call, wanted)
    if found is None:
        raise ApiError(NOT_FOUND, f"option contract not found for {wanted}")
    return Reply(_contract_rows(call, [found])[0])


def next_weekend(day: date) -> date:
    """Give the Sunday that ends the week of `day`."""
    return day + timedelta(days=_SUNDAY - day.weekday())


def right_of(call: Call) -> Right | None:
    """Read the `type` of contracts asked for; None: both."""
    named = choice_of(call.query, "type", ("call", "put", ""), default="")
    return {"call": Right.CALL, "put": Right.PUT}.get(named)


def _wanted(call: Call) -> Wanted:
    query = call.query
    today = call.venue.session().date
    exact = day_of(query, "expiration_date")
    last = day_of(query, "expiration_date_lte") or next_weekend(today)
    return Wanted(
        first=exact or day_of(query, "expiration_date_gte") or today,
        last=exact or last,
        right=right_of(call),
        low=price_of(query, "strike_price_gte"),
        high=price_of(query, "strike_price_lte"),
        root=query.get("root_symbol") or "",
    )


def _by_id(call: Call, wanted: str) -> OptionContract | None:
    """Find a contract by its UUID: by going through all that is listed, for ids say nothing."""
    if not is_wire_id(wanted):
        return None
    everything = Wanted(first=call.now.date() - _FAR, last=call.now.date() + _FAR)
    for ticker in call.venue.world.tickers:
        for found in contracts_of(call.venue.world, ticker, everything, now=call.now):
            if asset_id(found.occ) == wanted:
                return found
    return None


def _asset_json(world: World, ticker: str) -> dict[str, Any]:
    company = next(name.company for name in world.rules.names if name.ticker == ticker)
    return {
        "id": asset_id(ticker),
        "class": "us_equity",
        "exchange": "NYSE",
        "symbol": ticker,
        "name": f"{company} Common Stock",
        "status": "active",
        "tradable": False,
        "marginable": False,
        "shortable": False,
        "easy_to_borrow": False,
        "fractionable": False,
        "attributes": ["has_options"],
    }


def _contract_rows(call: Call, page: list[OptionContract]) -> list[dict[str, Any]]:
    previous = call.venue.calendar.previous(call.venue.session().date)
    symbols = [found.occ for found in page]
    now = call.venue.world.quotes(symbols, now=call.now)
    then = call.venue.world.quotes(symbols, now=previous.close_at)
    shown = flag_of(call.query, "show_deliverables")
    return [
        _contract_json(found, now.get(found.occ), then.get(found.occ), previous.close_at, deliverables=shown)
        for found in page
    ]


def _contract_json(
    found: OptionContract,
    quote: OptionQuote | None,
    closing: OptionQuote | None,
    closed_at: datetime,
    *,
    deliverables: bool,
) -> dict[str, Any]:
    """Give a contract; open interest and close are those of the last session, where it had any."""
    day = closed_at.date().isoformat()
    body: dict[str, Any] = {
        "id": asset_id(found.occ),
        "symbol": found.occ,
        "name": f"{found.underlying} {found.expiration:%b %d %Y} {text(found.strike)} "
        f"{'Call' if found.right is Right.CALL else 'Put'}",
        "status": "active",
        "tradable": True,
        "expiration_date": found.expiration.isoformat(),
        "root_symbol": found.occ[:-15],
        "underlying_symbol": found.underlying,
        "underlying_asset_id": asset_id(found.underlying),
        "type": "call" if found.right is Right.CALL else "put",
        "style": "american",
        "strike_price": text(found.strike),
        "multiplier": str(found.multiplier),
        "size": "100",
        "ppind": found.penny,
    }
    if quote is not None and quote.open_interest is not None:
        body |= {"open_interest": str(quote.open_interest), "open_interest_date": day}
    if closing is not None and closing.bid and closing.ask:
        body |= {"close_price": text((closing.bid + closing.ask) // 2), "close_price_date": day}
    if deliverables:
        body["deliverables"] = [_deliverable(found)]
    return body


def _deliverable(found: OptionContract) -> dict[str, Any]:
    return {
        "type": "equity",
        "symbol": found.underlying,
        "asset_id": asset_id(found.underlying),
        "amount": "100",
        "allocation_percentage": "100",
        "settlement_type": "T+1",
        "settlement_method": "CCC",
        "delayed_settlement": False,
    }
