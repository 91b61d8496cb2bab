"""Ends what waits for a person: adopts, releases, resolves, in one account of a run. Shell."""

from datetime import datetime

from ops_pipeline.domain.breaks import Cause
from ops_pipeline.domain.controls import Act, Request
from ops_pipeline.domain.instruments import contract_of
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.positions import Position
from ops_pipeline.domain.units import AccountId, ClientOrderId
from ops_pipeline.engine.adoption import taken_over
from ops_pipeline.engine.wiring import Wiring
from ops_pipeline.stages.execution.rate_budget import Use
from ops_pipeline.stages.execution.resolutions import (
    By,
    Objection,
    Proposal,
    adopt,
    release,
    resolve_break,
    resolve_order,
)


def propose(request: Request, account: AccountId, wiring: Wiring, now: datetime) -> Proposal | Objection:
    """Say what a request would do in an account; nothing is stored.

    Raises BrokerUnavailable where the broker must be asked and does not answer.
    """
    ledger = wiring.parts.store.ledger(account)
    by = By(actor=request.actor, reason=request.reason, now=now)
    match request.act:
        case Act.ADOPT:
            return _adopt(request.subject, ledger, wiring, by)
        case Act.RELEASE:
            return _release(request, ledger, by)
        case _:
            return _resolve(request, ledger, wiring, by)


def carry_out(request: Request, account: AccountId, wiring: Wiring, now: datetime) -> Proposal | Objection:
    """Do what a request asks, judged anew from what stands now, in one commit."""
    proposal = propose(request, account, wiring, now)
    if isinstance(proposal, Proposal):
        wiring.parts.store.commit(account, proposal.bodies, at=now)
    return proposal


def concerns(request: Request, ledger: Ledger) -> bool:
    """Tell whether an account knows what a request is about."""
    subject = request.subject
    known = (ledger.breaks, ledger.external, ledger.orders, ledger.positions)
    return any(subject in rows for rows in known) or _position(subject, ledger) is not None


def _adopt(symbol: str, ledger: Ledger, wiring: Wiring, by: By) -> Proposal | Objection:
    contract = contract_of(symbol)
    if contract is None:
        return Objection(f"{symbol} is no option contract: only contracts are managed")
    desk = wiring.desk(ledger.account, Use.RECONCILE)
    price = next((row.average_price for row in desk.broker.positions() if row.symbol == symbol), 0)
    parts = wiring.parts
    opened = taken_over(contract, ledger, now=by.now, market=parts.market, calendar=parts.calendar)
    if opened is None:
        return Objection(f"{symbol}: its underlying has no price now; try again in a session")
    return adopt(ledger, opened, price=price, by=by)


def _release(request: Request, ledger: Ledger, by: By) -> Proposal | Objection:
    position = _position(request.subject, ledger)
    if position is None:
        return Objection(f"{request.subject}: expected the symbol or id of an open position")
    return release(ledger, position, hand_over=request.hand_over, by=by)


def _resolve(request: Request, ledger: Ledger, wiring: Wiring, by: By) -> Proposal | Objection:
    order = ledger.orders.get(ClientOrderId(request.subject))
    if order is not None:
        shown = wiring.desk(ledger.account, Use.RECONCILE).broker.order(order.id)
        return resolve_order(order, shown, request.cause or Cause.UNKNOWN, by=by)
    if request.subject in ledger.breaks:
        return resolve_break(
            ledger, request.subject, request.cause or Cause.UNKNOWN, amount=request.amount, by=by
        )
    position = _position(request.subject, ledger)
    if position is None:
        return Objection(
            f"{request.subject}: expected a difference, a quarantined order or a frozen position"
        )
    return release(ledger, position, hand_over=False, by=by)


def _position(wanted: str, ledger: Ledger) -> Position | None:
    """Give the open position that a symbol or an id names; of several with one symbol the frozen one."""
    named = [p for p in ledger.open_positions if wanted in (p.id, p.contract.occ)]
    return next((p for p in named if p.frozen), named[0] if named else None)
