"""What holds for features, ranks and confidence on any input."""

import math
from dataclasses import replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from ops_pipeline.domain.features import FeatureRow
from ops_pipeline.domain.pricing.maturity import interpolate_total_variance
from ops_pipeline.domain.signals import Signal
from ops_pipeline.stages.feature_computer.features import (
    MINUTE_BARS,
    calculate_iv_rank,
    calculate_minute_features,
    iv_rank_of,
)
from ops_pipeline.stages.feature_computer.news_score import NO_NEWS, read_news
from ops_pipeline.stages.signal_engine.rules import decide
from ops_pipeline.stages.watchlist_engine.scoring import Candidate, rank
from tests.builders_signals import (
    DAY,
    DAY_BEFORE,
    SESSION,
    classification,
    feature_row,
    minute_bars,
    signal_rules,
    watchlist_rules,
)

IVS = st.floats(0.01, 5.0)
STEPS = st.lists(st.integers(-300, 300), min_size=100, max_size=140)


def rows_of(bars, first: int) -> list[FeatureRow]:
    """Every row of the session, each from the newest bars at hand by then."""
    return [
        calculate_minute_features(
            bars[max(0, end - MINUTE_BARS) : end],
            session=SESSION,
            day=DAY,
            news=NO_NEWS,
            now=bars[end - 1].end_at,
            chop_bars=20,
        )
        for end in range(first + 1, len(bars) + 1)
    ]


def path(steps: list[int]):
    """Bars of the evening before and of the session, cents apart by `steps`."""
    closes = [600.0]
    for step in steps:
        closes.append(closes[-1] + step / 100)
    before = minute_bars([600.0] * 390, session=DAY_BEFORE)
    return before, minute_bars(closes, [1_000 + abs(step) for step in (0, *steps)])


@given(STEPS, st.data())
@settings(max_examples=15)
def test_a_row_of_the_past_is_the_row_that_was_computed_then(steps, data):
    before, session = path(steps)
    bars = before + session
    end = data.draw(st.integers(len(before) + 1, len(bars)))
    assert rows_of(bars[:end], len(before))[-1] == rows_of(bars, len(before))[end - len(before) - 1]


@given(STEPS, st.integers(-200, 200))
@settings(max_examples=15)
def test_yesterdays_prices_do_not_reach_todays_minutes(steps, shift):
    before, session = path(steps)
    moved = [
        replace(bar, **{name: getattr(bar, name) + shift * 100 for name in ("open", "high", "low", "close")})
        for bar in before
    ]
    assert rows_of([*before, *session][-MINUTE_BARS:], MINUTE_BARS - 1) == rows_of(
        [*moved, *session][-MINUTE_BARS:], MINUTE_BARS - 1
    )


@given(IVS, st.lists(IVS, max_size=300))
def test_a_rank_lies_in_0_to_1_and_is_neutral_unless_it_is_ok(current, history):
    found = iv_rank_of(current, history)
    assert 0.0 <= found.rank <= 1.0
    assert found.rank == 0.5 or found.status.value == "OK"


@given(st.lists(IVS, min_size=30, max_size=60), IVS, IVS)
def test_a_higher_iv_never_ranks_lower(history, one, other):
    low, high = sorted((one, other))
    assert calculate_iv_rank(low, history) <= calculate_iv_rank(high, history)


@given(IVS, IVS, st.floats(1, 29), st.floats(31, 90))
def test_a_constant_maturity_iv_lies_within_variance_bounds(near_iv, far_iv, near_days, far_days):
    found = interpolate_total_variance(near_days, near_iv, far_days, far_iv, 30.0)
    variances = (near_iv * near_iv * near_days, far_iv * far_iv * far_days)
    assert min(variances) <= found * found * 30.0 * (1 + 1e-12)
    assert found * found * 30.0 <= max(variances) * (1 + 1e-12)
    assert math.isclose(interpolate_total_variance(30.0, near_iv, 90.0, far_iv, 30.0), near_iv)


PARTS = st.fixed_dictionaries(
    {
        "return_15": st.floats(-0.1, 0.1),
        "sigma": st.floats(0, 0.1),
        "slope": st.floats(-1e5, 1e5),
        "volume_ratio": st.floats(0.5, 50),
        "volatility_ratio": st.floats(0.01, 50),
        "news_score": st.none() | st.floats(-1, 1),
    }
)


@given(PARTS, st.floats(0.5, 10))
def test_confidence_is_a_share_and_grows_with_volume(parts, more):
    row = feature_row(**parts)
    louder = replace(row, volume_ratio=row.volume_ratio + more)
    found, other = (decide(each, signal_rules(), now=row.as_of) for each in (row, louder))
    assert isinstance(found, Signal)
    assert isinstance(other, Signal)
    assert 0.0 <= found.confidence <= other.confidence <= 1.0


@given(
    st.lists(
        st.tuples(st.floats(-1, 1), st.floats(-100, 20_000), st.floats(0, 1), st.sampled_from([0.0, 1.0])),
        max_size=12,
    ),
    st.randoms(use_true_random=False),
)
def test_the_news_score_is_bounded_and_blind_to_order(items, random):
    now = SESSION.open_at + timedelta(minutes=100)
    rows = [classification(s, age_s=age, relevance=r, novelty=n) for s, age, r, n in items]
    found = read_news(rows, now=now, half_life_s=1_800)
    assert found.score is None or -1.0 <= found.score <= 1.0
    assert 0.0 <= found.novelty <= 1.0
    random.shuffle(rows)
    assert read_news(rows, now=now, half_life_s=1_800) == found


@given(
    st.lists(st.tuples(st.floats(-1, 1), st.floats(0, 10), st.floats(0, 1), st.booleans()), max_size=30),
    st.lists(st.integers(0, 29), max_size=15),
)
def test_every_held_name_and_the_best_ten_are_on_the_watchlist(parts, members):
    candidates = [
        Candidate(
            ticker=f"T{place:02d}",
            news_score=news,
            novelty=1.0,
            volume_ratio=volume,
            spread=spread,
            held=held,
        )
        for place, (news, volume, spread, held) in enumerate(parts)
    ]
    current = [f"T{place:02d}" for place in members]
    entries = rank(candidates, watchlist_rules(), current=current, now=SESSION.open_at)
    listed = [entry.ticker for entry in entries]
    assert [entry.rank for entry in entries[:10]] == list(range(1, len(entries[:10]) + 1))
    assert {candidate.ticker for candidate in candidates if candidate.held} <= set(listed)
    assert all(entry.rank <= 10 or entry.held or entry.ticker in current for entry in entries)
    assert all(entry.rank <= 15 or entry.held for entry in entries)
