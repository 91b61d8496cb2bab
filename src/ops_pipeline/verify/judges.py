"""The invariants of RELIABILITY 3.3, each judged by the oracle's book against the ledger. Pure."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ops_pipeline.adapters.simulator.book import Book
from ops_pipeline.domain import events as e
from ops_pipeline.domain.breaks import ExternalAdopted, ExternalMoved, FillBusted, PositionReleased
from ops_pipeline.domain.ids import tier_key
from ops_pipeline.domain.instruments import parse_occ
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.ledger_fold import apply_all
from ops_pipeline.domain.market import OptionQuote
from ops_pipeline.domain.orders import OrderState, Purpose, Side
from ops_pipeline.domain.positions import Position
from ops_pipeline.domain.units import AccountId, Occ
from ops_pipeline.ports import Calendar
from ops_pipeline.verify import edges
from ops_pipeline.verify.heard import Heard

_EXITS = (Purpose.EXIT, Purpose.TIER, Purpose.KILL, Purpose.ROLL_CLOSE, Purpose.ROLL)
# X5: what backoff 1, 2, 5, 10, 30 s and repricing every 15 s can come to within a minute, with room.
_EXIT_ORDERS_A_MINUTE = 12
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Violation:
    """An invariant that does not hold: its id, where and when it was seen, and what was seen."""

    id: str
    account: str
    at: datetime
    detail: str

    def __str__(self) -> str:
        return f"{self.id} {self.account} {self.at:%m-%d %H:%M:%S} {self.detail}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One account at one instant: its ledger, its events, the truth, our prefix of order ids.

    `heard` is what the broker answered, `steps` the instants at which the process worked, `quote` the
    market as it was, `calendar` its sessions.
    """

    account: AccountId
    at: datetime
    ledger: Ledger
    events: Sequence[e.Event]
    book: Book
    prefix: str
    signals: frozenset[str]
    calendar: Calendar
    heard: Heard = field(default_factory=Heard)
    steps: Sequence[datetime] = ()
    quote: Callable[[Occ, datetime], OptionQuote | None] = lambda _occ, _at: None


Complaints = list[str]
Judge = Callable[[Case], Complaints]


def _o4_next_only_after_terminal(case: Case) -> Complaints:
    found = []
    live: dict[tuple[Purpose, str], set[str]] = defaultdict(set)
    causes = {order.id: (order.intent.purpose, order.intent.key) for order in case.ledger.orders.values()}
    for step in edges.steps_of(case.events):
        cause = causes[step.order]
        if step.before == edges.BEGIN and live[cause]:
            found.append(f"{step.order} intended while {sorted(live[cause])} lives")
        if OrderState(step.after).is_terminal:
            live[cause].discard(step.order)
        else:
            live[cause].add(step.order)
    return found


def _o5_booked_within_count(case: Case) -> Complaints:
    found = []
    for order in case.ledger.orders.values():
        broker_id = case.book.by_client_id.get(order.id)
        cum = case.book.orders[broker_id].cum if broker_id else 0
        if not 0 <= order.booked <= max(cum, 0) or order.booked > order.intent.qty:
            found.append(f"{order.id} booked {order.booked} of {cum} filled, {order.intent.qty} ordered")
    return found


def _o6_every_fill_booked_once(case: Case) -> Complaints:
    booked = Counter(ev.body.fill.execution_id for ev in case.events if isinstance(ev.body, e.FillBooked))
    # One that contradicts what the ledger holds is booked beside the positions, and freezes them.
    booked += Counter(ev.body.activity_id for ev in case.events if isinstance(ev.body, ExternalMoved))
    found = [f"{fill} booked {times} times" for fill, times in booked.items() if times > 1]
    for activity in case.book.activities:
        fill = activity.fill
        ours = fill is not None and fill.client_order_id in case.ledger.orders
        if ours and fill is not None and fill.execution_id not in booked:
            found.append(f"{fill.execution_id} of {fill.client_order_id} never booked")
    return found


def _o7_o10_along_the_table(case: Case) -> Complaints:
    return [
        f"{step.order} went {step.before} -> {step.after}"
        for step in edges.steps_of(case.events)
        if edges.edge_of(step) not in edges.ALLOWED
    ]


def _o8_no_order_unknown_to_us(case: Case) -> Complaints:
    return [
        f"{order.client_order_id} is at the broker, not in the ledger"
        for order in case.book.orders.values()
        if order.client_order_id.startswith(case.prefix) and order.client_order_id not in case.ledger.orders
    ]


def _o9_state_is_a_fold(case: Case) -> Complaints:
    folded = apply_all(Ledger(account=case.account), case.events)
    return [] if folded == case.ledger else ["the events fold to another ledger"]


