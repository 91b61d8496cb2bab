"""What a person or a report asks of a store. Shell."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import BindParameter, Select, Table, bindparam, func, select

from ops_pipeline.adapters.store import schema as s
from ops_pipeline.adapters.store import stage_schema as t
from ops_pipeline.adapters.store.columns import NUMBER
from ops_pipeline.adapters.store.database import Row
from ops_pipeline.adapters.store.rows import (
    HOLD,
    JOB_RUN,
    NEWS,
    SIGNAL,
    SNAPSHOT,
    TRADE,
    VERDICT,
    instant,
    micros,
)
from ops_pipeline.adapters.store.store import SqlStore
from ops_pipeline.domain.events import GENESIS
from ops_pipeline.domain.news import NewsItem
from ops_pipeline.domain.positions import Trade
from ops_pipeline.domain.records import AccountSnapshot, JobRun, VerdictRow
from ops_pipeline.domain.signals import Hold, Signal
from ops_pipeline.domain.units import AccountId

_EVERYTHING = 1 << 62
_MOST = bindparam("most", type_=NUMBER)
_OF_ACCOUNT: BindParameter[str] = bindparam("of_account")


def _of_account(table: Table, *order: Any) -> Select[Any]:
    return select(table).where(table.c.account == _OF_ACCOUNT).order_by(*order)


_ORDERS = _of_account(s.ORDERS, s.ORDERS.c.created_us, s.ORDERS.c.client_order_id)
_FILLS = _of_account(s.FILLS, s.FILLS.c.seq)
_POSITIONS = _of_account(s.POSITIONS, s.POSITIONS.c.opened_us, s.POSITIONS.c.id)
_OPEN = _POSITIONS.where(s.POSITIONS.c.status != "CLOSED")
_TRADES = _of_account(s.TRADES, s.TRADES.c.closed_us, s.TRADES.c.position_id)
_SNAPSHOTS = _of_account(t.ACCOUNT_SNAPSHOTS, t.ACCOUNT_SNAPSHOTS.c.at_us)
_SG, _V, _N, _J = t.SIGNALS.c, t.VERDICTS.c, t.NEWS_ITEMS.c, t.JOB_RUNS.c
_SIGNALS = select(t.SIGNALS).where(_SG.action == "SIGNAL").order_by(_SG.as_of_us.desc(), _SG.id).limit(_MOST)
_HOLDS = select(t.SIGNALS).where(_SG.action == "HOLD").order_by(_SG.as_of_us.desc(), _SG.id).limit(_MOST)
_VERDICTS = select(t.VERDICTS).order_by(_V.at_us.desc(), _V.account, _V.signal_id).limit(_MOST)
_NEWS = select(t.NEWS_ITEMS).order_by(_N.published_us.desc(), _N.news_id).limit(_MOST)
_CL = t.CLASSIFICATIONS.c
_ABOUT = (
    select(_N.headline, _CL.published_us, _CL.sentiment, _CL.relevance, _CL.novelty, _CL.kind)
    .join_from(t.CLASSIFICATIONS, t.NEWS_ITEMS, _N.news_id == _CL.news_id)
    .where(
        _CL.ticker == bindparam("of_ticker"),
        _CL.published_us <= bindparam("until_us"),
        _CL.first_seen_us <= bindparam("until_us"),
    )
    .order_by(_CL.published_us.desc(), _CL.news_id)
    .limit(_MOST)
)
_JOB_RUNS = select(t.JOB_RUNS).order_by(_J.at_us.desc(), _J.job, _J.account).limit(_MOST)
_HEADS = select(s.ACCOUNTS.c.account, s.ACCOUNTS.c.seq, s.ACCOUNTS.c.head).order_by(s.ACCOUNTS.c.account)

_HOLD_REASONS = select(_SG.reason, func.count()).where(_SG.action == "HOLD").group_by(_SG.reason)
_DECISIONS = select(_SG.action, func.count()).group_by(_SG.action)
_REFUSALS = select(_V.reason, func.count()).where(_V.approved == 0).group_by(_V.reason)
_APPROVALS = select(_V.approved, func.count()).group_by(_V.approved)
_ATTEMPTS = select(func.coalesce(func.sum(_V.attempts), 0))
_NEWS_READ = select(_N.classified, func.count()).group_by(_N.classified)
_ORDER_STATES = select(s.ORDERS.c.state, func.count()).group_by(s.ORDERS.c.state)
_ORDER_PURPOSES = select(s.ORDERS.c.purpose, func.count()).group_by(s.ORDERS.c.purpose)
_EXIT_REASONS = select(s.TRADES.c.reason, func.count()).group_by(s.TRADES.c.reason)
_ROLL_STATES = select(s.ROLLS.c.state, func.count()).group_by(s.ROLLS.c.state)
_POSITION_STATES = select(s.POSITIONS.c.status, func.count()).group_by(s.POSITIONS.c.status)
_COUNT_FILLS = select(func.count()).select_from(s.FILLS)
_COUNT_BOUGHT = select(func.count()).select_from(s.POSITIONS).where(s.POSITIONS.c.bought > 0)
_PARTIALS = select(func.count()).select_from(s.ORDERS).where(s.ORDERS.c.purpose == "t", s.ORDERS.c.booked > 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Funnel:
    """How many of each thing a run saw, from headline to exit."""

    news: int
    classified: int
    signals: int
    holds: int
    approved: int
    refused: int
    attempts: int
    refused_by: dict[str, int]
    holds_by: dict[str, int]
    orders: int
    orders_by_state: dict[str, int]
    orders_by_purpose: dict[str, int]
    fills: int
    positions: int
    open_positions: int
    exits_by: dict[str, int]
    partials: int
    rolls_by_state: dict[str, int]


def orders(store: SqlStore, account: AccountId) -> list[Row]:
    """Give an account's orders, oldest first, as columns: amounts Usd4, instants in microseconds."""
    return store.database.dicts(_ORDERS, of_account=account)


