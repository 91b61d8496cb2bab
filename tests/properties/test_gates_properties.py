"""No state of the world with one known bad fact is approved, and what is approved stays within bounds."""

from hypothesis import given, settings
from hypothesis import strategies as st

from ops_pipeline.domain.orders import Approved, Refused
from ops_pipeline.stages.dispatcher.exposure import Book
from ops_pipeline.stages.execution.ladder import entry_ceiling, entry_limit
from tests.builders_dispatch import line_of, scene_of, usd

SCENE = scene_of()


@given(
    st.integers(min_value=0, max_value=6_000),
    st.integers(min_value=0, max_value=6_000),
    st.integers(min_value=0, max_value=40_000),
    st.sampled_from(["XOM", "MSFT"]),
)
@settings(max_examples=60, deadline=None)
def test_whatever_is_planned_and_approved_fits_every_cap(held, today, power, ticker):
    scene = SCENE.with_(
        account__book=Book(lines=(line_of(ticker, str(held)),)),
        account__day__premium=usd(today),
        account__broker__options_buying_power=usd(power),
    ).replanned()
    verdict = scene.verdict()
    if isinstance(verdict, Refused):
        assert any(not gate.passed for gate in verdict.gates)
        return
    assert isinstance(verdict, Approved)
    assert all(gate.passed for gate in verdict.gates)
    cost = verdict.intent.budget
    assert usd(held) + cost <= usd(4_800)
    assert usd(today) + cost <= usd(4_800)
    assert cost <= usd(power)
    assert verdict.intent.limit * verdict.intent.qty * 100 <= cost


@given(st.integers(min_value=0, max_value=6_000))
@settings(max_examples=30, deadline=None)
def test_refusing_and_approving_are_idempotent(held):
    scene = SCENE.with_(account__book=Book(lines=(line_of("XOM", str(held)),))).replanned()
    assert scene.verdict() == scene.verdict() == scene.replanned().verdict()


@given(
    st.integers(min_value=1, max_value=100_000),
    st.integers(min_value=0, max_value=20_000),
    st.integers(min_value=0, max_value=3),
    st.sampled_from([100, 500, 1_000]),
    st.integers(min_value=0, max_value=10**7),
)
def test_an_entry_limit_is_at_the_tick_and_never_above_its_bounds(bid, width, step, tick, affordable):
    ask = bid + width
    ceiling = entry_ceiling(bid, ask, tick, 500, affordable)
    limit = entry_limit(bid, ask, step, 3, tick, ceiling)
    assert limit % tick == 0
    assert limit <= ask + tick
    assert limit * 20 <= (bid + ask) // 2 * 21 + 21
    assert limit <= affordable
    assert entry_limit(bid, ask, 0, 3, tick, ceiling) <= limit
