"""Links events to their chain, and reads them back from rows. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import PurePath
from typing import Any

from ops_pipeline.adapters.store.database import Row
from ops_pipeline.adapters.store.projections import position_of
from ops_pipeline.adapters.store.rows import instant, micros
from ops_pipeline.domain import events as e
from ops_pipeline.domain.errors import LedgerError
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.units import AccountId

Link = tuple[e.Event, str]


def link(ledger: Ledger, bodies: Sequence[e.EventBody], at: datetime) -> tuple[list[e.Event], list[str]]:
    """Chain `bodies` to the ledger's head; give the events and the texts that were hashed."""
    events: list[e.Event] = []
    texts: list[str] = []
    head, seq = ledger.head, ledger.seq
    for body in bodies:
        seq += 1
        kind, text = type(body).__name__, e.canonical(body)
        digest = e.chain_hash(ledger.account, seq, at, kind, text, head)
        event = e.Event(
            account=ledger.account,
            seq=seq,
            at=at,
            kind=kind,
            key=e.key_of(body),
            body=body,
            previous=head,
            hash=digest,
        )
        events.append(event)
        texts.append(text)
        head = digest
    return events, texts


def event_row(event: e.Event, text: str, ledger: Ledger) -> Row:
    """Give the columns of an event whose fold is `ledger`; `text` is what was hashed."""
    return {
        "account": event.account,
        "seq": event.seq,
        "at_us": micros(event.at),
        "kind": event.kind,
        "key": event.key,
        "position_id": position_of(event.body, ledger),
        "body": text,
        "previous": event.previous,
        "hash": event.hash,
    }


def event_of(row: Mapping[str, Any]) -> e.Event:
    """Read an event back from its columns; a body that does not fit raises ValueError."""
    return e.Event(
        account=AccountId(row["account"]),
        seq=row["seq"],
        at=instant(row["at_us"]),
        kind=row["kind"],
        key=row["key"],
        body=e.decode(row["kind"], row["body"]),
        previous=row["previous"],
        hash=row["hash"],
    )


def add_risk(bodies: Iterable[e.EventBody], ledger: Ledger) -> bool:
    """Tell whether any event leads to an order that may open something: these wait for the database."""
    reductions = set()
    for body in bodies:
        match body:
            case e.OrderIntended(intent=intent):
                if intent.purpose.opens:
                    return True
                reductions.add(intent.client_order_id)
            case e.OrderSending(client_order_id=cid) if cid not in reductions:
                order = ledger.orders.get(cid)
                if order is None or order.intent.purpose.opens:
                    return True
    return False


def journaled_links(
    rows: Sequence[Row], ledger: Ledger, stored: Mapping[int, str], journal: PurePath
) -> list[Link]:
    """Give what an account's journal holds beyond its ledger; LedgerError: it is of another chain."""
    links: list[Link] = []
    seq, head = ledger.seq, ledger.head
    for row in rows:
        event = event_of(row)
        if event.seq <= ledger.seq and stored.get(event.seq) == event.hash:
            continue  # stored before the process could remove the journal
        text: str = row["body"]
        fits = (
            e.chain_hash(event.account, event.seq, event.at, event.kind, text, event.previous) == event.hash
        )
        if (event.seq, event.previous) != (seq + 1, head) or not fits:
            raise LedgerError(
                f"{journal}: expected event {seq + 1} of {ledger.account}, found one that does not continue "
                f"the chain: {event.kind} {event.key} (seq {event.seq}). Keep the file aside under another "
                "name and start again: the broker's word settles what it did"
            )
        links.append((event, text))
        seq, head = event.seq, event.hash
    return links