def fills(store: SqlStore, account: AccountId) -> list[Row]:
    """Give an account's fills in the order of booking, as columns."""
    return store.database.dicts(_FILLS, of_account=account)


def positions(store: SqlStore, account: AccountId, *, open_only: bool) -> list[Row]:
    """Give an account's positions, oldest first, as columns."""
    return store.database.dicts(_OPEN if open_only else _POSITIONS, of_account=account)


def trades(store: SqlStore, account: AccountId) -> list[Trade]:
    """Give every closed trade of an account, oldest first."""
    return [TRADE.value(row) for row in store.database.dicts(_TRADES, of_account=account)]


def signals(store: SqlStore, *, limit: int = 0) -> list[Signal]:
    """Give the newest signals, newest first; limit 0: all."""
    return [SIGNAL.value(row) for row in store.database.dicts(_SIGNALS, most=limit or _EVERYTHING)]


def holds(store: SqlStore, *, limit: int = 0) -> list[Hold]:
    """Give the newest holds, newest first; limit 0: all."""
    return [HOLD.value(row) for row in store.database.dicts(_HOLDS, most=limit or _EVERYTHING)]


def holds_by_reason(store: SqlStore) -> dict[str, int]:
    """Count holds by reason, most frequent first."""
    return _tally(store.database.rows(_HOLD_REASONS))


def verdicts(store: SqlStore, *, limit: int = 0) -> list[VerdictRow]:
    """Give the newest verdicts, newest first; limit 0: all."""
    return [VERDICT.value(row) for row in store.database.dicts(_VERDICTS, most=limit or _EVERYTHING)]


def failed_gates(store: SqlStore) -> dict[str, int]:
    """Count how often each gate failed, the first failure or not, most frequent first."""
    counts: dict[str, int] = {}
    for verdict in verdicts(store):
        for gate in verdict.gates:
            if not gate.passed:
                counts[gate.name] = counts.get(gate.name, 0) + 1
    return _tally(list(counts.items()))


def news(store: SqlStore, *, limit: int = 0) -> list[NewsItem]:
    """Give the newest items, newest first; limit 0: all."""
    return [NEWS.value(row) for row in store.database.dicts(_NEWS, most=limit or _EVERYTHING)]


def classifications(store: SqlStore, ticker: str, *, until: datetime, limit: int) -> list[Row]:
    """Give what was said of a ticker by `until`, newest first: headline, sentiment, relevance, kind."""
    found = store.database.dicts(_ABOUT, of_ticker=ticker, until_us=micros(until), most=limit)
    return [
        {
            "published": instant(row["published_us"]).isoformat(),
            "headline": row["headline"],
            "sentiment": round(row["sentiment"], 3),
            "relevance": round(row["relevance"], 3),
            "novelty": row["novelty"],
            "kind": row["kind"],
        }
        for row in found
    ]


def snapshots(store: SqlStore, account: AccountId) -> list[AccountSnapshot]:
    """Give an account's snapshots, oldest first."""
    return [SNAPSHOT.value(row) for row in store.database.dicts(_SNAPSHOTS, of_account=account)]


def job_runs(store: SqlStore, *, limit: int = 0) -> list[JobRun]:
    """Give the newest job runs, newest first; limit 0: all."""
    return [JOB_RUN.value(row) for row in store.database.dicts(_JOB_RUNS, most=limit or _EVERYTHING)]


def funnel(store: SqlStore) -> Funnel:
    """Count what the store holds, from news to exits."""
    database = store.database
    read = dict(database.rows(_NEWS_READ))
    decisions = dict(database.rows(_DECISIONS))
    approvals = dict(database.rows(_APPROVALS))
    states = _tally(database.rows(_ORDER_STATES))
    statuses = _tally(database.rows(_POSITION_STATES))
    return Funnel(
        news=sum(read.values()),
        classified=read.get(1, 0),
        signals=decisions.get("SIGNAL", 0),
        holds=decisions.get("HOLD", 0),
        approved=approvals.get(1, 0),
        refused=approvals.get(0, 0),
        attempts=int(database.rows(_ATTEMPTS)[0][0]),
        refused_by=_tally(database.rows(_REFUSALS)),
        holds_by=holds_by_reason(store),
        orders=sum(states.values()),
        orders_by_state=states,
        orders_by_purpose=_tally(database.rows(_ORDER_PURPOSES)),
        fills=database.rows(_COUNT_FILLS)[0][0],
        positions=database.rows(_COUNT_BOUGHT)[0][0],
        open_positions=sum(count for status, count in statuses.items() if status != "CLOSED"),
        exits_by=_tally(database.rows(_EXIT_REASONS)),
        partials=database.rows(_PARTIALS)[0][0],
        rolls_by_state=_tally(database.rows(_ROLL_STATES)),
    )


def ledger_hash(store: SqlStore) -> str:
    """Hash the heads of all chains: equal for two runs that decided and did the same."""
    heads = store.database.rows(_HEADS)
    text = "\n".join(f"{account} {seq} {head}" for account, seq, head in heads) or GENESIS
    return sha256(text.encode()).hexdigest()


def _tally(pairs: Sequence[tuple[Any, ...]]) -> dict[str, int]:
    return dict(
        sorted(((str(name), int(count)) for name, count in pairs), key=lambda pair: (-pair[1], pair[0]))
    )
