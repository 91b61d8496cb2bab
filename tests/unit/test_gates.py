"""Every gate blocks alone, and what is unknown refuses."""

from datetime import date, timedelta

import pytest

from ops_pipeline.domain.accounts import DayTradePolicy
from ops_pipeline.domain.orders import Approved, Leg, Refused, Side
from ops_pipeline.domain.records import EarningsDate, RegimeReading
from ops_pipeline.stages.dispatcher.context import GateContext
from ops_pipeline.stages.dispatcher.gates import evaluate_roll
from tests.builders_dispatch import (
    DAY,
    NOW,
    Scene,
    contract_of,
    line_of,
    market_of,
    rules_of,
    scene_of,
)
from tests.builders_gates import BLOCKED, GATES, book, swing


def test_an_entry_that_every_gate_passes_is_approved_with_all_results():
    for scene in (scene_of(), swing()):
        verdict = scene.verdict()
        assert isinstance(verdict, Approved), scene.failing()
        assert [result.name for result in verdict.gates] == GATES


def test_every_gate_has_a_blocking_case():
    assert sorted(GATES) == sorted(BLOCKED)


@pytest.mark.parametrize("name", sorted(BLOCKED))
def test_each_gate_alone_blocks_an_entry(name):
    scene = BLOCKED[name](scene_of())
    verdict = scene.verdict()
    assert scene.failing() == [name]
    assert isinstance(verdict, Refused)
    assert verdict.reason.startswith("budget_too_small" if name == "size" else name)
    assert len(verdict.gates) == len(GATES)


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


def test_market_and_rules_of_the_builders_are_the_rulebooks():
    rules = rules_of()
    assert (rules.tier.positions, rules.tier.day_loss, rules.tier.at_risk) == (5, 400, 2_000)
    assert market_of().regime_age == 1


def test_a_gate_that_fails_on_what_it_is_shown_refuses_and_says_why():
    scene = scene_of().with_(account__broker__options_level=None)
    verdict = scene.verdict()
    assert isinstance(verdict, Refused)
    assert verdict.reason == "account_identity"
    failed = next(result for result in verdict.gates if not result.passed)
    assert failed.observed.startswith("TypeError: ")
    context = GateContext(account=scene.account, market=scene.market)
    assert isinstance(evaluate_roll(scene.candidate, context, scene.rules), Refused)
