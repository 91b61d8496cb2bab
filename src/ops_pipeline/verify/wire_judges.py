"""What must hold between the orders that came to a broker and the ledger that sent them. Pure."""

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from typing import Protocol

from ops_pipeline.adapters.simulator.book import Book
from ops_pipeline.domain import events as e
from ops_pipeline.domain.ids import PREFIX
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.orders import OrderIntent, Purpose
from ops_pipeline.verify.judges import Violation

_ENTRIES = (Purpose.ENTRY,)


class Heard(Protocol):
    """What was heard at a broker: its book, every order that came, what was objected to at once."""

    @property
    def book(self) -> Book:
        """Give the truth."""

    @property
    def heard(self) -> Sequence[tuple[str, str]]:
        """Give the id and the body's hash of every order that came."""

    @property
    def violations(self) -> Sequence[Violation]:
        """Give what the broker's own tap objected to."""


def objections(ledger: Ledger, events: Sequence[e.Event], truth: Heard) -> list[str]:
    """Judge O1, O2 and O3 by everything that was heard, and pass on what was objected to there."""
    sent: dict[str, set[str]] = defaultdict(set)
    for event in events:
        if isinstance(event.body, e.OrderSending):
            sent[event.body.client_order_id].add(event.body.body_hash)
    found = [str(violation) for violation in truth.violations]
    found += [
        f"O2 {order_id} came with a body that no SENDING stands for"
        for order_id, body in truth.heard
        if body not in sent[order_id]
    ]
    found += [
        f"O3 {order_id} sent with {len(bodies)} bodies"
        for order_id, bodies in sent.items()
        if len(bodies) > 1
    ]
    return found + _accepted_twice(ledger, truth.book)


def _accepted_twice(ledger: Ledger, book: Book) -> list[str]:
    """Judge O1: one cause and generation is one accepted order; one without a cause is one too many."""
    causes: Counter[tuple[Purpose, str, int]] = Counter()
    found = []
    for shown in book.orders.values():
        known = ledger.orders.get(shown.client_order_id)
        if known is not None:
            causes[_cause(known.intent)] += 1
        elif shown.client_order_id.startswith(PREFIX):
            found.append(f"O1 {shown.client_order_id} was accepted and nobody intended it")
    return found + [f"O1 {cause} was accepted {times} times" for cause, times in causes.items() if times > 1]


def _cause(intent: OrderIntent) -> tuple[Purpose, str, int]:
    return (intent.purpose, intent.key, intent.generation)


def undecided(events: Sequence[e.Event], judged: Collection[str]) -> list[str]:
    """Judge A1: an entry has its verdict with inputs, gates and rules; an exit has its decision before it."""
    decided: set[str] = set()
    found = []
    for event in events:
        match event.body:
            case e.ExitDecided(position_id=position_id) | e.RollAdvanced(position_id=position_id):
                decided.add(position_id)
            case e.OrderIntended(intent=intent) if not intent.purpose.opens:
                if intent.position_id not in decided:
                    found.append(f"A1 {intent.client_order_id} sells without a decision")
            case e.OrderIntended(intent=intent) if intent.purpose in _ENTRIES and intent.key not in judged:
                found.append(f"A1 {intent.client_order_id} buys without a verdict")
            case _:
                pass
    return found
