"""Finds what an id means in a run's database and gathers the rows of its story. Shell."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from ops_pipeline.adapters.store import inspection, reports
from ops_pipeline.adapters.store.store import SqlStore
from ops_pipeline.app.story import Entry, Life, Section, tell_decision, tell_order, tell_position, tell_symbol
from ops_pipeline.domain.errors import ConfigurationError
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.orders import Order
from ops_pipeline.domain.positions import Position
from ops_pipeline.domain.signals import Hold, Signal

_NEWS = 8
_NEAR = 5
_SOME = 6
_MOST_TRADES = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """What was found: its kind (signal, hold, order, position, symbol), its full id, the story."""

    kind: str
    id: str
    sections: list[Section]


class Index:
    """Every position, order and ledger of a run by id, read once."""

    def __init__(self, store: SqlStore) -> None:
        self.ledgers: list[Ledger] = [store.ledger(account) for account in store.accounts()]
        self.positions = {str(p.id): p for ledger in self.ledgers for p in ledger.positions.values()}
        self.orders = {str(o.id): o for ledger in self.ledgers for o in ledger.orders.values()}

    def ledger_of(self, account: str) -> Ledger:
        """Give an account's ledger."""
        return next(ledger for ledger in self.ledgers if ledger.account == account)


def explain_id(store: SqlStore, wanted: str) -> Story:
    """Tell the story of an id, of a unique beginning of one, or of a ticker's newest signal.

    Raises ConfigurationError for anything else; it names ids that are near.
    """
    index = Index(store)
    decisions = inspection.decisions_beginning(store, wanted, limit=_SOME) if wanted else []
    found: dict[str, Position | Order | Signal | Hold] = {
        **_beginning(index.positions, wanted),
        **_beginning(index.orders, wanted),
        **{str(decision.id): decision for decision in decisions},
    }
    if wanted in found:
        return _told(store, index, wanted, found[wanted])
    sections = _symbol_story(store, index, wanted)
    if sections:
        return Story(kind="symbol", id=wanted, sections=sections)
    newest = inspection.signals_of(store, wanted.upper(), limit=1)
    if newest:
        return _told(store, index, newest[0].id, newest[0])
    if len(found) == 1:
        return _told(store, index, *next(iter(found.items())))
    raise ConfigurationError(_not_found(store, index, wanted, sorted(found)))


def _symbol_story(store: SqlStore, index: Index, symbol: str) -> list[Section]:
    """Tell of a symbol on which ledger and broker differed, or of which something is not managed."""
    events = [event for one in index.ledgers for event in store.events(one.account, key=symbol)]
    positions = [p for p in index.positions.values() if p.contract.occ == symbol and p.bought]
    return tell_symbol(events, positions) if events else []


def _beginning(known: Mapping[str, Position | Order], wanted: str) -> dict[str, Position | Order]:
    return {key: value for key, value in known.items() if wanted and key.startswith(wanted)}


def _told(store: SqlStore, index: Index, found: str, what: Position | Order | Signal | Hold) -> Story:
    match what:
        case Position():
            return Story(kind="position", id=found, sections=_position_story(store, index, what))
        case Order():
            events = store.events(what.intent.account, key=what.id)
            sections = tell_order(what, events)
            position = index.positions.get(what.intent.position_id)
            if position is not None:
                sections += _position_story(store, index, position)
            return Story(kind="order", id=found, sections=sections)
        case Signal():
            return Story(kind="signal", id=found, sections=tell_decision(_entry(store, index, what)))
        case Hold():
            return Story(kind="hold", id=found, sections=tell_decision(_entry(store, index, what)))


def _position_story(store: SqlStore, index: Index, position: Position) -> list[Section]:
    ledger = index.ledger_of(position.account)
    rolls = [r for r in ledger.rolls.values() if position.id in (r.position_id, r.successor_id)]
    life = Life(
        position=position,
        orders=[o for o in ledger.orders.values() if o.intent.position_id == position.id],
        events=inspection.events_of_position(store, position.id),
        marks=store.marks(position.id),
        rolls=rolls,
        roll_events=[v for r in rolls for v in store.events(position.account, key=r.position_id)],
        symbol_events=store.events(position.account, key=position.contract.occ),
        linked=_linked(position, ledger.positions.values()),
    )
    signal = store.signal(position.signal_id)
    return tell_position(life, _entry(store, index, signal) if signal is not None else None)


def _linked(position: Position, others: Iterable[Position]) -> list[Position]:
    return [p for p in others if p.id == position.rolled_from or p.rolled_from == position.id]


def _entry(store: SqlStore, index: Index, decision: Signal | Hold) -> Entry:
    verdicts = inspection.verdicts_on(store, decision.id) if isinstance(decision, Signal) else []
    return Entry(
        decision=decision,
        features=inspection.features_then(store, decision.ticker, decision.interval, until=decision.as_of),
        news=reports.classifications(store, decision.ticker, until=decision.as_of, limit=_NEWS),
        verdicts=verdicts,
        positions=[p for p in index.positions.values() if p.signal_id == decision.id and p.bought],
    )


def _not_found(store: SqlStore, index: Index, wanted: str, several: list[str]) -> str:
    expected = "id: expected a signal, order or position of this run, or a ticker with a signal"
    if several:
        return f"{expected}; {wanted!r} begins {len(several)} of them: {', '.join(several[:_NEAR])}"
    signals = [str(signal.id) for signal in reports.signals(store, limit=500)]
    known = [*index.positions, *index.orders, *signals]
    near = get_close_matches(wanted, known, n=_NEAR, cutoff=0.4)
    beside = f"; near: {', '.join(near)}" if near else "; `ops positions` and `ops signals` list them"
    return f"{expected}, was {wanted!r}{beside}"
