"""A run on disk with one META trade told in full, one refusal, one roll and one open position."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from ops_pipeline.adapters.store.store import SqlStore, open_store
from ops_pipeline.app.runs import Run, create_run
from ops_pipeline.domain import events as e
from ops_pipeline.domain.accounts import ControlLevel, Mode, Tier
from ops_pipeline.domain.features import FeatureRow, IvStatus
from ops_pipeline.domain.instruments import Right, parse_occ
from ops_pipeline.domain.market import Interval
from ops_pipeline.domain.news import Classification, EventKind, NewsItem
from ops_pipeline.domain.orders import GateResult, Purpose
from ops_pipeline.domain.positions import ExitDecision, ExitReason
from ops_pipeline.domain.records import AccountSnapshot, JobRun, PositionMark, VerdictRow
from ops_pipeline.domain.signals import Hold, Signal, Strategy
from ops_pipeline.domain.units import AccountId, ClientOrderId, Occ, PositionId, SignalId, to_usd4
from ops_pipeline.engine.jobs import rows_for
from tests import builders_ledger as b

LARGE = AccountId("large")
SIGNAL = SignalId("S1")
HOLD = SignalId("Shold0001")
TRADED, ROLLED, SUCCESSOR = PositionId("P1"), PositionId("P2"), PositionId("P3")
SUCCESSOR_CALL = Occ("META260417C00700000")

_PURPOSES = {
    "trend call": Purpose.ENTRY,
    "first_profit_target": Purpose.TIER,
    "second_profit_target": Purpose.TIER,
    "trailing_stop": Purpose.EXIT,
}
NUMBERS = (
    ("equity", 1_210_000_000.0),
    ("tier_fraction_bp", 100.0),
    ("kelly", -1.0),
    ("floor", 10_000_000.0),
    ("base_budget", 12_100_000.0),
    ("factor_atr", 0.85),
    ("factor_regime", 1.0),
    ("factor_iv", 1.0),
    ("shaped_budget", 10_285_000.0),
    ("budget", 10_285_000.0),
    ("probe", 0.0),
    ("room_sector", 60_500_000.0),
    ("score", 85.1),
    ("qty", 6.0),
    ("unit_cost", 17_156_500.0),
)


def make_run(home: Path) -> Run:
    """Create the run's folder and fill its database."""
    run = create_run(home, kind="demo", label="test", created_at=b.START.isoformat(), settings={})
    with open_store(
        run.database, durable=False, database_id="db1", holder="test", clock=lambda: b.START
    ) as store:
        _tell(store)
    return run


def _tell(store: SqlStore) -> None:
    store.commit(b.TINY, [b.account_opened("121000")], at=b.START)
    other = e.AccountOpened(
        number="PA2", broker="simulator", mode=Mode.TRADE, cash=to_usd4("1000"), tier=Tier.TINY
    )
    store.commit(LARGE, [other], at=b.START)
    _news(store)
    store.add_features([features()])
    store.add_decisions([signal()], [hold()])
    store.put_verdicts([verdict(), refusal()])
    _trade(store)
    _roll(store)
    store.add_marks([_mark(number, price) for number, price in ((1, "17.20"), (60, "26"), (120, "40"))])
    store.add_job_runs([job_run(row.job.name, row.account) for row in rows_for((b.TINY, LARGE))])
    store.add_snapshots([snapshot("121000", realised="0"), snapshot("128299.16", realised="7299.16", day=1)])


def _news(store: SqlStore) -> None:
    published = b.START - timedelta(minutes=20)
    item = NewsItem(
        news_id="n1",
        source="wire",
        url="https://example.org/1",
        published_at=published,
        first_seen_at=published,
        headline="Meta raises its guidance",
        body="",
        tickers=("META",),
    )
    reading = Classification(
        news_id="n1",
        ticker="META",
        sentiment=0.8,
        relevance=1.0,
        novelty=1.0,
        kind=EventKind.GUIDANCE,
        model_version="v1",
        published_at=published,
        first_seen_at=published,
    )
    store.add_news([item])
    store.add_classifications(["n1"], [reading])


