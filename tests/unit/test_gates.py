"""Every gate blocks alone, at its boundary and not before, and what is unknown refuses."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from ops_pipeline.domain.accounts import ControlLevel, DayTradePolicy, Mode
from ops_pipeline.domain.market import Trust
from ops_pipeline.domain.orders import Approved, GateResult, Leg, Refused, Side
from ops_pipeline.domain.records import EarningsDate, RegimeReading
from ops_pipeline.domain.signals import Strategy
from ops_pipeline.domain.units import AccountId
from ops_pipeline.stages.dispatcher.context import GateContext, Household
from ops_pipeline.stages.dispatcher.exposure import Book, GreekTotals
from ops_pipeline.stages.dispatcher.gates import evaluate_roll
from tests.builders_dispatch import (
    DAY,
    NOW,
    SESSION,
    Scene,
    contract_of,
    line_of,
    market_of,
    quote_of,
    rules_of,
    scene_of,
    signal_of,
    usd,
)

# RULEBOOK 8 in order; IV rank, contract and size are judged while planning.
GATES = [
    *[
        "account",
        "mode",
        "control",
        "reconciliation",
        "session",
        "bar",
        "features",
        "signal_age",
        "confidence",
        "duplicate",
    ],
    *[
        "positions",
        "day_loss",
        "losses_in_row",
        "trades_today",
        "cooldown",
        "day_trades",
        "earnings",
        "regime",
    ],
    *["iv_rank", "contract", "size"],
    *[
        "order",
        "quote",
        "premium_at_risk",
        "sector",
        "premium_today",
        "buying_power",
        "dollar_delta",
        "vega",
        "theta",
        "household",
    ],
    *[
        "deliverable",
        "dte",
        "spread",
        "mid",
        "volume",
        "open_interest",
        "delta",
        "score",
        "cost",
        "order_budget",
    ],
]


def book(*lines):
    return Book(lines=lines)


def swing() -> Scene:
    return scene_of(signal_of(strategy=Strategy.SWING))


def planned_without(scene: Scene, name: str) -> Scene:
    results = tuple(
        GateResult(name, False, "", "") if result.name == name else result
        for result in scene.candidate.planned
    )
    return scene.with_(candidate__planned=results)


BLOCKED = {
    "account": lambda s: s.with_(account__broker__number="PA2"),
    "mode": lambda s: s.with_(account__profile__mode=Mode.SHADOW),
    "control": lambda s: s.with_(account__control=ControlLevel.REDUCE_ONLY),
    "reconciliation": lambda s: s.with_(account__breaks=("XOM260821C00100000",)),
    "session": lambda s: s.with_(account__session=replace(SESSION, open_at=NOW - timedelta(minutes=4))),
    "bar": lambda s: s.with_(market__features__bar_at=NOW - timedelta(seconds=121)),
    "features": lambda s: s.with_(market__features__ticker="MSFT"),
    "signal_age": lambda s: s.with_(candidate__signal__as_of=NOW - timedelta(seconds=301)),
    "confidence": lambda s: s.with_(candidate__signal__confidence=0.6999),
    "duplicate": lambda s: s.with_(account__book=book(line_of("AAPL", strike="190"))),
    "positions": lambda s: s.with_(
        account__book=book(*(line_of("XOM", strike=str(strike)) for strike in range(50, 55)))
    ),
    "day_loss": lambda s: s.with_(account__broker__last_equity=usd(25_000)),
    "losses_in_row": lambda s: s.with_(account__day__losses_in_row=3),
    "trades_today": lambda s: s.with_(account__day__trades={"AAPL": 2}),
    "cooldown": lambda s: s.with_(account__day__last_trade_at={"AAPL": NOW - timedelta(minutes=14)}),
    "day_trades": lambda s: s.with_(
        account__profile__day_trade_policy=DayTradePolicy.LEGACY_PDT, account__day__day_trades=3
    ),
    "earnings": lambda _: swing().with_(
        rules__gates__earnings=1, market__earnings=EarningsDate(ticker="AAPL", session=date(2026, 9, 3))
    ),
    "regime": lambda s: s.with_(market__regime__value=40.0),
    "iv_rank": lambda s: planned_without(s, "iv_rank"),
    "contract": lambda s: planned_without(s, "contract"),
    "size": lambda s: planned_without(s, "size"),
    "order": lambda s: s.with_(candidate__offer__intent__account=AccountId("two")),
    "quote": lambda s: s.with_(candidate__offer__trust=Trust.STALE),
    "premium_at_risk": lambda s: s.with_(account__book=book(line_of("XOM", "4100"))),
    "sector": lambda s: s.with_(account__book=book(line_of("MSFT", "1800"))),
    "premium_today": lambda s: s.with_(account__day__premium=usd(4_100)),
    "buying_power": lambda s: s.with_(account__broker__options_buying_power=usd(500)),
    "dollar_delta": lambda s: s.with_(account__book=book(line_of(greeks=GreekTotals(usd(7_000), 0, 0)))),
    "vega": lambda s: s.with_(account__book=book(line_of(greeks=GreekTotals(0, usd(200), 0)))),
    "theta": lambda s: s.with_(account__book=book(line_of(greeks=GreekTotals(0, 0, -usd(230))))),
    "household": lambda s: s.with_(account__household=Household(equity=usd(24_000), premium=usd(23_500))),
    "deliverable": lambda s: s.with_(candidate__offer__contract__adjusted=True),
    "dte": lambda s: s.with_(candidate__offer__dte_max=2),
    "spread": lambda s: s.with_(
        candidate__offer__quote__bid=usd("3.60"),
        rules__contract__least_score=0.0,
        rules__contract__cost_max_of_stop=1.0,
    ),
    "mid": lambda s: s.with_(
        candidate__offer__quote__bid=usd("0.29"), candidate__offer__quote__ask=usd("0.29")
    ),
    "volume": lambda s: s.with_(candidate__offer__quote__volume=61, candidate__offer__quote__bid=usd("3.98")),
    "open_interest": lambda s: s.with_(candidate__offer__quote__open_interest=99),
    "delta": lambda s: s.with_(candidate__offer__delta=0.71, candidate__offer__quote__delta=0.71),
    "score": lambda s: s.with_(rules__contract__least_score=95.0),
    "cost": lambda s: s.with_(rules__contract__cost_max_of_stop=0.05),
    "order_budget": lambda s: s.with_(candidate__offer__intent__budget=usd(700)),
}


def test_an_entry_that_every_gate_passes_is_approved_with_all_results():
    for scene in (scene_of(), swing()):
        verdict = scene.verdict()
        assert isinstance(verdict, Approved), scene.failing()
        assert [result.name for result in verdict.gates] == GATES


def test_every_gate_has_a_blocking_case_below():
    assert sorted(GATES) == sorted(BLOCKED)


@pytest.mark.parametrize("name", sorted(BLOCKED))
def test_each_gate_alone_blocks_an_entry(name):
    scene = BLOCKED[name](scene_of())
    verdict = scene.verdict()
    assert scene.failing() == [name]
    assert isinstance(verdict, Refused)
    assert verdict.reason.startswith("budget_too_small" if name == "size" else name)
    assert len(verdict.gates) == len(GATES)


# The change that stands exactly at the stated boundary, and the least one beyond it.
EDGES = {
    "session": (
        lambda s: s.with_(account__session=replace(SESSION, open_at=NOW - timedelta(minutes=5))),
        lambda s: s.with_(
            account__session=replace(SESSION, open_at=NOW - timedelta(minutes=5) + timedelta(seconds=1))
        ),
    ),
    "session before the close": (
        lambda s: s.with_(
            account__session=replace(SESSION, close_at=NOW + timedelta(minutes=120, seconds=1))
        ),
        lambda s: s.with_(account__session=replace(SESSION, close_at=NOW + timedelta(minutes=120))),
    ),
    "bar": (
        lambda s: s.with_(market__features__bar_at=NOW - timedelta(seconds=120)),
        BLOCKED["bar"],
    ),
    "signal_age": (
        lambda s: s.with_(candidate__signal__as_of=NOW - timedelta(seconds=300)),
        BLOCKED["signal_age"],
    ),
    "confidence": (lambda s: s.with_(candidate__signal__confidence=0.70), BLOCKED["confidence"]),
    "positions": (
        lambda s: s.with_(
            account__book=book(*(line_of("XOM", strike=str(strike)) for strike in range(50, 54)))
        ),
        BLOCKED["positions"],
    ),
    "day_loss": (
        lambda s: s.with_(account__broker__last_equity=usd("24999.99")),
        BLOCKED["day_loss"],
    ),
    "losses_in_row": (lambda s: s.with_(account__day__losses_in_row=2), BLOCKED["losses_in_row"]),
    "trades_today": (lambda s: s.with_(account__day__trades={"AAPL": 1}), BLOCKED["trades_today"]),
    "cooldown": (
        lambda s: s.with_(account__day__last_trade_at={"AAPL": NOW - timedelta(minutes=15)}),
        BLOCKED["cooldown"],
    ),
    "regime": (lambda s: s.with_(market__regime__value=39.99), BLOCKED["regime"]),
    "open_interest": (
        lambda s: s.with_(candidate__offer__quote__open_interest=100),
        BLOCKED["open_interest"],
    ),
    "volume": (
        lambda s: s.with_(candidate__offer__quote__volume=62, candidate__offer__quote__bid=usd("3.98")),
        BLOCKED["volume"],
    ),
    "delta": (
        lambda s: s.with_(candidate__offer__delta=0.70, candidate__offer__quote__delta=0.70),
        BLOCKED["delta"],
    ),
    "mid": (
        lambda s: s.with_(candidate__offer__quote__bid=usd("0.30"), candidate__offer__quote__ask=usd("0.30")),
        BLOCKED["mid"],
    ),
    "dte": (lambda s: s.with_(candidate__offer__dte_max=3), BLOCKED["dte"]),
    "earnings": (
        lambda _: swing().with_(
            rules__gates__earnings=1, market__earnings=EarningsDate(ticker="AAPL", session=date(2026, 9, 26))
        ),
        lambda _: swing().with_(
            rules__gates__earnings=1, market__earnings=EarningsDate(ticker="AAPL", session=date(2026, 9, 25))
        ),
    ),
}


@pytest.mark.parametrize("name", sorted(EDGES))
def test_feature_05_gates_flip_exactly_at_their_stated_boundary(name):
    at, beyond = EDGES[name]
    gate = name.split(" ", maxsplit=1)[0]
    assert at(scene_of()).failing() == []
    assert beyond(scene_of()).failing() == [gate]


@pytest.mark.parametrize(
    ("name", "at", "beyond"),
    [
        ("premium_at_risk", lambda s, room: s.with_(account__book=book(line_of("XOM", room))), 4_800),
        ("premium_today", lambda s, room: s.with_(account__day__premium=usd(room)), 4_800),
        ("sector", lambda s, room: s.with_(account__book=book(line_of("MSFT", room))), 2_400),
        (
            "household",
            lambda s, room: s.with_(account__household=Household(equity=usd(24_000), premium=usd(room))),
            24_000,
        ),
    ],
)
def test_feature_05_gates_of_premium_flip_where_the_order_fills_the_cap(name, at, beyond):
    scene = scene_of()
    cost = scene.candidate.offer.intent.budget
    room = (usd(beyond) - cost) // 100
    assert at(scene, f"{room // 100}.{room % 100:02d}").failing() == []
    room += 1
    assert name in at(scene, f"{room // 100}.{room % 100:02d}").failing()


def test_feature_19_household_cap_counts_every_account_and_refuses_when_one_is_unread():
    assert BLOCKED["household"](scene_of()).failing() == ["household"]
    assert scene_of().with_(account__household=None).failing() == ["household"]


def test_feature_21_adjusted_contracts_are_refused_for_entries():
    scene = BLOCKED["deliverable"](scene_of())
    assert scene.verdict().reason == "deliverable"
    result = next(gate for gate in scene.verdict().gates if gate.name == "deliverable")
    assert (result.observed, result.limit) == ("adjusted", "standard")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            {"account__broker": None},
            {"account", "premium_at_risk", "sector", "premium_today", "buying_power"},
        ),
        ({"account__book": None}, {"duplicate", "positions", "premium_at_risk", "sector", "dollar_delta"}),
        ({"account__session": None}, {"session", "features", "signal_age", "deliverable", "cost"}),
        ({"market__features": None}, {"bar", "features"}),
        ({"market__regime": None}, {"regime"}),
        ({"candidate__offer__greeks": None}, {"dollar_delta", "vega", "theta"}),
        ({"account__broker__last_equity": 0}, {"day_loss"}),
        ({"account__book": book(line_of(greeks=None))}, {"dollar_delta", "vega", "theta"}),
        ({"market__features__atr": float("nan")}, {"features"}),
    ],
)
def test_what_is_unknown_refuses(change, expected):
    failing = set(scene_of().with_(**change).failing())
    assert expected <= failing


def test_an_unknown_count_of_day_trades_refuses_a_small_account_under_the_legacy_rule():
    scene = scene_of().with_(
        account__profile__day_trade_policy=DayTradePolicy.LEGACY_PDT, account__day__day_trades=None
    )
    assert scene.failing() == ["day_trades"]


def test_day_trade_policies_bind_day_trades_only():
    scene = swing().with_(
        account__profile__day_trade_policy=DayTradePolicy.LEGACY_PDT, account__day__day_trades=9
    )
    assert scene.failing() == []
    margin = scene_of().with_(account__profile__day_trade_policy=DayTradePolicy.INTRADAY_MARGIN)
    assert margin.failing() == []


def test_an_earnings_date_that_is_unknown_or_past_refuses_swings_where_a_provider_is_configured():
    configured = swing().with_(rules__gates__earnings=1)
    assert configured.failing() == ["earnings"]
    for session in (None, DAY - timedelta(days=1)):
        scene = configured.with_(market__earnings=EarningsDate(ticker="AAPL", session=session))
        assert scene.failing() == ["earnings"]


def test_entries_in_expiring_contracts_end_150_minutes_before_the_close():
    near = replace(SESSION, close_at=NOW + timedelta(minutes=150))
    expiring = contract_of(days=0)
    scene = scene_of().with_(
        candidate__offer__contract=expiring,
        candidate__offer__dte_min=0,
        candidate__offer__quote=quote_of(expiring),
        candidate__offer__intent__legs=(Leg(occ=expiring.occ, side=Side.BUY_TO_OPEN),),
    )
    assert scene.failing() == []
    assert scene.with_(account__session=near).failing() == ["session"]
    assert scene_of().with_(account__session=near).failing() == []


def test_a_stale_regime_reading_passes_at_a_quarter_and_a_stale_crisis_does_not():
    stale = RegimeReading(session=date(2026, 8, 12), value=15.0, source="VIX")
    scene = scene_of().with_(market__regime=stale, market__regime_age=4)
    assert scene.failing() == []
    assert "x 0.25" in next(gate.observed for gate in scene.verdict().gates if gate.name == "regime")
    assert scene.with_(market__regime__value=40.0).failing() == ["regime"]


def test_an_order_that_would_sell_to_open_or_buy_another_contract_is_refused():
    other = contract_of("205")
    legs = (Leg(occ=other.occ, side=Side.BUY_TO_OPEN),)
    assert scene_of().with_(candidate__offer__intent__legs=legs).failing() == ["order"]
    sells = (Leg(occ=contract_of().occ, side=Side.SELL_TO_CLOSE),)
    assert scene_of().with_(candidate__offer__intent__legs=sells).failing() == ["order"]


def test_refusing_is_idempotent():
    scene = BLOCKED["cooldown"](scene_of())
    assert scene.verdict() == scene.verdict()


def test_a_roll_skips_duplicate_count_cooldown_and_window_but_not_control_iv_cost_or_risk():
    scene = scene_of().with_(
        account__book=book(*(line_of("AAPL", strike=str(strike)) for strike in range(50, 56))),
        account__day__last_trade_at={"AAPL": NOW},
        account__day__trades={"AAPL": 5},
        candidate__offer__dte_max=1,
    )

    def roll(changed: Scene):
        context = GateContext(account=changed.account, market=changed.market)
        return evaluate_roll(changed.candidate, context, changed.rules)

    assert isinstance(roll(scene), Approved)
    for name in ("control", "mode", "account", "iv_rank", "premium_at_risk", "buying_power", "cost", "quote"):
        verdict = roll(BLOCKED[name](scene))
        assert isinstance(verdict, Refused)
        assert verdict.reason == name


def test_daily_signals_stay_fresh_within_their_session_and_have_no_trade_count():
    scene = swing().with_(
        candidate__signal__as_of=NOW - timedelta(minutes=100), account__day__trades={"AAPL": 7}
    )
    assert scene.failing() == []
    assert scene.with_(candidate__signal__session=DAY - timedelta(days=1)).failing() == ["signal_age"]
    assert scene.with_(candidate__signal__confidence=0.55).failing() == []
    assert scene.with_(candidate__signal__confidence=0.5499).failing() == ["confidence"]


def test_market_and_rules_of_the_builders_are_the_rulebooks():
    rules = rules_of()
    assert (rules.tier.positions, rules.tier.day_loss, rules.tier.at_risk) == (5, 400, 2_000)
    assert market_of().regime_age == 1
