"""The whole story of a signal, an order or a position, told from stored rows only. Shell."""

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from ops_pipeline.adapters.store import reports
from ops_pipeline.adapters.store.store import SqlStore
from ops_pipeline.app.listing import dollars, stamp
from ops_pipeline.domain import events as e
from ops_pipeline.domain.codec import encode
from ops_pipeline.domain.errors import ConfigurationError
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.orders import Order
from ops_pipeline.domain.position_fold import trade_of
from ops_pipeline.domain.positions import Position
from ops_pipeline.domain.records import VerdictRow
from ops_pipeline.domain.signals import Signal

Row = dict[str, Any]
_NEWS = 8
_MARKS = 12


@dataclass(frozen=True, slots=True)
class Section:
    """One part of a story: a title and rows of like shape."""

    title: str
    rows: list[Row]


def tell(store: SqlStore, wanted: str) -> list[Section]:
    """Tell the story of an id (or of a ticker's newest signals); an unknown id names its like.

    Order ids may be cut short where that stays unique. Raises ConfigurationError for an unknown id.
    """
    ledgers = [store.ledger(account) for account in store.accounts()]
    positions = {p.id: (p, ledger) for ledger in ledgers for p in ledger.positions.values()}
    orders = {o.id: (o, ledger) for ledger in ledgers for o in ledger.orders.values()}
    if wanted in positions:
        return _of_position(store, *positions[wanted])  # type: ignore[index] # a PositionId is a str
    matching = [order_id for order_id in orders if order_id.startswith(wanted)]
    if len(matching) == 1:
        return _of_order(store, *orders[matching[0]])
    signals = reports.signals(store)
    for signal in signals:
        if signal.id == wanted:
            return _of_signal(store, signal, ledgers)
    by_ticker = [signal for signal in signals if signal.ticker == wanted.upper()]
    if by_ticker:
        return [Section(f"Newest signals of {wanted.upper()}", [_signal_row(s) for s in by_ticker[:10]])]
    known = [*positions, *orders, *(signal.id for signal in signals)]
    near = get_close_matches(wanted, known, n=3, cutoff=0.4)
    raise ConfigurationError(
        f"id: expected a signal, order or position of this run, was {wanted!r}; near: {near}"
    )


def _of_signal(store: SqlStore, signal: Signal, ledgers: list[Ledger]) -> list[Section]:
    sections = [Section("Signal", [_signal_row(signal)]), _because(signal), _news(store, signal)]
    for verdict in reports.verdicts(store):
        if verdict.signal_id == signal.id:
            sections += _verdict(verdict)
    orders = [o for ledger in ledgers for o in ledger.orders.values() if o.intent.key == signal.id]
    if orders:
        sections.append(Section("Orders", [_order_row(order) for order in orders]))
    return sections


def _of_order(store: SqlStore, order: Order, ledger: Ledger) -> list[Section]:
    events = store.events(ledger.account, key=order.id)
    position = ledger.positions.get(order.intent.position_id)
    sections = [
        Section("Order", [_order_row(order)]),
        Section("What happened", [_event_row(v) for v in events]),
    ]
    if position is not None:
        sections += _of_position(store, position, ledger)
    return sections


def _of_position(store: SqlStore, position: Position, ledger: Ledger) -> list[Section]:
    orders = [o for o in ledger.orders.values() if o.intent.position_id == position.id]
    events = store.events(ledger.account, key=position.id)
    sections = [
        Section("Position", [_position_row(position)]),
        Section("Orders", [_order_row(order) for order in orders]),
        Section("Fills", _fills(store, ledger, position)),
        Section("Peak, trailing stop, confirmations", _marked(events)),
        Section("Exits decided", _decided(events)),
        Section("Market seen (sampled)", _marks(store, position)),
    ]
    rolls = [r for r in ledger.rolls.values() if position.id in (r.position_id, r.successor_id)]
    if rolls or position.rolled_from:
        sections.append(Section("Rolls", [_plain(roll) for roll in rolls]))
    sections.append(Section("Result", _result(position)))
    signal = store.signal(position.signal_id)
    if signal is not None:
        sections += [Section("Signal", [_signal_row(signal)]), _because(signal), _news(store, signal)]
        for verdict in reports.verdicts(store):
            if verdict.signal_id == signal.id and verdict.account == ledger.account:
                sections += _verdict(verdict)
    return [section for section in sections if section.rows]


def _signal_row(signal: Signal) -> Row:
    return {
        "signal": signal.id,
        "at": stamp(signal.as_of),
        "ticker": signal.ticker,
        "rule": signal.rule,
        "right": signal.right.name.lower(),
        "strategy": signal.strategy.value,
        "confidence": round(signal.confidence, 4),
        "expires": stamp(signal.expires_at),
    }


def _because(signal: Signal) -> Section:
    return Section("Because", [{"input": name, "value": round(value, 6)} for name, value in signal.because])


