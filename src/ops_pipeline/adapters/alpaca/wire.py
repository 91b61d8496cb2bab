"""The trading side as the venue spells it: unknown keys are passed over, what is absent is None. Pure.

Amounts come as text or as numbers, and words that are not known yet stay words. Nothing here is
believed: `translate` and `translate_market` make domain values of it, or say what does not fit.
"""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, TypeVar

import msgspec

from ops_pipeline.adapters.alpaca.errors import WireError
from ops_pipeline.adapters.alpaca.masks import shown

Instant = Annotated[datetime, msgspec.Meta(tz=True)]
Number = Decimal
Level = int | str
Shape = TypeVar("Shape")
_SHOWN_BYTES = 120


class Account(msgspec.Struct):
    """`/v2/account`; the day-trade fields of before July 2026 are among the unknown keys."""

    account_number: str
    cash: Number
    equity: Number
    last_equity: Number
    status: str = ""
    currency: str = "USD"
    buying_power: Number | None = None
    options_buying_power: Number | None = None
    options_approved_level: Level | None = None
    options_trading_level: Level | None = None
    long_market_value: Number | None = None
    multiplier: Number | None = None
    trading_blocked: bool = False
    account_blocked: bool = False
    trade_suspended_by_user: bool = False


class AccountConfigurations(msgspec.Struct):
    """`/v2/account/configurations`."""

    suspend_trade: bool
    no_shorting: bool
    max_options_trading_level: int | None = None


class Order(msgspec.Struct, kw_only=True):
    """An order or a leg of one; a multi-leg parent has neither symbol nor side."""

    id: str
    client_order_id: str
    status: str
    submitted_at: Instant | None = None
    created_at: Instant | None = None
    symbol: str | None = None
    side: str | None = None
    position_intent: str | None = None
    asset_class: str | None = None
    order_class: str | None = None
    type: str | None = None
    time_in_force: str | None = None
    qty: Number | None = None
    filled_qty: Number | None = None
    filled_avg_price: Number | None = None
    limit_price: Number | None = None
    ratio_qty: Number | None = None
    replaced_by: str | None = None
    replaces: str | None = None
    legs: "list[Order] | None" = None


class Position(msgspec.Struct):
    """`/v2/positions`."""

    symbol: str
    qty: Number
    avg_entry_price: Number
    side: str | None = None
    asset_class: str | None = None
    qty_available: Number | None = None


class OptionContract(msgspec.Struct):
    """A row of `/v2/options/contracts`; `size` is what is delivered, `multiplier` what prices count by."""

    symbol: str
    expiration_date: date
    underlying_symbol: str
    type: str
    strike_price: Number
    root_symbol: str | None = None
    style: str | None = None
    status: str | None = None
    tradable: bool = False
    size: Number | None = None
    multiplier: Number | None = None
    open_interest: Number | None = None
    open_interest_date: date | None = None
    close_price: Number | None = None
    ppind: bool | None = None


class OptionContracts(msgspec.Struct):
    """A page of contracts."""

    option_contracts: list[OptionContract]
    next_page_token: str | None = None


class Activity(msgspec.Struct):
    """A row of `/v2/account/activities`: a trade (FILL) or what is none."""

    id: str
    activity_type: str
    activity_sub_type: str | None = None
    type: str | None = None
    execution_type: str | None = None
    transaction_time: Instant | None = None
    created_at: Instant | None = None
    date: str | None = None
    order_id: str | None = None
    previous_id: str | None = None
    group_id: str | None = None
    symbol: str | None = None
    side: str | None = None
    qty: Number | None = None
    price: Number | None = None
    net_amount: Number | None = None
    per_share_amount: Number | None = None
    status: str | None = None
    description: str | None = None


class CalendarDay(msgspec.Struct):
    """A row of `/v2/calendar`; the times are New York's, as HH:MM."""

    date: date
    open: str
    close: str


class Clock(msgspec.Struct):
    """`/v2/clock`."""

    timestamp: Instant
    is_open: bool
    next_open: Instant
    next_close: Instant


class ErrorBody(msgspec.Struct):
    """An error as the venue words it; further keys say what was lacking."""

    message: str
    code: Level = 0


_DECODERS: dict[object, msgspec.json.Decoder[object]] = {}


def read(kind: type[Shape], body: bytes, *, where: str) -> Shape:
    """Decode an answer as `kind`; WireError says what was expected and found, and where."""
    decoder = _DECODERS.get(kind)
    if decoder is None:
        decoder = _DECODERS[kind] = msgspec.json.Decoder(kind)
    try:
        return decoder.decode(body)  # type: ignore[return-value] # the decoder of this very kind
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        begin = shown(body, most=_SHOWN_BYTES)
        raise WireError(f"{where}: {error}; the answer began {begin!r}") from error
