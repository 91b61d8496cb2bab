"""Converts domain values to table rows and back, by their declared types. Pure."""

import json
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime, timedelta
from enum import Enum, StrEnum
from operator import attrgetter
from types import NoneType, UnionType
from typing import Any, Generic, TypeVar, Union, get_args, get_origin, get_type_hints

from ops_pipeline.adapters.store.jsontext import dumps, writer_of
from ops_pipeline.domain.codec import build
from ops_pipeline.domain.features import FeatureRow
from ops_pipeline.domain.instruments import OptionContract
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.market import Bar, IvReading
from ops_pipeline.domain.news import Classification, NewsItem
from ops_pipeline.domain.orders import Order, OrderIntent
from ops_pipeline.domain.positions import Position, Trade
from ops_pipeline.domain.records import AccountSnapshot, JobRun, PositionMark, VerdictRow, WatchlistEntry
from ops_pipeline.domain.rolls import Roll
from ops_pipeline.domain.signals import Hold, Signal

Value = TypeVar("Value")
Convert = Callable[[Any], Any]
Row = dict[str, Any]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FLATTENED = (OptionContract, OrderIntent)
_RENAMED = {"limit": "limit_price", "as_of": "as_of_us"}


def micros(at: datetime) -> int:
    """Express an aware instant in microseconds since 1970 UTC."""
    since = at - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def instant(us: int) -> datetime:
    """Read microseconds since 1970 as an aware UTC instant."""
    return _EPOCH + timedelta(microseconds=us)


class Codec(Generic[Value]):
    """Both directions between one dataclass and its columns.

    Instants become microseconds (`opened_at` -> `opened_us`), dates ISO text, enums their values, flags
    0 or 1, tuples and nested values JSON; a contract or an intent is spread over its own columns.
    """

    def __init__(self, target: type[Value]) -> None:
        self._target = target
        self._parts: list[tuple[str, str, Convert | None]] = []
        self._writers: list[tuple[str, Convert]] = []
        self._nested: list[tuple[str, Codec[Any]]] = []
        hints = get_type_hints(target)
        for field in fields(target):  # type: ignore[arg-type] # a dataclass by construction
            hint = hints[field.name]
            if hint in _FLATTENED:
                self._nested.append((field.name, Codec(hint)))
            else:
                column = column_of(field.name)
                to_column, of_column = _converters(hint)
                self._parts.append((field.name, column, of_column))
                if to_column is not None:
                    self._writers.append((column, to_column))
        names = [name for name, _, _ in self._parts]
        self._columns = [column for _, column, _ in self._parts]
        self._get = attrgetter(*names)

    def columns(self) -> set[str]:
        """Name the columns a value takes."""
        nested = (codec.columns() for _, codec in self._nested)
        return set(self._columns).union(*nested)

    def row(self, value: Value) -> Row:
        """Give the columns of a value."""
        row: Row = dict(zip(self._columns, self._get(value), strict=True))
        for column, to_column in self._writers:
            part = row[column]
            if part is not None:
                row[column] = to_column(part)
        for name, codec in self._nested:
            row.update(codec.row(getattr(value, name)))
        return row

    def value(self, row: Mapping[str, Any]) -> Value:
        """Build the value that `row` describes; columns that it does not know are ignored."""
        parts: dict[str, Any] = {name: codec.value(row) for name, codec in self._nested}
        for name, column, of_column in self._parts:
            part = row[column]
            parts[name] = part if part is None or of_column is None else of_column(part)
        return self._target(**parts)


def column_of(name: str) -> str:
    """Name the column that holds a field."""
    if name in _RENAMED:
        return _RENAMED[name]
    if name == "at" or name.endswith("_at"):
        return name.removesuffix("at") + "us" if name != "at" else "at_us"
    return "not_before_us" if name == "not_before" else name


def _converters(hint: Any) -> tuple[Convert | None, Convert | None]:
    if get_origin(hint) in (Union, UnionType):
        hint = next(option for option in get_args(hint) if option is not NoneType)
    hint = getattr(hint, "__supertype__", hint)
    if hint is datetime:
        return micros, instant
    if hint is date:
        return date.isoformat, date.fromisoformat
    if hint is bool:
        return int, bool
    if hint is float:
        return float, None
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return str, hint  # which gives its value
    if isinstance(hint, type) and issubclass(hint, Enum):
        return (lambda part: part.value), hint
    if get_origin(hint) is tuple or is_dataclass(hint):
        return writer_of(hint), lambda part: build(hint, json.loads(part))
    return None, None


NEWS = Codec(NewsItem)
CLASSIFICATION = Codec(Classification)
BAR = Codec(Bar)
IV_READING = Codec(IvReading)
FEATURE = Codec(FeatureRow)
WATCHLIST_ENTRY = Codec(WatchlistEntry)
SIGNAL = Codec(Signal)
HOLD = Codec(Hold)
VERDICT = Codec(VerdictRow)
SNAPSHOT = Codec(AccountSnapshot)
MARK = Codec(PositionMark)
JOB_RUN = Codec(JobRun)
TRADE = Codec(Trade)
POSITION = Codec(Position)
ROLL = Codec(Roll)
ORDER = Codec(Order)


def order_row(order: Order, ledger: Ledger) -> Row:
    """Give an order's columns; `live_exit` names the position whose one live exit it is."""
    row = ORDER.row(order)
    row["occ"], row["side"] = order.intent.occ, order.intent.side.value
    row["live_exit"] = order.intent.position_id if _is_the_live_exit(order, ledger) else None
    return row


def _is_the_live_exit(order: Order, ledger: Ledger) -> bool:
    if not order.holds_slot or not _reduces(order):
        return False
    # An order thought dead that the broker shows again must be recordable beside its successor; one that
    # was never sent takes no other's place.
    orders = ledger.orders_of(order.intent.position_id)
    return [o.id for o in orders if _reduces(o) and (o.is_live or o.attempt)][-1] == order.id


def _reduces(order: Order) -> bool:
    return any(leg.side.value == "sell_to_close" for leg in order.intent.legs)


def roll_row(roll: Roll, account: str) -> Row:
    """Give a roll saga's columns."""
    return {"account": account, **ROLL.row(roll)}


def account_row(ledger: Ledger) -> Row:
    """Give the columns of an account's own state."""
    return {
        "account": ledger.account,
        "seq": ledger.seq,
        "head": ledger.head,
        "number": ledger.number,
        "broker": ledger.broker,
        "mode": ledger.mode.value,
        "tier": int(ledger.tier),
        "tier_drift": ledger.tier_drift,
        "start_cash": ledger.start_cash,
        "cash": ledger.cash,
        "other_cash": ledger.other_cash,
        "control": int(ledger.control),
        "control_reason": ledger.control_reason,
        "paused_session": ledger.paused_session.isoformat() if ledger.paused_session else None,
        "breaks": dumps([ledger.breaks[symbol] for symbol in sorted(ledger.breaks)]),
    }