def _news(store: SqlStore, signal: Signal) -> Section:
    """Give the news that had been classified for the ticker when the signal was made, newest first."""
    about = reports.classifications(store, signal.ticker, until=signal.as_of, limit=_NEWS)
    return Section("News known then", about)


def _verdict(verdict: VerdictRow) -> list[Section]:
    head = f"{verdict.account}: {'approved' if verdict.approved else 'refused, ' + verdict.reason}"
    gates = [
        {
            "gate": gate.name,
            "passed": "yes" if gate.passed else "NO",
            "observed": gate.observed,
            "limit": gate.limit,
        }
        for gate in verdict.gates
    ]
    numbers = [{"number": name, "value": value} for name, value in verdict.numbers]
    return [
        Section(f"Verdict of {head} (judged {verdict.attempts} times, last {stamp(verdict.at)})", gates),
        Section(f"Sizing and choice for {verdict.account} (amounts in ten-thousandths of a dollar)", numbers),
    ]


def _order_row(order: Order) -> Row:
    return {
        "order": order.id,
        "purpose": order.intent.purpose.name.lower(),
        "occ": order.intent.occ,
        "side": order.intent.side.value,
        "qty": order.intent.qty,
        "filled": order.booked,
        "limit": dollars(order.intent.limit),
        "state": order.state.value,
        "sent": stamp(order.last_sent_at),
        "detail": order.detail,
    }


def _position_row(position: Position) -> Row:
    return {
        "position": position.id,
        "account": position.account,
        "contract": position.contract.occ,
        "strategy": position.strategy.value,
        "status": position.status.value,
        "held": f"{position.qty} of {position.original_qty}",
        "entry_dte": position.entry_dte,
        "entry_underlying": dollars(position.entry_underlying),
        "entry_iv_rank": position.entry_iv_rank,
        "opened": stamp(position.opened_at),
        "closed": stamp(position.closed_at),
        "closed_by": position.close_reason or None,
        "rolled_from": position.rolled_from,
    }


def _fills(store: SqlStore, ledger: Ledger, position: Position) -> list[Row]:
    rows = []
    for event in store.events(ledger.account):
        body = event.body
        if isinstance(body, e.FillBooked) and body.position_id == position.id:
            fill = body.fill
            rows.append(
                {
                    "at": stamp(fill.at),
                    "qty": fill.qty,
                    "price": dollars(fill.price),
                    "fees": dollars(fill.fees),
                    "order": fill.client_order_id,
                }
            )
    return rows


def _marked(events: Any) -> list[Row]:
    return [
        {
            "at": stamp(event.at),
            "mark": dollars(event.body.mark),
            "peak": dollars(event.body.peak),
            "stop": dollars(event.body.trailing_stop),
            "stop_reads": event.body.stop_count,
            "trail_reads": event.body.trail_count,
        }
        for event in events
        if isinstance(event.body, e.PositionMarked)
    ][-_MARKS:]


def _decided(events: Any) -> list[Row]:
    rows = []
    for event in events:
        body = event.body
        if isinstance(body, e.ExitDecided):
            decision = body.decision
            rows.append(
                {
                    "at": stamp(event.at),
                    "reason": decision.reason.value,
                    "qty": decision.qty,
                    "level": decision.level,
                    "observed": decision.observed,
                    "latched": decision.latched,
                    "message": decision.message,
                }
            )
        elif isinstance(body, e.ExitWithdrawn):
            rows.append({"at": stamp(event.at), "reason": f"withdrawn: {body.reason}"})
    return rows


def _marks(store: SqlStore, position: Position) -> list[Row]:
    marks = store.marks(position.id)
    step = max(1, len(marks) // _MARKS)
    return [
        {
            "at": stamp(mark.at),
            "bid": dollars(mark.bid),
            "ask": dollars(mark.ask),
            "mark": dollars(mark.mark),
            "underlying": dollars(mark.underlying),
            "trust": mark.trust,
        }
        for mark in marks[::step]
    ]


def _result(position: Position) -> list[Row]:
    """Reconcile what was paid, received and charged with the profit, to the ten-thousandth of a dollar."""
    trade = trade_of(position)
    return [
        {
            "cost": dollars(position.cost),
            "proceeds": dollars(position.proceeds),
            "fees": dollars(position.fees),
            "realised": dollars(position.realised),
            "profit": dollars(trade.pnl) if trade else None,
            "profit_pct": trade.pnl_bp / 100 if trade else None,
        }
    ]


def _event_row(event: e.Event) -> Row:
    body = encode(event.body)
    body.pop("client_order_id", None)
    return {"seq": event.seq, "at": stamp(event.at), "what": event.kind, "with": _words(body)}


def _words(body: Row) -> str:
    plain = {
        key: value for key, value in body.items() if value is not None and not isinstance(value, dict | list)
    }
    return ", ".join(f"{key} {value}" for key, value in plain.items())


def _plain(value: Any) -> Row:
    return {key: entry for key, entry in encode(value).items() if not isinstance(entry, dict | list)}