def _o11_unknown_needs_evidence(case: Case) -> Complaints:
    """Judge what UNKNOWN was left by: an answer of the broker, a fill, two 404s in a row.

    An order that the broker shows otherwise than we intended it is an answer too, where it has one.
    """
    shown = {order.client_order_id: order.submitted_at for order in case.book.orders.values()}
    found = []
    misses: Counter[str] = Counter()
    left = {id(step.event): step for step in edges.steps_of(case.events)}
    for event in case.events:
        body = event.body
        if isinstance(body, e.OrderNotFound):
            misses[body.client_order_id] = body.count
        step = left.get(id(event))
        if step is None or step.before != OrderState.UNKNOWN or not isinstance(body, e.OrderSettled):
            continue
        there_since = shown.get(step.order) if step.after == OrderState.QUARANTINED else None
        if misses[step.order] < 2 and (there_since is None or there_since > event.at):
            found.append(f"{step.order} left UNKNOWN to {step.after} after {misses[step.order]} answers")
    return found


def _p1_quantities_agree(case: Case) -> Complaints:
    ours, theirs = case.ledger.held(), {name: row.qty for name, row in case.book.holdings.items() if row.qty}
    return [] if ours == theirs else [f"ledger {ours}, broker {theirs}"]


def _p2_never_short(case: Case) -> Complaints:
    short = [name for name, row in case.book.holdings.items() if row.qty < 0]
    return [f"short {name}" for name in short] + [
        f"{position.id} holds {position.qty}"
        for position in case.ledger.positions.values()
        if position.qty < 0
    ]


def _p4_one_live_exit(case: Case) -> Complaints:
    live: Counter[str] = Counter()
    for shown in case.book.live():
        order = case.ledger.orders.get(shown.client_order_id)
        if order is not None and order.intent.purpose in _EXITS:
            live[order.intent.position_id] += 1
    return [f"{position} has {count} live exits" for position, count in live.items() if count > 1]


def _outsold(case: Case, occ: str, *, since: datetime) -> bool:
    """Tell whether others sold contracts while an order of ours already offered them."""
    return any(
        row.symbol == occ and row.qty < 0 and row.at >= since and row.fill is not None
        for row in case.book.activities
        if row.fill is None or not row.fill.client_order_id
    )


def _p3_never_sells_more_than_held(case: Case) -> Complaints:
    leaves: Counter[str] = Counter()
    for shown in case.book.live():
        for leg in shown.legs:
            if leg.side is Side.SELL_TO_CLOSE and not _outsold(case, leg.occ, since=shown.submitted_at):
                leaves[leg.occ] += shown.qty - shown.cum
    held = {occ: row.qty for occ, row in case.book.holdings.items()}
    # At the close what expires is gone, and orders of the day are not yet.
    settled = {occ for occ in leaves if occ not in held and parse_occ(occ).expiration <= case.at.date()}
    return [
        f"{count} of {occ} for sale, {held.get(occ, 0)} held"
        for occ, count in leaves.items()
        if count > held.get(occ, 0) and occ not in settled
    ]


def _p5_closed_is_closed(case: Case) -> Complaints:
    live = {order.intent.position_id for order in case.ledger.live_orders}
    flows = _flows(case.events)
    found = []
    for position in case.ledger.positions.values():
        if not position.is_open and (position.qty or position.id in live):
            found.append(f"{position.id} is closed with {position.qty} held")
        if not position.is_open and position.realised != flows[position.id]:
            found.append(f"{position.id} realised {position.realised}, its cash came to {flows[position.id]}")
    return found


def _flows(events: Sequence[e.Event]) -> Counter[str]:
    """Sum the cash of each position: fills with their fees, what was removed, what was adopted."""
    flows: Counter[str] = Counter()
    for event in events:
        match event.body:
            case e.FillBooked(fill=fill, position_id=position_id, multiplier=multiplier):
                flows[position_id] -= fill.price * fill.qty * multiplier + fill.fees
            case e.ContractsRemoved(position_id=position_id, amount=amount):
                flows[position_id] += amount
            case e.ContractsAdopted(position_id=position_id, qty=qty, price=price):
                flows[position_id] -= price * qty * 100
            case FillBusted(fill=fill, position_id=position_id, multiplier=multiplier):
                flows[position_id] += fill.price * fill.qty * multiplier + fill.fees
            case ExternalAdopted(position_id=position_id, cost=cost):
                flows[position_id] -= cost
            case PositionReleased(position_id=position_id, basis=basis):
                flows[position_id] += basis
            case _:
                pass
    return flows


def _p6_cash_agrees(case: Case) -> Complaints:
    if case.ledger.cash == case.book.cash:
        return []
    return [f"ledger {case.ledger.cash}, broker {case.book.cash}"]


def _p7_no_position_disappears(case: Case) -> Complaints:
    opened = {ev.body.position_id for ev in case.events if isinstance(ev.body, e.PositionOpened)}
    return [] if opened == set(case.ledger.positions) else ["positions opened and positions known differ"]


