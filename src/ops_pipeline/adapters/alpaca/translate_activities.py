"""What the venue books on an account, as the domain's activities. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, time
from decimal import Decimal

from ops_pipeline.adapters.alpaca import amounts, wire
from ops_pipeline.adapters.alpaca.errors import WireError
from ops_pipeline.adapters.alpaca.instants import day_of, instant, on_day
from ops_pipeline.adapters.alpaca.others import PassedOver, is_others
from ops_pipeline.adapters.alpaca.translate import STANDARD
from ops_pipeline.domain.instruments import Split, contract_of, split_contract
from ops_pipeline.domain.orders import Activity, ActivityKind, Fill
from ops_pipeline.domain.units import ClientOrderId, Occ, to_decimal

_ACTIVITIES = "activities"
_CLOSE = time(16, 0)
_ZERO = Decimal(0)
_SIGNS = {"buy": 1, "sell": -1, "sell_short": -1}
_FILLS = frozenset({"", "fill", "partial_fill"})
_BUSTS = frozenset({"trade_bust", "trade_cancel", "bust", "canceled"})

# What changes a quantity, and the kind it is booked as; all others change cash alone.
_MOVES = {
    "OPEXP": ActivityKind.EXPIRY,
    "OPEXC": ActivityKind.EXERCISE,
    "OPASN": ActivityKind.ASSIGNMENT,
    "OPTRD": ActivityKind.OPTION_TRADE,
    "OPCA": ActivityKind.SPLIT,
    "SPLIT": ActivityKind.SPLIT,
    "SPIN": ActivityKind.SPLIT,
    "MA": ActivityKind.SPLIT,
    "NC": ActivityKind.SPLIT,
    "REORG": ActivityKind.SPLIT,
    "JNLS": ActivityKind.TRANSFER,
    "ACATS": ActivityKind.TRANSFER,
    "FOPT": ActivityKind.TRANSFER,
}
_CASH = {"OPCSH": ActivityKind.OPTION_TRADE, "FEE": ActivityKind.FEE, "CFEE": ActivityKind.FEE}


def activities_of(
    rows: Sequence[wire.Activity], owners: Mapping[str, ClientOrderId], *, passed_over: PassedOver
) -> list[Activity]:
    """Read a whole list of rows; `owners` gives the client order id behind each order id of a trade.

    A row that is neither ours nor of a contract, and cannot be read, is left to `passed_over`.
    A split of contracts is told as two rows of a group and becomes one activity, where the numbers agree.
    """
    fills = {row.id.rpartition("::")[2]: row.id for row in rows if row.activity_type == "FILL"}
    splits, spent = _contract_splits(rows)
    found = list(splits)
    passed_over.begin(_ACTIVITIES)
    for row in rows:
        if row.id in spent:
            continue
        try:
            found += [_trade(row, owners, fills)] if row.activity_type == "FILL" else _booked(row)
        except WireError as error:
            if not is_others((row.symbol,), owner=owners.get(row.order_id or "", "")):
                raise
            passed_over.note(_ACTIVITIES, error)
    return sorted(found, key=lambda activity: (activity.at, activity.activity_id))


def _trade(row: wire.Activity, owners: Mapping[str, ClientOrderId], fills: Mapping[str, str]) -> Activity:
    """Read an execution, or one that was taken back; a correction of unknown kind moves nothing."""
    where = f"activity {row.id}"
    at = row.transaction_time or row.created_at
    sign = _SIGNS.get(row.side or "")
    if at is None or sign is None or row.qty is None or row.price is None or not row.symbol:
        raise WireError(f"{where}: expected a time, side, quantity, price and symbol, was {row}")
    how = row.execution_type if row.execution_type in _BUSTS else row.type or row.execution_type or ""
    contract = contract_of(row.symbol)
    fill = Fill(
        execution_id=row.id,
        client_order_id=owners.get(row.order_id or "", ClientOrderId("")),
        occ=Occ(row.symbol),
        qty=sign * abs(amounts.units(row.qty, symbol=row.symbol, where=f"{where} qty")),
        price=amounts.price(row.price, where=f"{where} price"),
        fees=0,
        at=(at := instant(at, where=where)),
    )
    if how not in _FILLS | _BUSTS:
        detail = f"trade of unknown kind {how!r}"
        return _activity(row, ActivityKind.TRANSFER, at, qty=0, amount=0, detail=detail)
    flow = -amounts.money(row.price * row.qty * sign * (STANDARD if contract else 1), where=where)
    if how in _FILLS:
        return _activity(row, ActivityKind.FILL, at, qty=fill.qty, amount=flow, fill=fill)
    taken = row.previous_id or ""
    fill = replace(fill, execution_id=fills.get(taken, taken) or row.id)
    return _activity(row, ActivityKind.BUST, at, qty=-fill.qty, amount=-flow, fill=fill, detail=how)


def _booked(row: wire.Activity) -> list[Activity]:
    """Read what is no trade. A canceled row is what it was and its undoing, whichever was booked before."""
    kind = _MOVES.get(row.activity_type)
    where = f"activity {row.id}"
    if row.activity_type.startswith("DIV"):
        shares = row.activity_sub_type == "SDIV" and not row.net_amount
        kind = ActivityKind.SPLIT if shares else None
    qty = amounts.units(row.qty or _ZERO, symbol=row.symbol or "", where=f"{where} qty") if kind else 0
    if kind is None:
        kind = _CASH.get(row.activity_type, ActivityKind.TRANSFER)
        kind = ActivityKind.DIVIDEND if row.activity_type.startswith("DIV") else kind
    made = _activity(row, kind, _instant(row), qty=qty, amount=_amount(row), detail=_detail(row))
    if row.status != "canceled":
        return [made]
    undone = replace(
        made,
        activity_id=f"{row.id}#canceled",
        qty=-made.qty,
        amount=-made.amount,
        detail=f"canceled: {made.detail}",
    )
    return [made, undone]


def _amount(row: wire.Activity) -> int:
    where = f"activity {row.id} net_amount"
    if row.net_amount is not None:
        return amounts.money(row.net_amount, where=where)
    if row.activity_type == "OPTRD" and row.qty is not None and row.price is not None:
        each = to_decimal(amounts.price(row.price, where=where))
        return amounts.money(-row.qty * each, where=where)
    return 0


def _detail(row: wire.Activity) -> str:
    kind = ".".join(filter(None, (row.activity_type, row.activity_sub_type)))
    return " ".join(filter(None, (kind, row.description)))


def _instant(row: wire.Activity) -> datetime:
    """Give when it took effect: when it was booked, or the end of the day it is dated, if that came first.

    The venue moves positions on the day itself and may tell of it a day later.
    """
    day = _day(row)
    where = f"activity {row.id}"
    ended = on_day(day, _CLOSE, where=where) if day else None
    told = instant(row.created_at, where=where) if row.created_at else None
    moves = row.activity_type in _MOVES
    if told is not None and ended is not None:
        return min(told, ended) if moves else told
    found = told or ended
    if found is None:
        raise WireError(f"{where}: expected created_at or date, found neither")
    return found


def _day(row: wire.Activity) -> date | None:
    try:
        return date.fromisoformat(row.date[:10]) if row.date else None
    except ValueError:
        raise WireError(f"activity {row.id} date: expected a date, was {row.date!r}") from None


def _contract_splits(rows: Sequence[wire.Activity]) -> tuple[list[Activity], frozenset[str]]:
    """Find the pairs of rows by which a contract became another; give them and the rows they speak for."""
    groups: dict[str, list[wire.Activity]] = {}
    for row in rows:
        split = "SPLIT" in (row.activity_sub_type or "") and row.status != "canceled"
        if row.activity_type == "OPCA" and row.group_id and split:
            groups.setdefault(row.group_id, []).append(row)
    found, spent = list[Activity](), set[str]()
    for pair in groups.values():
        activity = _contract_split(pair)
        if activity is not None:
            found.append(activity)
            spent.update(row.id for row in pair)
    return found, frozenset(spent)


def _contract_split(pair: Sequence[wire.Activity]) -> Activity | None:
    """Read a whole split of a contract; None where the rows do not show one beyond doubt."""
    moved = [
        (amounts.units(row.qty or _ZERO, symbol=row.symbol or "", where=f"activity {row.id} qty"), row)
        for row in pair
    ]
    gone = next((one for one in moved if one[0] < 0), None)
    come = next((one for one in moved if one[0] > 0), None)
    if len(moved) != 2 or gone is None or come is None:
        return None
    contract = contract_of(gone[1].symbol or "")
    ratio, rest = divmod(come[0], -gone[0])
    if contract is None or rest or ratio < 2 or any(row.net_amount for row in pair):
        return None
    at = _instant(gone[1])
    day = day_of(at, where=f"activity {gone[1].id}")
    split = Split(ticker=contract.underlying, session=day, new=ratio, old=1)
    after, for_one = split_contract(contract, split)
    if after.occ != come[1].symbol or for_one != ratio:
        return None
    made = _activity(gone[1], ActivityKind.SPLIT, at, qty=0, amount=0, detail=_detail(gone[1]))
    return replace(made, split=split)


def _activity(
    row: wire.Activity,
    kind: ActivityKind,
    at: datetime,
    *,
    qty: int,
    amount: int,
    detail: str = "",
    fill: Fill | None = None,
) -> Activity:
    where = f"activity {row.id} price"
    return Activity(
        activity_id=row.id,
        kind=kind,
        at=at,
        symbol=row.symbol or "",
        qty=qty,
        price=amounts.price(row.price, where=where) if row.price is not None else 0,
        amount=amount,
        fill=fill,
        detail=detail,
    )
