"""The whole story of a signal, a hold, an order or a position, assembled from its rows. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from ops_pipeline.app import story_entry, story_life
from ops_pipeline.app.words import Row, dollars
from ops_pipeline.domain.events import Event, OrderSending
from ops_pipeline.domain.features import FeatureRow
from ops_pipeline.domain.orders import Order
from ops_pipeline.domain.positions import Position
from ops_pipeline.domain.records import PositionMark, VerdictRow
from ops_pipeline.domain.rolls import Roll
from ops_pipeline.domain.signals import Hold, Signal


@dataclass(frozen=True, slots=True)
class Section:
    """One part of a story: a title and rows, amounts in dollars and instants in UTC."""

    title: str
    rows: list[Row]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What led to an entry: the signal, what was known then, every account's verdict.

    `news` are rows of what had been classified for the ticker.
    """

    decision: Signal | Hold
    features: FeatureRow | None
    news: Sequence[Row]
    verdicts: Sequence[VerdictRow]
    positions: Sequence[Position] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """A position with its orders, events, sampled marks, rolls and the positions it is linked with.

    `events` are the position's own, `roll_events` those of the rolls it has part in, `symbol_events`
    those of its symbol: differences with the broker, and what is held beside our positions.
    """

    position: Position
    orders: Sequence[Order]
    events: Sequence[Event]
    marks: Sequence[PositionMark]
    rolls: Sequence[Roll]
    roll_events: Sequence[Event]
    symbol_events: Sequence[Event] = ()
    linked: Sequence[Position]


def tell_decision(entry: Entry) -> list[Section]:
    """Tell a signal's story up to its orders; of a hold why nothing was done."""
    sections = _entry_sections(entry, accounts=None)
    sections.append(Section("Positions it led to", [_outcome(position) for position in entry.positions]))
    return _filled(sections)


def tell_position(life: Life, entry: Entry | None) -> list[Section]:
    """Tell a position's life from headline to result; `entry` None where its signal is not stored."""
    position = life.position
    sections = [Section("Position", [story_life.position_row(position)])]
    if entry is not None:
        sections += _entry_sections(entry, accounts=(position.account,))
    sections += [
        Section("Orders", [story_life.order_row(order) for order in life.orders]),
        Section("Fills", story_life.fill_rows(life.events)),
        Section("Peak, trailing stop and confirmations", story_life.mark_changes(life.events)),
        Section("Market seen (sampled)", story_life.market_rows(life.marks)),
        Section("Exits decided", story_life.decision_rows(life.events)),
        Section("Sales", story_life.sale_rows(position, life.orders, life.events)),
        Section("Differences with the broker", story_life.difference_rows(life.symbol_events)),
        Section("Alerts", story_life.alert_rows(life.events)),
        Section("Rolls", story_life.roll_rows(life.rolls, life.roll_events)),
        Section("Result", [story_life.result_row(position, life.events)]),
        Section("Related", _related(life, entry)),
    ]
    return _filled(sections)


def tell_order(order: Order, events: Sequence[Event]) -> list[Section]:
    """Tell what happened to one order, event by event, and what the last checks of each send saw."""
    sections = [
        Section("Order", [story_life.order_row(order)]),
        Section("What happened to it", story_life.event_rows(events)),
        Section("Last checks before each send", [row for event in events for row in _check_rows(event)]),
    ]
    return _filled(sections)


def _check_rows(event: Event) -> list[Row]:
    body = event.body
    if not isinstance(body, OrderSending):
        return []
    return [
        {
            "attempt": body.attempt,
            "check": c.name,
            "observed": c.observed,
            "limit": c.limit,
            "passed": c.passed,
        }
        for c in body.checks
    ]


def tell_symbol(events: Sequence[Event], positions: Sequence[Position]) -> list[Section]:
    """Tell of one symbol where ledger and broker differed, and what holds it."""
    return _filled(
        [
            Section("Differences with the broker", story_life.difference_rows(events)),
            Section("Positions of it", [_outcome(position) for position in positions]),
        ]
    )


def _entry_sections(entry: Entry, *, accounts: Sequence[str] | None) -> list[Section]:
    decision = entry.decision
    title = "Signal" if isinstance(decision, Signal) else "Hold"
    sections = [
        Section("News known then", list(entry.news)),
        Section("Features then", story_entry.feature_rows(entry.features)),
        Section(title, [story_entry.decision_row(decision)]),
        Section("Because", story_entry.because_rows(decision)),
    ]
    for verdict in entry.verdicts:
        if accounts is not None and verdict.account not in accounts:
            continue
        sections += [
            Section(story_entry.verdict_title(verdict), story_entry.gate_rows(verdict)),
            Section(
                f"Sizing and contract choice, {verdict.account}",
                story_entry.sizing_rows(verdict),
            ),
        ]
    return sections


def _related(life: Life, entry: Entry | None) -> list[Row]:
    position = life.position
    rows: list[Row] = [{"what": "signal", "id": position.signal_id}] if entry is not None else []
    rows += [{"what": "order", "id": order.id} for order in life.orders]
    for other in life.linked:
        what = "rolled from" if other.id == position.rolled_from else "rolled to"
        rows.append({"what": what, "id": other.id})
    if entry is not None:
        rows += [
            {"what": f"same signal, {other.account}", "id": other.id}
            for other in entry.positions
            if other.id != position.id and other.account != position.account
        ]
    return rows


def _outcome(position: Position) -> Row:
    return {
        "position": position.id,
        "account": position.account,
        "occ": position.contract.occ,
        "status": position.status.value,
        "bought": position.bought,
        "sold": position.sold,
        "realised": dollars(position.realised),
        "closed_by": position.close_reason or None,
    }


def _filled(sections: Sequence[Section]) -> list[Section]:
    return [section for section in sections if section.rows]
