"""Serves what people ask of a run: levels, exits, cancels, blocks, tighter stops. Shell.

Another act is a function and a line in `HANDLERS`; serving a request twice must do nothing more than once.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from ops_pipeline.domain.accounts import ControlLevel
from ops_pipeline.domain.controls import (
    Act,
    Answer,
    Answered,
    Brake,
    PositionWished,
    Request,
    SymbolBlocked,
    SymbolUnblocked,
)
from ops_pipeline.domain.events import ControlChanged
from ops_pipeline.domain.orders import Order, OrderState
from ops_pipeline.domain.units import AccountId, ClientOrderId, PositionId, format_usd
from ops_pipeline.engine.operator import carry_out
from ops_pipeline.engine.wiring import Wiring
from ops_pipeline.ports import BrokerUnavailable
from ops_pipeline.stages.execution.gateway import cancel, give_up, request_cancel
from ops_pipeline.stages.execution.levels import lowering_objection, raised
from ops_pipeline.stages.execution.rate_budget import Use
from ops_pipeline.stages.execution.resolutions import Objection
from ops_pipeline.stages.position_manager.wishes import set_objection

# What was asked so long ago is not what is wanted now; a raised level always is. No longer than the least
# cool-down: a request served again after a crash can then never lower a level that rose in between.
STALE_AFTER = timedelta(seconds=60)

Handler = Callable[[Request, AccountId, Wiring, datetime], Answer]


def serve(request: Request, wiring: Wiring, *, now: datetime, wall: datetime) -> Answered:
    """Do what is asked, in one account or in all; `now` is the market's instant, `wall` the wall's."""
    if request.account and request.account not in wiring.accounts:
        known = ", ".join(wiring.accounts)
        return _refused(request.account, f"expected one of {known}")
    if not _raises(request, wiring) and wall - request.asked_at > STALE_AFTER:
        asked = f"{request.asked_at:%H:%M:%S} UTC"
        return _refused(request.account, f"asked at {asked}, too long ago to be served: ask again")
    accounts = (AccountId(request.account),) if request.account else wiring.accounts
    handle = HANDLERS[request.act]
    return Answered(answers=tuple(handle(request, account, wiring, now) for account in accounts))


def _raises(request: Request, wiring: Wiring) -> bool:
    accounts = (AccountId(request.account),) if request.account else wiring.accounts
    level = request.level
    return level is not None and any(wiring.parts.store.ledger(name).control < level for name in accounts)


def _refused(account: str, why: str) -> Answered:
    return Answered(answers=(Answer(account=account, done=False, text=why),))


def _level(request: Request, account: AccountId, wiring: Wiring, now: datetime) -> Answer:
    """Raise at once; lower only after cool-down and a clean reconciliation, which is tried here."""
    level = request.level or ControlLevel.NORMAL
    before = wiring.parts.store.ledger(account).control
    if level < before:
        wiring.pulse(now, account)
        ledger = wiring.parts.store.ledger(account)
        objection = lowering_objection(
            ledger,
            level,
            now=now,
            agreed_at=wiring.memory.agreed.get(account),
            brake=wiring.parts.brake(account),
            rules=wiring.parts.book.execution_rules(),
        )
        if objection:
            return Answer(account=account, done=False, text=f"stays at {ledger.control.name}: {objection}")
    change_level(wiring, account, level, now=now, reason=request.reason, actor=request.actor)
    text = f"{before.name} -> {level.name}" if level is not before else f"stands at {level.name} already"
    return Answer(account=account, done=True, text=text)


def change_level(
    wiring: Wiring, account: AccountId, level: ControlLevel, *, now: datetime, reason: str, actor: str
) -> None:
    """Store a level where it differs, then cancel what it forbids and sell what it wants sold."""
    store = wiring.parts.store
    ledger = store.ledger(account)
    if level is ledger.control:
        return
    lower = [ControlChanged(level=level, reason=reason, actor=actor)]
    store.commit(account, raised(ledger, level, reason=reason, actor=actor) or lower, at=now)
    if level >= ControlLevel.CANCEL_ENTRIES:
        wiring.pulse(now, account)
    if level is ControlLevel.FLATTEN:
        wiring.manage(now, account)


def hold_brakes(
    wiring: Wiring, *, brake_of: Callable[[AccountId], Brake], now: datetime
) -> tuple[AccountId, ...]:
    """Store the levels that stand outside the database; give the accounts that rose."""
    rose = []
    for account in wiring.accounts:
        brake = brake_of(account)
        if brake.level > wiring.parts.store.ledger(account).control:
            change_level(wiring, account, brake.level, now=now, reason=brake.reason, actor="brake")
            rose.append(account)
    return tuple(rose)


def _exit(request: Request, account: AccountId, wiring: Wiring, now: datetime) -> Answer:
    """Have a position sold down; it is sold as every exit is, in the session, one order at a time."""
    ledger = wiring.parts.store.ledger(account)
    position = ledger.positions.get(PositionId(request.subject))
    held = position.qty if position else 0
    qty = request.qty or held
    if position is None or not 0 < qty <= held:
        found = f"{position.status} with {held}" if position else "no such position"
        return Answer(account=account, done=False, text=f"expected at least {qty or 1} held, found {found}")
    wish = PositionWished(
        position_id=position.id, keep=held - qty, reason=request.reason, actor=request.actor
    )
    wiring.parts.store.commit(account, [wish], at=now)
    wiring.manage(now, account)
    text = f"{position.id}: {qty} of {held} are sold, {held - qty} kept"
    if position.frozen or ledger.control is ControlLevel.HARD_STOP:
        text += f"; nothing is sent while it is {'frozen' if position.frozen else 'at HARD_STOP'}"
    return Answer(account=account, done=True, text=text)


def _cancel(request: Request, account: AccountId, wiring: Wiring, now: datetime) -> Answer:
    """Cancel one order; whether the broker did it is seen in the order."""
    desk = wiring.desk(account, Use.CANCEL)
    order = wiring.parts.store.ledger(account).orders.get(ClientOrderId(request.subject))
    if order is None or not order.is_live:
        found = f"it {order.state}" if order else "no such order"
        return Answer(account=account, done=False, text=f"expected a live order, found {found}")
    reason = f"{request.actor}: {request.reason}"
    if order.state is OrderState.QUARANTINED:
        request_cancel(order, desk=desk, now=now)
        text = f"{order.id}: the broker is asked; it stays QUARANTINED until a person has settled it"
        return Answer(account=account, done=True, text=text)
    if not order.attempt or order.state is OrderState.RESEND_WAIT:
        give_up(order, desk=desk, now=now, reason=reason)
    else:
        cancel(order, desk=desk, now=now, reason=reason)
    wiring.pulse(now, account)
    after = wiring.parts.store.ledger(account).orders[order.id]
    ended = after.state.is_terminal or after.state in (OrderState.CANCELING, OrderState.ABANDONING)
    return Answer(account=account, done=ended, text=f"{order.id} is {after.state}{_afterwards(after)}")


def _afterwards(order: Order) -> str:
    if order.state in (OrderState.UNKNOWN, OrderState.ABANDONING):
        return ": nobody knows yet whether the broker has it, it is asked on"
    return "" if order.intent.purpose.opens else "; an exit whose rule is still met is sent again"


def _block(request: Request, account: AccountId, wiring: Wiring, now: datetime) -> Answer:
    """Take no entry in a symbol any more, and cancel those that work."""
    store, symbol = wiring.parts.store, request.subject
    known = store.ledger(account).blocked.get(symbol)
    blocked = SymbolBlocked(symbol=symbol, until=request.until, reason=request.reason, actor=request.actor)
    if known != blocked:
        store.commit(account, [blocked], at=now)
    desk = wiring.desk(account, Use.CANCEL)
    for order in store.ledger(account).live_orders:
        position = store.ledger(account).positions.get(order.intent.position_id)
        if order.intent.purpose.opens and position and position.contract.underlying == symbol:
            cancel(order, desk=desk, now=now, reason=f"{symbol} is blocked")
    until = f"until {request.until:%Y-%m-%d %H:%M} UTC" if request.until else "until it is unblocked"
    return Answer(account=account, done=True, text=f"no entry in {symbol} {until}")


def _unblock(request: Request, account: AccountId, wiring: Wiring, now: datetime) -> Answer:
    store, symbol = wiring.parts.store, request.subject
    if symbol not in store.ledger(account).blocked:
        return Answer(account=account, done=True, text=f"{symbol} is not blocked")
    freed = SymbolUnblocked(symbol=symbol, reason=request.reason, actor=request.actor)
    store.commit(account, [freed], at=now)
    return Answer(account=account, done=True, text=f"entries in {symbol} are allowed again")


def _set(request: Request, account: AccountId, wiring: Wiring, now: datetime) -> Answer:
    """Set a tighter stop or target of a position."""
    ledger = wiring.parts.store.ledger(account)
    position = ledger.positions.get(PositionId(request.subject))
    if position is None:
        return Answer(account=account, done=False, text=f"no position {request.subject}")
    wish = PositionWished(
        position_id=position.id,
        stop=request.stop,
        target=request.target,
        reason=request.reason,
        actor=request.actor,
    )
    if ledger.wish_of(position.id).tightened(wish) == ledger.wish_of(position.id):
        return Answer(account=account, done=True, text="stands already")
    objection = set_objection(position, wish, wiring.exit_rules(account, position))
    if objection:
        return Answer(account=account, done=False, text=objection)
    wiring.parts.store.commit(account, [wish], at=now)
    parts = [
        f"{name} {format_usd(price)}"
        for name, price in (("stop", request.stop), ("target", request.target))
        if price is not None
    ]
    return Answer(account=account, done=True, text=f"{position.id}: {', '.join(parts)}")


def _end(request: Request, account: AccountId, wiring: Wiring, now: datetime) -> Answer:
    """End what waits for a person: adopt, release or resolve it."""
    try:
        done = carry_out(request, account, wiring, now)
    except BrokerUnavailable as error:
        return Answer(account=account, done=False, text=f"the broker did not answer: {error}")
    if isinstance(done, Objection):
        return Answer(account=account, done=False, text=done.why)
    return Answer(account=account, done=True, text="; ".join(done.lines))


HANDLERS: Mapping[Act, Handler] = {
    Act.LEVEL: _level,
    Act.EXIT: _exit,
    Act.CANCEL: _cancel,
    Act.BLOCK: _block,
    Act.UNBLOCK: _unblock,
    Act.SET: _set,
    Act.ADOPT: _end,
    Act.RELEASE: _end,
    Act.RESOLVE: _end,
}