def features() -> FeatureRow:
    return FeatureRow(
        ticker="META",
        interval=Interval.MINUTE,
        session=b.SESSION,
        bar_at=b.START,
        as_of=b.START,
        close=to_usd4("700"),
        sma20=6_990_000.0,
        sma50=6_980_000.0,
        slope=1_000.0,
        distance=10_000.0,
        return_5=0.001,
        return_15=0.002,
        return_since_close=None,
        vwap_distance=None,
        sigma=0.0011,
        volatility_ratio=1.1,
        volume_ratio=1.6,
        atr=45_000.0,
        sma20_change=2_000.0,
        iv=0.35,
        iv_rank=0.31,
        iv_status=IvStatus.OK,
        news_score=0.8,
        news_count=1,
        inputs_hash="inputs",
    )


def signal() -> Signal:
    return Signal(
        id=SIGNAL,
        ticker="META",
        rule="trend",
        interval=Interval.MINUTE,
        right=Right.CALL,
        strategy=Strategy.DAY,
        confidence=0.81,
        session=b.SESSION,
        as_of=b.START,
        expires_at=b.minute(5),
        because=(("trend", 1.0), ("distance", 10_000.0)),
        inputs_hash="inputs",
    )


def hold() -> Hold:
    return Hold(
        id=HOLD,
        ticker="AAPL",
        rule="trend",
        interval=Interval.MINUTE,
        session=b.SESSION,
        as_of=b.START,
        reason="chop",
        because=(("trend_state", 1.0),),
    )


def verdict() -> VerdictRow:
    gates = (
        GateResult("confidence", True, "0.81", ">= 0.7"),
        GateResult("iv_rank", True, "IV Rank: 0.33 (OK) · IV: 0.35, 52-week range: 0.20-0.65", "0.80"),
        GateResult("size", True, "6 at $1,715.65, limited by budget", "<= 10, $10,285.00"),
    )
    return VerdictRow(
        signal_id=SIGNAL,
        account=b.TINY,
        session=b.SESSION,
        ticker="META",
        at=b.START,
        approved=True,
        reason="approved",
        gates=gates,
        numbers=NUMBERS,
        occ=Occ(b.META_CALL),
        qty=6,
        client_order_id=ClientOrderId("op1db1-e-aaaaaaaaaaaa-1"),
        rules_hash="rules",
    )


def refusal() -> VerdictRow:
    gates = (
        GateResult("confidence", True, "0.81", ">= 0.7"),
        GateResult("iv_rank", False, "IV Rank too high: 0.83 > 0.80 (options expensive)", "0.80"),
    )
    return VerdictRow(
        signal_id=SIGNAL,
        account=LARGE,
        session=b.SESSION,
        ticker="META",
        at=b.START,
        approved=False,
        reason="iv_rank",
        gates=gates,
        numbers=(("equity", 10_000_000.0),),
        occ=None,
        qty=0,
        client_order_id=None,
        rules_hash="rules",
    )


def _order(store: SqlStore, cid: str, reason: str, qty: int, price: str, fees: str, minute: int) -> None:
    purpose = _PURPOSES[reason]
    sold = 1 if purpose is Purpose.ENTRY else -1
    intent = b.intended(cid, qty=qty, limit=price, purpose=purpose).intent
    bodies = [
        e.OrderIntended(intent=replace(intent, reason=reason, key=f"{cid}|{reason}")),
        b.sending(cid),
        b.accepted(cid),
        b.filled(cid, sold * qty, price, execution=f"{cid}-f", fees=fees, at=b.minute(minute)),
    ]
    store.commit(b.TINY, bodies, at=b.minute(minute))


def _trade(store: SqlStore) -> None:
    """Six at 17.15; three at 25.80, one at 30.10, two by the trailing stop at 34.20; 0.84 of fees."""
    store.commit(b.TINY, [replace(b.planned(), signal_id=SIGNAL)], at=b.START)
    _order(store, "op1db1-e-aaaaaaaaaaaa-1", "trend call", 6, "17.15", "0.36", 1)
    store.commit(b.TINY, [b.completed(qty=6)], at=b.minute(1))
    first = _decided(ExitReason.FIRST_TARGET, 3, "$25.73", "$25.90", "Taking 50% off at +50% profit", 60)
    store.commit(
        b.TINY, [b.marked("P1", "25.90", peak="25.90", stop="23.70", armed=True), first], at=b.minute(60)
    )
    _order(store, "op1db1-t-bbbbbbbbbbbb-1", "first_profit_target", 3, "25.80", "0.24", 61)
    store.commit(b.TINY, [e.ExitWithdrawn(position_id=TRADED, reason="done")], at=b.minute(61))
    _order(store, "op1db1-t-cccccccccccc-1", "second_profit_target", 1, "30.10", "0.08", 90)
    trail = _decided(
        ExitReason.TRAILING_STOP,
        2,
        "$34.29",
        "$34.28",
        "Trailed from peak $40.00, stop $34.29",
        130,
        latched=True,
    )
    store.commit(
        b.TINY, [b.marked("P1", "40", peak="40", stop="34.2875", armed=True), trail], at=b.minute(130)
    )
    _order(store, "op1db1-x-dddddddddddd-1", "trailing_stop", 2, "34.20", "0.16", 131)
    store.commit(b.TINY, [b.closed(reason="trailing_stop")], at=b.minute(131))


