"""Gives an account's fold from the rows that were written with its events: a quick start. Shell."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from datetime import date
from typing import TypeVar

from sqlalchemy import BindParameter, Table, TextClause, bindparam, select, text

from ops_pipeline.adapters.store import rows as r
from ops_pipeline.adapters.store import schema as s
from ops_pipeline.adapters.store.chain import event_of
from ops_pipeline.adapters.store.database import Database, Row
from ops_pipeline.domain import events as e
from ops_pipeline.domain.accounts import Mode, Tier
from ops_pipeline.domain.breaks import BreakFound
from ops_pipeline.domain.codec import build
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.ledger_fold import apply_standing
from ops_pipeline.domain.ledger_index import LedgerIndex
from ops_pipeline.domain.units import AccountId, ClientOrderId, PositionId

Value = TypeVar("Value")

_OF: BindParameter[str] = bindparam("of_account")
_E = s.EVENT.c
# Rows do not say in which order things came about.
_ORDERING = ("OrderIntended", "PositionOpened", "PositionClosed")
# What these did stands in no row, or not whole: their bodies are read.
UNROWED = (
    "AccountOpened",
    "ActivitiesRead",
    "AlertCleared",
    "AlertRaised",
    "ContractsAdjusted",
    "ContractsAdopted",
    "ControlChanged",
    "ExternalAdopted",
    "ExternalMoved",
    "OperatorActed",
    "PositionReleased",
    "PositionWished",
    "RollAdvanced",
    "SymbolBlocked",
    "SymbolUnblocked",
    "TierChanged",
    "TierDrifted",
)
# What these did stands in rows. A chain with any other kind is folded anew.
ROWED = (
    *_ORDERING,
    "BreakFound",
    "BreakSettled",
    "CashMoved",
    "ContractsRemoved",
    "EntriesPaused",
    "EntryCompleted",
    "ExitDecided",
    "ExitWithdrawn",
    "FillBooked",
    "FillBusted",
    "OrderAnswered",
    "OrderNotFound",
    "OrderObserved",
    "OrderSending",
    "OrderSettled",
    "PositionFrozen",
    "PositionMarked",
    "RollRefused",
)
# A ledger with any other field is folded anew.
FIELDS = frozenset(
    {
        "account",
        "alerts",
        "blocked",
        "breaks",
        "broker",
        "cash",
        "control",
        "control_reason",
        "executions",
        "external",
        "head",
        "kept",
        "kill_id",
        "mode",
        "number",
        "opened_at",
        "orders",
        "other_cash",
        "paused_session",
        "positions",
        "raised_at",
        "read_through",
        "resolved",
        "rolls",
        "seq",
        "start_cash",
        "tier",
        "tier_drift",
        "tier_session",
        "wishes",
    }
)
_IS_COMPLETE = {field.name for field in fields(Ledger)} == FIELDS


def _kinds(names: Iterable[str], *, known: bool = True) -> TextClause:
    listed = ", ".join(f"'{name}'" for name in names)
    return text(f"kind {'IN' if known else 'NOT IN'} ({listed})")


_NEWEST = select(_E.seq, _E.hash).where(_E.account == _OF).order_by(_E.seq.desc()).limit(1)
_OTHER = select(_E.seq).where(_E.account == _OF, _kinds((*ROWED, *UNROWED), known=False)).limit(1)
_ORDERED = select(_E.kind, _E.key).where(_E.account == _OF, _kinds(_ORDERING)).order_by(_E.seq)
_TOLD = select(s.EVENT).where(_E.account == _OF, _kinds(UNROWED)).order_by(_E.seq)
_ROWS = {table.name: select(table).where(table.c.account == _OF) for table in s.PROJECTIONS}
_FACTS = (
    select(s.FILLS.c.execution_id, s.FILLS.c.seq).where(s.FILLS.c.account == _OF),
    select(s.ACTIVITIES.c.activity_id, s.ACTIVITIES.c.seq).where(s.ACTIVITIES.c.account == _OF),
)


def recall(database: Database, account: AccountId) -> Ledger | None:
    """Give the fold at the account's newest event; None where the rows cannot give it.

    `ops db verify` compares the rows with the events, `ops db rebuild` writes them anew from them.
    """
    newest = database.rows(_NEWEST, of_account=account)
    found = database.dicts(_ROWS[s.ACCOUNTS.name], of_account=account)
    stands = bool(newest and found) and (found[0]["seq"], found[0]["head"]) == newest[0]
    if not _IS_COMPLETE or not stands or database.rows(_OTHER, of_account=account):
        return None
    born: dict[str, list[str]] = {kind: [] for kind in _ORDERING}
    for kind, key in database.rows(_ORDERED, of_account=account):
        born[kind].append(key)
    orders = {order.id: order for order in _values(r.ORDER, s.ORDERS, database, account)}
    positions = {held.id: held for held in _values(r.POSITION, s.POSITIONS, database, account)}
    if set(born["OrderIntended"]) != orders.keys() or set(born["PositionOpened"]) != positions.keys():
        return None
    told = [event_of(row) for row in database.dicts(_TOLD, of_account=account)]
    rolls = {roll.id: roll for roll in _values(r.ROLL, s.ROLLS, database, account)}
    ledger = replace(
        _of_account(found[0], account, told),
        orders={ClientOrderId(key): orders[ClientOrderId(key)] for key in born["OrderIntended"]},
        positions={PositionId(key): positions[PositionId(key)] for key in born["PositionOpened"]},
        rolls={body.roll_id: rolls[body.roll_id] for body in _bodies(told, e.RollAdvanced)},
        executions=_executions(database, account, told),
    )
    ledger = apply_standing(ledger, told)
    return replace(ledger, kept=_index(ledger, born["PositionClosed"]))


def _values(codec: r.Codec[Value], table: Table, database: Database, account: AccountId) -> list[Value]:
    return [codec.value(row) for row in database.dicts(_ROWS[table.name], of_account=account)]


def _bodies(told: Sequence[e.Event], kind: type[Value]) -> list[Value]:
    return [event.body for event in told if isinstance(event.body, kind)]


def _of_account(row: Row, account: AccountId, told: Sequence[e.Event]) -> Ledger:
    """Give what the account's own row says, and the session of its last look at its tier."""
    paused, tiers = row["paused_session"], (e.TierChanged, e.TierDrifted)
    sessions = [event.body.session for event in told if isinstance(event.body, tiers)]
    found: tuple[BreakFound, ...] = build(tuple[BreakFound, ...], json.loads(row["breaks"]))
    return Ledger(
        account=account,
        seq=row["seq"],
        head=row["head"],
        number=row["number"],
        broker=row["broker"],
        mode=Mode(row["mode"]),
        tier=Tier(row["tier"]),
        tier_drift=row["tier_drift"],
        tier_session=sessions[-1] if sessions else None,
        start_cash=row["start_cash"],
        cash=row["cash"],
        other_cash=row["other_cash"],
        paused_session=date.fromisoformat(paused) if paused else None,
        breaks={broken.symbol: broken for broken in found},
    )


def _executions(database: Database, account: AccountId, told: Sequence[e.Event]) -> dict[str, int]:
    """Give what was booked, by its id, with the event that booked it."""
    facts = [
        (str(fact), int(seq)) for query in _FACTS for fact, seq in database.rows(query, of_account=account)
    ]
    facts += [
        (event.body.activity_id, event.seq)
        for event in told
        if isinstance(event.body, (e.ContractsAdopted, e.ContractsAdjusted))
    ]
    return dict(sorted(facts, key=lambda fact: fact[1]))


def _index(ledger: Ledger, closings: Sequence[str]) -> LedgerIndex:
    """Give the index of what is alive; closed positions in the order in which they closed for good."""
    index = ledger.index
    last = dict.fromkeys(reversed(closings))
    index.closed = {PositionId(key): None for key in reversed(last) if PositionId(key) in index.closed}
    index.closed_changes = len(closings)
    return index
