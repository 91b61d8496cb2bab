"""What a request would do, in words, before anybody is asked to confirm it. Shell."""

from typing import assert_never

from ops_pipeline.adapters.store.store import SqlStore
from ops_pipeline.app.words import stamp
from ops_pipeline.domain.accounts import ControlLevel
from ops_pipeline.domain.controls import Act, Request
from ops_pipeline.domain.errors import ConfigurationError, MissingDataError
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.units import AccountId, ClientOrderId, PositionId, format_usd

_EFFECT = {
    ControlLevel.NORMAL: "entries are allowed again",
    ControlLevel.REDUCE_ONLY: "no new entry; working entries are kept; exits go on",
    ControlLevel.CANCEL_ENTRIES: "no new entry; working entries are cancelled; exits go on",
    ControlLevel.FLATTEN: "no new entry; working entries are cancelled; everything held is sold",
    ControlLevel.HARD_STOP: "working entries are cancelled; nothing is sent any more, no exit either",
}


def owner_of(store: SqlStore, act: Act, wanted: str) -> tuple[AccountId, str]:
    """Give the account and the whole id of a position or order from its beginning."""
    found = [
        (account, key)
        for account in store.accounts()
        for key in (store.ledger(account).orders if act is Act.CANCEL else store.ledger(account).positions)
        if key.startswith(wanted)
    ]
    what = "order" if act is Act.CANCEL else "position"
    exact = [pair for pair in found if pair[1] == wanted]
    if not found:
        raise MissingDataError(f"{what}: expected the id of one, was {wanted!r}; `ops {what}s` lists them")
    if len(exact or found) > 1:
        raise ConfigurationError(f"{what}: expected one, {wanted!r} begins {len(found)} of them")
    return (exact or found)[0]


def preview(store: SqlStore, request: Request) -> list[str]:
    """Give a line an account about what the request would do."""
    accounts = (AccountId(request.account),) if request.account else store.accounts()
    return [f"{account}: {_line(store.ledger(account), request)}" for account in accounts]


def _line(ledger: Ledger, request: Request) -> str:
    match request.act:
        case Act.LEVEL:
            return _level(ledger, request.level or ControlLevel.NORMAL)
        case Act.EXIT:
            position = ledger.positions[PositionId(request.subject)]
            qty = request.qty or position.qty
            kept = position.qty - qty
            what = f"sell {qty} of {position.qty} {position.contract.occ} ({position.id}), keep {kept}"
            return f"{what}, at the bid, then down to the exit's floor"
        case Act.CANCEL:
            order = ledger.orders[ClientOrderId(request.subject)]
            intent = order.intent
            what = f"{intent.side} {intent.qty} {intent.occ} at {format_usd(intent.limit)}"
            return f"cancel {what}, {order.booked} filled, {order.state}"
        case Act.BLOCK:
            until = f"until {stamp(request.until)}" if request.until else "until it is unblocked"
            return f"no entry in {request.subject} {until}; working ones are cancelled"
        case Act.UNBLOCK:
            return f"entries in {request.subject} are allowed again"
        case Act.SET:
            return _set(ledger, request)
        case Act.ADOPT | Act.RELEASE | Act.RESOLVE:
            # What these do is worked out whole, by what would do it: `engine.operator.propose`.
            return f"{request.act} {request.subject}"
        case _:
            assert_never(request.act)


def _level(ledger: Ledger, level: ControlLevel) -> str:
    held = sum(position.qty > 0 for position in ledger.open_positions)
    working = len(ledger.live_orders)
    now = f"{ledger.control.name}{f' ({ledger.control_reason})' if ledger.control_reason else ''}"
    return f"{now} -> {level.name}, {held} held, {working} orders: {_EFFECT[level]}"


def _set(ledger: Ledger, request: Request) -> str:
    position = ledger.positions[PositionId(request.subject)]
    known = ledger.wish_of(position.id)
    parts = [
        f"{name} {format_usd(old) if old is not None else 'of the rules'} -> {format_usd(new)}"
        for name, old, new in (
            ("stop", known.stop, request.stop),
            ("target", known.target, request.target),
        )
        if new is not None
    ]
    mark = f", last mark {format_usd(position.mark)}" if position.mark is not None else ""
    return f"{position.id}, {position.qty} {position.contract.occ}{mark}: {'; '.join(parts)}"