def _decided(
    reason: ExitReason,
    qty: int,
    level: str,
    observed: str,
    message: str,
    minute: int,
    *,
    latched: bool = False,
) -> e.ExitDecided:
    decision = ExitDecision(
        reason=reason,
        rank=6,
        qty=qty,
        latched=latched,
        at=b.minute(minute),
        level=level,
        observed=observed,
        message=message,
    )
    return e.ExitDecided(position_id=TRADED, decision=decision)


def _roll(store: SqlStore) -> None:
    """P2 is closed and P3 opened from it, a month later; P3 stays open."""
    store.commit(b.TINY, _at(140, b.entry("P2", qty=1, price="5.00")), at=b.minute(140))
    successor = replace(b.planned("P3", SUCCESSOR_CALL), rolled_from=ROLLED, roll_count=1)
    planned = _roll_step("planned")
    store.commit(b.TINY, _at(150, [planned, *b.exit_("P2", qty=1, price="5.50")]), at=b.minute(150))
    opened = b.entry("P3", qty=1, price="7.00")[1:]
    intended = b.intended("P3-e1", position="P3", qty=1, limit="7.00", occ=SUCCESSOR_CALL)
    fill = b.filled("P3-e1", 1, "7.00", execution="P3-f", position="P3", occ=SUCCESSOR_CALL)
    bodies = [successor, intended, *opened[1:3], fill, opened[-1], _roll_step("done")]
    store.commit(b.TINY, _at(151, bodies), at=b.minute(151))


def _at(minute: int, bodies: list[e.EventBody]) -> list[e.EventBody]:
    """Move the fills among these events to a minute."""
    at = b.minute(minute)
    return [
        replace(body, fill=replace(body.fill, at=at)) if isinstance(body, e.FillBooked) else body
        for body in bodies
    ]


def _roll_step(state: str) -> e.RollAdvanced:
    return e.RollAdvanced(
        roll_id="R1",
        position_id=ROLLED,
        state=state,
        successor=parse_occ(SUCCESSOR_CALL),
        successor_id=SUCCESSOR,
        qty=1,
        two_leg=False,
        pnl_locked=to_usd4("50"),
        reason="",
    )


def _mark(minute: int, price: str) -> PositionMark:
    mark = to_usd4(price)
    return PositionMark(
        position_id=TRADED,
        at=b.minute(minute),
        bid=mark - 500,
        ask=mark + 500,
        mark=mark,
        underlying=to_usd4("705"),
        trust="FRESH",
    )


def job_run(job: str, account: str, *, failed: int = 0, minute: int = 0, detail: str = "") -> JobRun:
    return JobRun(
        job=job,
        account=account,
        at=b.minute(minute),
        session=b.SESSION,
        read=1,
        decided=0,
        refused=0,
        sent=0,
        unknown=0,
        failed=failed,
        detail=detail,
    )


def snapshot(equity: str, *, realised: str, day: int = 0) -> AccountSnapshot:
    return AccountSnapshot(
        account=b.TINY,
        at=b.START + timedelta(days=day, hours=5),
        session=b.SESSION + timedelta(days=day),
        tier=Tier.LARGE,
        control=ControlLevel.NORMAL,
        cash=to_usd4(equity),
        positions_value=0,
        positions_at_bid=0,
        equity=to_usd4(equity),
        realised=to_usd4(realised),
        unrealised=0,
        fees=to_usd4("0.84") if day else 0,
        open_positions=0,
    )
