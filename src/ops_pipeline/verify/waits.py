"""How long a decided exit waited for the broker to take its order, and what nobody could have done. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ops_pipeline.domain import events as e
from ops_pipeline.domain.accounts import ControlLevel
from ops_pipeline.domain.orders import BrokerOrder
from ops_pipeline.domain.positions import ExitReason
from ops_pipeline.domain.units import AccountId, ClientOrderId, Occ, PositionId
from ops_pipeline.verify.lab import Lab
from ops_pipeline.verify.market import calendar

_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """One exit from its decision to `until`: its first order's acceptance, else the end of the run.

    `seconds` leaves out those in `excluded`, counted by cause. `accepted` None: it was settled without an
    order (sold by hand, expired, withdrawn); False: it still waits.
    """

    account: AccountId
    position: PositionId
    decided_at: datetime
    until: datetime
    accepted: bool | None
    seconds: float
    excluded: Mapping[str, float]

    def __str__(self) -> str:
        causes = ", ".join(f"{seconds:g} s {cause}" for cause, seconds in self.excluded.items())
        end = {True: "accepted", False: "NOT accepted", None: "settled without an order"}[self.accepted]
        without = f" (without {causes})" if causes else ""
        exit_ = f"exit of {self.position} decided {self.decided_at:%H:%M:%S}"
        return f"{exit_}, {end} after {self.seconds:g} s{without}"


@dataclass(frozen=True, slots=True)
class _Span:
    """A decided exit from `since` on, until an order of it was accepted or it needed none any more."""

    position: PositionId
    since: datetime
    until: datetime
    accepted: bool | None


def waits_of(lab: Lab) -> list[Wait]:
    """Give the wait of every exit that was decided in a run, rolls aside."""
    found = []
    for account in lab.accounts:
        events = lab.store.events(account)
        taken = {order.client_order_id: order for order in lab.oracles[account].accepted}
        blocks = _Blocks(lab, account, events)
        found += [_wait(span, account, blocks) for span in _spans(events, taken, end=lab.clock.now())]
    return found


def _spans(
    events: Sequence[e.Event], taken: Mapping[ClientOrderId, BrokerOrder], *, end: datetime
) -> Iterator[_Span]:
    waiting: dict[PositionId, datetime] = {}
    for event in events:
        match event.body:
            case e.ExitDecided(position_id=position, decision=decision):
                if decision.reason is not ExitReason.ROLL:
                    waiting.setdefault(position, event.at)
            case e.OrderIntended(intent=intent):
                order = taken.get(intent.client_order_id)
                if intent.position_id in waiting and not intent.purpose.opens and order is not None:
                    since = waiting.pop(intent.position_id)
                    yield _Span(intent.position_id, since, order.submitted_at, accepted=True)
            case e.ExitWithdrawn(position_id=position) | e.PositionClosed(position_id=position):
                if position in waiting:
                    yield _Span(position, waiting.pop(position), event.at, accepted=None)
            case _:
                pass
    for position, since in waiting.items():
        yield _Span(position, since, end, accepted=False)


def _wait(span: _Span, account: AccountId, blocks: "_Blocks") -> Wait:
    excluded: Counter[str] = Counter()
    now = span.since
    while now < span.until:
        step = min(_SECOND, span.until - now)
        cause = blocks.cause(span.position, now)
        if cause:
            excluded[cause] += round(step.total_seconds(), 6)  # type: ignore[assignment] # seconds, not a count
        now += step
    whole = (span.until - span.since).total_seconds()
    return Wait(
        account=account,
        position=span.position,
        decided_at=span.since,
        until=span.until,
        accepted=span.accepted,
        seconds=round(max(0.0, whole - sum(excluded.values())), 6),
        excluded=dict(excluded),
    )


class _Blocks:
    """What kept everybody from sending an account's exits, by instant."""

    def __init__(self, lab: Lab, account: AccountId, events: Sequence[e.Event]) -> None:
        self._lab = lab
        self._occs = {p.id: p.contract.occ for p in lab.ledger(account).positions.values()}
        self._levels = [(ev.at, ev.body.level) for ev in events if isinstance(ev.body, e.ControlChanged)]
        self._frozen = [(ev.at, ev.body) for ev in events if isinstance(ev.body, e.PositionFrozen)]

    def cause(self, position: PositionId, now: datetime) -> str:
        """Give why no exit of a position could be sent at `now`; "": one could."""
        for outage in self._lab.outages:
            if outage.since <= now < outage.until:
                return outage.why
        session = calendar().session_at(now)
        if session is None or not session.open_at <= now < session.close_at:
            return "market closed"
        level = next((level for at, level in reversed(self._levels) if at <= now), ControlLevel.NORMAL)
        if level is ControlLevel.HARD_STOP:
            return "hard stop"
        changes = [body for at, body in self._frozen if body.position_id == position and at <= now]
        if changes and changes[-1].reason:
            return "frozen, a person called"
        return "" if self._has_bid(self._occs[position], now) else "nobody bid"

    def _has_bid(self, occ: Occ, now: datetime) -> bool:
        quote = self._lab.terms.market.quotes([occ], now=now).get(occ)
        return quote is not None and bool(quote.bid)
