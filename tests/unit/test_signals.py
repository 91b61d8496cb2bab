"""The trend strategy: when it holds, which way it goes and how sure it is (RULEBOOK 9)."""

from datetime import timedelta

import pytest

from ops_pipeline.domain.instruments import Right
from ops_pipeline.domain.market import Interval
from ops_pipeline.domain.signals import Hold, Signal, Strategy
from ops_pipeline.stages.signal_engine.rules import STRATEGIES, decide, trend_state
from tests.builders_signals import SESSION, feature_row, signal_rules

MINUTE, DAY = Interval.MINUTE, Interval.DAY


def judge(interval: Interval = MINUTE, **changes) -> Signal | Hold:
    row = feature_row(interval, **changes)
    return decide(row, signal_rules(interval), now=row.as_of)


def confidence(interval: Interval = MINUTE, **changes) -> float:
    found = judge(interval, **changes)
    assert isinstance(found, Signal), found
    return found.confidence


DOWN = {
    "close": 5_960_000,
    "sma20": 5_970_000.0,
    "sma50": 5_980_000.0,
    "slope": -500.0,
    "distance": -10_000.0,
    "return_15": -0.01,
    "sma20_change": -15_000.0,
}


def test_a_healthy_uptrend_buys_a_call_for_the_day():
    found = judge()
    assert (found.right, found.strategy, found.rule) == (Right.CALL, Strategy.DAY, "trend")
    # All parts 1 but news, which is absent: 0.30 + 0.25 + 0.20 + 0.15 / 2 + 0.10.
    assert found.confidence == pytest.approx(0.925)
    assert found.expires_at == found.as_of + timedelta(minutes=5)


def test_the_mirror_image_buys_a_put_with_the_same_confidence():
    found = judge(**DOWN)
    assert found.right is Right.PUT
    assert found.confidence == pytest.approx(0.925)


def test_daily_bars_yield_swings_that_live_to_the_close():
    found = judge(DAY)
    assert (found.strategy, found.expires_at) == (Strategy.SWING, SESSION.close_at)
    assert found.confidence == pytest.approx(0.925)


@pytest.mark.parametrize(
    ("close", "sma20", "sma50", "state"),
    [(3, 2, 1, 1), (1, 2, 3, -1), (3, 1, 2, 0), (1, 3, 2, 0), (2, 2, 1, 0), (2, 1, 1, 0)],
)
def test_trend_state_needs_strict_order(close, sma20, sma50, state):
    assert trend_state(close, sma20, sma50) == state


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"slope": -500.0}, 0.925 - 0.15),
        ({"return_15": -0.01}, 0.925 - 0.25),
        # 0.002 / (2 * 0.001 * sqrt 15) = 0.258199.
        ({"return_15": 0.002}, 0.925 - 0.25 + 0.25 * 0.258199),
        ({"volume_ratio": 1.5}, 0.925 - 0.20 + 0.20 * 0.4),
        ({"volume_ratio": 0.5}, 0.925 - 0.20),
        ({"volume_ratio": 30.0}, 0.925),
        ({"news_score": 1.0}, 1.0),
        ({"news_score": -1.0}, 0.85),
        ({"volatility_ratio": 0.79}, 0.925 - 0.03),
        ({"volatility_ratio": 0.8}, 0.925),
        ({"volatility_ratio": 1.3}, 0.925),
        ({"volatility_ratio": 1.31}, 0.925 - 0.05),
        ({"sigma": 0.0}, 0.925 - 0.25),
    ],
)
def test_each_part_of_the_confidence_by_hand(changes, expected):
    assert confidence(**changes) == pytest.approx(expected, abs=1e-6)


def test_the_daily_momentum_is_the_move_since_the_last_close_over_two_sigma():
    assert confidence(DAY, return_since_close=0.01) == pytest.approx(0.675 + 0.25 * 0.25)


