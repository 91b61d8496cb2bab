"""Sizing never loosens where it must tighten, whatever the inputs."""

from hypothesis import given
from hypothesis import strategies as st

from ops_pipeline.domain.accounts import Tier
from ops_pipeline.domain.fees import fee_rules_on
from ops_pipeline.stages.dispatcher.kelly import NO_SAMPLE, beta_quantile, kelly_sample_of
from ops_pipeline.stages.dispatcher.options import calculate_atr_adjusted_size, calculate_kelly_size
from ops_pipeline.stages.dispatcher.sizing import Factors, Room, calculate_budget, size_order
from ops_pipeline.stages.dispatcher.tiers import tier_for_equity
from tests.builders_dispatch import DAY, SETTINGS

SIZING = SETTINGS.sizing_rules()
TIERS = [SETTINGS.tier_rules(tier) for tier in Tier]
FEES = fee_rules_on(DAY)
PLENTY = 10**12
WHOLE = Factors(1.0, 1.0, 1.0)

equities = st.integers(min_value=-(10**9), max_value=10**11)
fractions = st.none() | st.floats(min_value=0.0, max_value=0.25)
factors = st.builds(Factors, *(st.floats(min_value=0.0, max_value=1.0) for _ in range(3)))
asks = st.integers(min_value=1, max_value=10**7)
lefts = st.integers(min_value=-(10**9), max_value=10**11)


def budget(equity, *, kelly=None, scale=WHOLE, left=PLENTY, tier=None, live=True):
    row = TIERS[tier_for_equity(equity, TIERS) if tier is None else tier]
    return calculate_budget(
        equity,
        tier=row,
        kelly=NO_SAMPLE._replace(fraction=kelly),
        live=live,
        factors=scale,
        rooms=(Room("premium_at_risk", left),),
        rules=SIZING,
    )


def quantity(chosen, ask, tier):
    return size_order(chosen, ask=ask, multiplier=100, tier=TIERS[tier], fees=FEES).qty


@given(equities, equities, fractions)
def test_budgets_never_fall_as_equity_grows_across_every_tier(one, other, kelly):
    less, more = sorted((one, other))
    assert budget(less, kelly=kelly).amount <= budget(more, kelly=kelly).amount


@given(equities, equities, asks, st.sampled_from(Tier), lefts)
def test_quantities_never_fall_as_equity_grows_within_a_tier(one, other, ask, tier, left):
    less, more = sorted((one, other))
    low, high = (quantity(budget(e, tier=tier, left=left), ask, tier) for e in (less, more))
    assert low <= high


@given(equities, fractions, factors, lefts, asks, st.sampled_from(Tier), st.booleans())
def test_orders_stay_within_cap_budget_and_room_and_are_never_negative(
    equity, kelly, scale, left, ask, tier, live
):
    chosen = budget(equity, kelly=kelly, scale=scale, left=left, tier=tier, live=live)
    size = size_order(chosen, ask=ask, multiplier=100, tier=TIERS[tier], fees=FEES)
    assert 0 <= size.qty <= TIERS[tier].contracts
    assert size.qty * size.unit_cost <= max(0, left)
    assert size.qty * size.unit_cost <= chosen.shaped


@given(equities, fractions, factors, lefts, asks, st.sampled_from(Tier), st.booleans())
def test_kelly_atr_regime_and_iv_only_ever_reduce(equity, kelly, scale, left, ask, tier, live):
    free = budget(equity, left=left, tier=tier)
    bound = budget(equity, kelly=kelly, scale=scale, left=left, tier=tier, live=live)
    assert bound.amount <= free.amount
    assert quantity(bound, ask, tier) <= quantity(free, ask, tier)


@given(equities, asks, st.sampled_from(Tier))
def test_without_an_edge_real_money_buys_nothing_and_paper_at_most_one(equity, ask, tier):
    assert quantity(budget(equity, kelly=0.0, tier=tier, live=True), ask, tier) == 0
    assert quantity(budget(equity, kelly=0.0, tier=tier, live=False), ask, tier) <= 1


@given(equities, st.floats(min_value=0.001, max_value=0.25), st.sampled_from(Tier))
def test_kelly_is_a_cap_on_the_premium_itself(equity, kelly, tier):
    assert budget(equity, kelly=kelly, tier=tier).amount <= max(0, equity) * kelly


@given(asks, asks, st.integers(min_value=0, max_value=10**10))
def test_a_dearer_contract_never_gets_a_larger_quantity(one, other, amount):
    chosen = budget(10**9)._replace(amount=amount)
    cheap, dear = sorted((one, other))
    assert quantity(chosen, dear, Tier.LARGE) <= quantity(chosen, cheap, Tier.LARGE)


@given(
    st.floats(min_value=0, max_value=1),
    st.floats(min_value=-1, max_value=5),
    st.floats(min_value=-5, max_value=5),
)
def test_kelly_lies_between_nothing_and_its_cap(win_rate, win, loss):
    assert 0.0 <= calculate_kelly_size(win_rate, win, loss) <= 0.25


@given(
    st.floats(min_value=0.001, max_value=0.25),
    st.none() | st.floats(),
    st.floats(min_value=0.01, max_value=1e7),
)
def test_the_atr_factor_lies_between_a_half_and_one(fraction, atr, close):
    sized = calculate_atr_adjusted_size(fraction, atr, close, rules=SIZING)
    assert 0.5 * fraction <= sized <= fraction


@given(st.integers(min_value=0, max_value=60), st.integers(min_value=0, max_value=60))
def test_one_more_win_never_lowers_the_cautious_rate_and_it_stays_below_the_plain_one(wins, losses):
    sample = kelly_sample_of([0.5] * (wins + 1) + [-0.5] * losses, rules=SIZING)
    less = kelly_sample_of([0.5] * wins + [-0.5] * (losses + 1), rules=SIZING)
    assert less.win_rate <= sample.win_rate
    assert sample.win_rate <= sample.observed


@given(
    st.floats(min_value=0.5, max_value=100), st.floats(min_value=0.5, max_value=100), st.floats(0.01, 0.99)
)
def test_quantiles_of_mirrored_beta_distributions_add_to_one(a, b, probability):
    total = beta_quantile(probability, a, b) + beta_quantile(1.0 - probability, b, a)
    assert abs(total - 1.0) < 1e-6
