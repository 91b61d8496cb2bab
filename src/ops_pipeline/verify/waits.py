"""How long a decided exit waited for the broker to take its order, and what nobody could have done. Pure."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ops_pipeline.domain import events as e
from ops_pipeline.domain.accounts import ControlLevel
from ops_pipeline.domain.orders import BrokerOrder, OrderIntent, OrderState
from ops_pipeline.domain.positions import ExitReason
from ops_pipeline.domain.units import AccountId, ClientOrderId, Occ, PositionId
from ops_pipeline.verify.lab import Lab
from ops_pipeline.verify.market import calendar
from ops_pipeline.verify.network import FaultyNetwork

_SECOND = timedelta(seconds=1)
# RELIABILITY B9, written down a second time: 1, 2, 5, 10 s after the first rejections, then this.
_REJECTIONS, _AGAIN_AFTER = 5, timedelta(seconds=30)
_NEVER = datetime.max.replace(tzinfo=UTC)

_Interval = tuple[datetime, datetime]


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
        held = frozenset(position.id for position in lab.ledger(account).open_positions if position.qty)
        spans = _spans(events, taken, held, end=lab.clock.now())
        found += [_wait(span, account, blocks) for span in spans]
    return found


def _spans(
    events: Sequence[e.Event],
    taken: Mapping[ClientOrderId, BrokerOrder],
    held: Collection[PositionId],
    *,
    end: datetime,
) -> Iterator[_Span]:
    """Give every wait; at the `end` only what is still `held` waits."""
    waiting: dict[PositionId, datetime] = {}
    for at, body in _in_time(events, taken):
        match body:
            case e.ExitDecided(position_id=position, decision=decision):
                if decision.reason is not ExitReason.ROLL:
                    waiting.setdefault(position, at)
            case e.OrderIntended(intent=intent) if intent.position_id in waiting:
                yield _Span(intent.position_id, waiting.pop(intent.position_id), at, accepted=True)
            case e.ExitWithdrawn(position_id=position) | e.PositionClosed(position_id=position):
                if position in waiting:
                    yield _Span(position, waiting.pop(position), at, accepted=None)
            case _:
                pass
    for position, since in waiting.items():
        yield _Span(position, since, end, accepted=False if position in held else None)


def _in_time(
    events: Sequence[e.Event], taken: Mapping[ClientOrderId, BrokerOrder]
) -> Sequence[tuple[datetime, e.EventBody]]:
    """Give what happened to exits; the intent of one stands where the broker took it, if it ever did."""
    found: list[tuple[datetime, int, e.EventBody]] = []
    for place, event in enumerate(events):
        at = event.at
        if isinstance(event.body, e.OrderIntended):
            order = taken.get(event.body.intent.client_order_id)
            if order is None or event.body.intent.purpose.opens:
                continue
            at = max(at, order.submitted_at)
        found.append((at, place, event.body))
    return [(at, body) for at, _, body in sorted(found, key=lambda row: row[:2])]


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


def _within(spans: Sequence[_Interval], now: datetime) -> bool:
    return any(since <= now < until for since, until in spans)


def _intents(events: Sequence[e.Event]) -> Mapping[ClientOrderId, OrderIntent]:
    intents = [event.body.intent for event in events if isinstance(event.body, e.OrderIntended)]
    return {intent.client_order_id: intent for intent in intents}


def _levels(events: Sequence[e.Event]) -> list[tuple[datetime, ControlLevel]]:
    """Give when the level changed and to what; what nobody asked for never lowered it."""
    found, level = [], ControlLevel.NORMAL
    for event in events:
        if isinstance(event.body, e.ControlChanged):
            body = event.body
            level = max(level, body.level) if body.actor in e.AUTOMATIC else body.level
            found.append((event.at, level))
    return found


def _unbooked(events: Sequence[e.Event]) -> Mapping[PositionId, Sequence[_Interval]]:
    """Give, by position, when an order of its exits had ended at the broker, not all its fills booked."""
    intents = _intents(events)
    booked: Counter[ClientOrderId] = Counter()
    open_: dict[ClientOrderId, tuple[datetime, int]] = {}
    found: dict[PositionId, list[_Interval]] = defaultdict(list)
    for event in events:
        match event.body:
            case e.FillBooked(fill=fill):
                booked[fill.client_order_id] += abs(fill.qty)
            case (
                e.OrderObserved(client_order_id=id_, status=status, cum=cum)
                | e.OrderAnswered(client_order_id=id_, status=status, cum=cum)
            ) if status is not None and status.is_terminal and not intents[id_].purpose.opens:
                open_.setdefault(id_, (event.at, cum))
            case _:
                continue
        for id_ in [id_ for id_, (_, cum) in open_.items() if booked[id_] >= cum]:
            since, _ = open_.pop(id_)
            found[intents[id_].position_id].append((since, event.at))
    for id_, (since, _) in open_.items():
        found[intents[id_].position_id].append((since, _NEVER))
    return found


def _rejected(events: Sequence[e.Event]) -> Mapping[PositionId, Sequence[_Interval]]:
    """Give, by position, the waits that RELIABILITY B9 prescribes from the fifth rejection in a row on."""
    intents = _intents(events)
    in_row: Counter[PositionId] = Counter()
    found: dict[PositionId, list[_Interval]] = defaultdict(list)
    for event in events:
        if not isinstance(event.body, e.OrderAnswered) or intents[event.body.client_order_id].purpose.opens:
            continue
        position = intents[event.body.client_order_id].position_id
        if event.body.outcome == "accepted":
            in_row[position] = 0
        elif event.body.outcome == "rejected":
            in_row[position] += 1
            if in_row[position] >= _REJECTIONS:
                found[position].append((event.at, event.at + _AGAIN_AFTER))
    return found


def _outsold(events: Sequence[e.Event]) -> Mapping[PositionId, Sequence[_Interval]]:
    """Give, by position, the quarantines of exits that got lost and are no longer covered by what is held."""
    intents = _intents(events)
    since: dict[ClientOrderId, datetime] = {}
    found: dict[PositionId, list[_Interval]] = defaultdict(list)
    for event in events:
        if not isinstance(event.body, e.OrderSettled):
            continue
        id_ = event.body.client_order_id
        if event.body.state == OrderState.ABANDONING.value and event.body.reason.startswith("covered:"):
            since[id_] = event.at
        elif id_ in since:
            found[intents[id_].position_id].append((since.pop(id_), event.at))
    return found


class _Blocks:
    """What kept everybody from sending an account's exits, by instant."""

    def __init__(self, lab: Lab, account: AccountId, events: Sequence[e.Event]) -> None:
        self._lab = lab
        self._occs = {p.id: p.contract.occ for p in lab.ledger(account).positions.values()}
        self._levels = _levels(events)
        self._frozen = [(ev.at, ev.body) for ev in events if isinstance(ev.body, e.PositionFrozen)]
        network = lab.terms.network
        self._withheld = network.withheld(account) if isinstance(network, FaultyNetwork) else ()
        self._unbooked = _unbooked(events)
        self._rejected = _rejected(events)
        self._outsold = _outsold(events)

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
        if not self._has_bid(self._occs[position], now):
            return "nobody bid"
        if _within(self._rejected[position], now):
            return "rejected five times in a row"
        if _within(self._outsold[position], now):
            return "others sold what it offered"
        if _within(self._withheld, now) and _within(self._unbooked[position], now):
            return "fills not shown"
        return ""

    def _has_bid(self, occ: Occ, now: datetime) -> bool:
        quote = self._lab.terms.market.quotes([occ], now=now).get(occ)
        return quote is not None and bool(quote.bid)