@pytest.mark.parametrize(
    ("interval", "changes", "reason"),
    [
        (MINUTE, {"volume_ratio": 0.49}, "volume ratio low"),
        (MINUTE, {"sma50": 6_005_000.0}, "no trend"),
        (MINUTE, {"distance": 50_000.0}, "stretched"),
        (MINUTE, {"distance": -50_000.0}, "stretched"),
        (DAY, {"distance": 200_000.0}, "stretched"),
        (MINUTE, {"sma20_change": 5_990.0}, "chop"),
        (DAY, {"sma20_change": 9_999.0}, "chop"),
    ],
)
def test_each_obstacle_holds_and_says_what_it_saw(interval, changes, reason):
    found = judge(interval, **changes)
    assert isinstance(found, Hold)
    assert found.reason == reason
    assert dict(found.because)["volume_ratio"] == changes.get("volume_ratio", 3.0)


@pytest.mark.parametrize(
    ("interval", "changes"),
    [
        (MINUTE, {"distance": 49_999.0}),
        (DAY, {"distance": 199_999.0}),
        (MINUTE, {"sma20_change": 6_000.0}),
        (DAY, {"sma20_change": 10_000.0}),
        (DAY, {"sma20_change": -10_000.0}),
    ],
)
def test_just_inside_each_limit_it_trades(interval, changes):
    assert isinstance(judge(interval, **changes), Signal)


@pytest.mark.parametrize(
    "name",
    [
        "sma20",
        "sma50",
        "slope",
        "distance",
        "return_15",
        "sigma",
        "volatility_ratio",
        "volume_ratio",
        "atr",
        "sma20_change",
    ],
)
def test_a_missing_feature_holds(name):
    found = judge(**{name: None})
    assert isinstance(found, Hold)
    assert found.reason.startswith("features missing: ")


def test_absent_news_iv_and_vwap_do_not_hold():
    assert isinstance(judge(news_score=None, iv=None, iv_rank=None, vwap_distance=None), Signal)


def test_a_row_whose_signal_would_be_born_expired_is_stale():
    row = feature_row()
    found = decide(row, signal_rules(), now=row.bar_at + timedelta(minutes=5))
    assert (found.reason, found.because) == ("features stale", (("age_s", 300.0),))


def test_breakouts_of_different_strength_get_different_values():
    strengths = [
        confidence(return_15=0.001 * k, volume_ratio=0.6 + 0.2 * k, distance=4_000.0 * k) for k in range(1, 7)
    ]
    assert strengths == sorted(set(strengths))
    assert strengths[-1] - strengths[0] > 0.2


@pytest.mark.parametrize("score", [-1.0, -0.3, 0.0, 0.7, 1.0])
def test_news_never_chooses_the_direction(score):
    assert judge(news_score=score).right is Right.CALL
    assert judge(news_score=score, **DOWN).right is Right.PUT
    assert isinstance(judge(news_score=score, sma50=6_005_000.0), Hold)


def test_a_hold_and_a_signal_of_one_bar_share_their_id():
    assert judge(volume_ratio=0.1).id == judge().id
    later = feature_row(bar_at=SESSION.open_at + timedelta(minutes=101))
    assert decide(later, signal_rules(), now=later.bar_at).id != judge().id


def test_a_signal_names_the_parts_of_its_confidence():
    because = dict(judge(news_score=0.5).because)
    assert because["trend"] == because["momentum"] == because["volume"] == because["volatility"] == 1.0
    assert because["news"] == 0.75


def test_features_from_the_future_and_rules_of_the_other_interval_are_refused():
    row = feature_row()
    with pytest.raises(ValueError, match="expected features of"):
        decide(row, signal_rules(), now=row.as_of - timedelta(seconds=1))
    with pytest.raises(ValueError, match="expected rules of 1m"):
        decide(row, signal_rules(DAY), now=row.as_of)


def test_strategies_are_found_by_name():
    assert list(STRATEGIES) == ["trend"]
    with pytest.raises(ValueError, match="expected one of trend, was 'magic'"):
        decide(feature_row(), signal_rules(), now=feature_row().as_of, rule="magic")