def _p8_peak_and_stop_only_rise(case: Case) -> Complaints:
    seen: dict[str, tuple[int, int]] = {}
    found = []
    for event in case.events:
        if isinstance(event.body, e.ContractsAdjusted):
            seen.pop(event.body.position_id, None)
        if isinstance(event.body, e.PositionMarked):
            peak, stop = seen.get(event.body.position_id, (0, 0))
            if event.body.peak < peak or event.body.trailing_stop < stop:
                found.append(f"{event.body.position_id} at {event.at}")
            seen[event.body.position_id] = (event.body.peak, event.body.trailing_stop)
    return found


def _p9_tiers_once(case: Case) -> Complaints:
    """Judge the ladder: half by the first level, three quarters by both, whole contracts rounded down.

    A purchase busted later was still there when the ladder sold, so it is counted in.
    """
    busted = Counter[str]()
    for event in case.events:
        if isinstance(event.body, FillBusted) and event.body.fill.qty > 0:
            busted[event.body.position_id] += event.body.fill.qty
    first: Counter[str] = Counter()
    both: Counter[str] = Counter()
    for order in case.ledger.orders.values():
        if order.intent.purpose is Purpose.TIER:
            both[order.intent.position_id] += order.booked
            if order.intent.key == tier_key(order.intent.position_id, 1):
                first[order.intent.position_id] += order.booked
    found = []
    for position_id, qty in both.items():
        original = _position(case, position_id).original_qty + busted[position_id]
        if first[position_id] > max(1, original // 2) or qty > max(1, original * 3 // 4):
            found.append(f"{position_id}: the ladder sold {qty} of {original}, {first[position_id]} first")
    return found


def _position(case: Case, position_id: str) -> Position:
    return next(p for p in case.ledger.positions.values() if p.id == position_id)


def _x5_retries_are_bounded(case: Case) -> Complaints:
    sent: dict[str, list[datetime]] = defaultdict(list)
    for event in case.events:
        if isinstance(event.body, e.OrderIntended) and event.body.intent.purpose in _EXITS:
            sent[event.body.intent.position_id].append(event.at)
    found = []
    for position_id, times in sent.items():
        for first, later in zip(times, times[_EXIT_ORDERS_A_MINUTE:], strict=False):
            if later - first < _MINUTE:
                found.append(f"{position_id}: {_EXIT_ORDERS_A_MINUTE + 1} exits from {first} on")
                break
    return found


def _l1_epochs_rise(case: Case) -> Complaints:
    epochs = [ev.body.epoch for ev in case.events if isinstance(ev.body, e.OrderSending)]
    return [] if epochs == sorted(epochs) else [f"epochs {epochs}"]


def _c4_every_purchase_has_a_cause(case: Case) -> Complaints:
    return [
        f"{order.id} buys for {order.intent.key}"
        for order in case.ledger.orders.values()
        if order.intent.purpose.opens
        and order.intent.key not in case.signals
        and order.intent.key not in case.ledger.rolls
    ]


# Judged after every step: nothing here waits for anybody.
AT_EACH_STEP: tuple[tuple[str, Judge], ...] = (
    ("P2", _p2_never_short),
    ("P3", _p3_never_sells_more_than_held),
    ("P4", _p4_one_live_exit),
)
# Judged once faults are over and everything has had its time.
AT_REST: tuple[tuple[str, Judge], ...] = (
    *AT_EACH_STEP,
    ("O4", _o4_next_only_after_terminal),
    ("O5", _o5_booked_within_count),
    ("O6", _o6_every_fill_booked_once),
    ("O10", _o7_o10_along_the_table),
    ("O8", _o8_no_order_unknown_to_us),
    ("O9", _o9_state_is_a_fold),
    ("O11", _o11_unknown_needs_evidence),
    ("P1", _p1_quantities_agree),
    ("P5", _p5_closed_is_closed),
    ("P6", _p6_cash_agrees),
    ("P7", _p7_no_position_disappears),
    ("P8", _p8_peak_and_stop_only_rise),
    ("P9", _p9_tiers_once),
    ("X5", _x5_retries_are_bounded),
    ("L1", _l1_epochs_rise),
    ("C4", _c4_every_purchase_has_a_cause),
)

# Judged while orders are under way: all but what is right only once everything was booked.
_NEED_REST = ("O6", "O8", "P1", "P6")
AT_ANY_INSTANT: tuple[tuple[str, Judge], ...] = tuple(row for row in AT_REST if row[0] not in _NEED_REST)


def judge(case: Case, judges: Sequence[tuple[str, Judge]]) -> list[Violation]:
    """Ask each judge; give what they object to."""
    return [
        Violation(name, case.account, case.at, complaint) for name, ask in judges for complaint in ask(case)
    ]
