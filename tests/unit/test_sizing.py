"""IV rank, Kelly, the ATR factor, the budget and the quantity, against RULEBOOK 5 and 6."""

from dataclasses import replace
from datetime import timedelta
from fractions import Fraction
from math import comb
from random import Random

import pytest

from ops_pipeline.domain.accounts import Tier
from ops_pipeline.domain.features import IvStatus
from ops_pipeline.domain.fees import fee_rules_on
from ops_pipeline.stages.dispatcher.exposure import Book
from ops_pipeline.stages.dispatcher.kelly import (
    NO_SAMPLE,
    beta_quantile,
    calculate_kelly_sample,
    kelly_sample_of,
    regularised_beta,
)
from ops_pipeline.stages.dispatcher.options import (
    calculate_atr_adjusted_size,
    calculate_kelly_size,
    validate_iv_rank,
)
from ops_pipeline.stages.dispatcher.regime import regime_factor
from ops_pipeline.stages.dispatcher.sizing import (
    Factors,
    Room,
    calculate_budget,
    rooms_left,
    size_order,
    tier_budget,
)
from tests.builders_dispatch import (
    DAY,
    NOW,
    SETTINGS,
    account_of,
    day_of,
    iv_rank_of,
    line_of,
    rules_of,
    trade_of,
    usd,
)

SIZING = SETTINGS.sizing_rules()
IV = SETTINGS.iv_rules()
WHOLE = Factors(1.0, 1.0, 1.0)
PLENTY = (Room("premium_at_risk", usd(1_000_000)),)


def judge(rank, status=IvStatus.OK, *, iv=0.35, rules=IV):
    return validate_iv_rank(iv_rank_of(rank, status, iv=iv), rules, insufficient_factor=0.5)


def budget(
    equity, tier=Tier.MEDIUM, *, kelly=NO_SAMPLE, live=False, factors=WHOLE, rooms=PLENTY, rules=SIZING
):
    return calculate_budget(
        usd(equity),
        tier=SETTINGS.tier_rules(tier),
        kelly=kelly,
        live=live,
        factors=factors,
        rooms=rooms,
        rules=rules,
    )


# IV rank


def test_a_rank_in_the_upper_fifth_is_refused_with_the_specified_message():
    verdict = judge(0.8333)
    assert not verdict.gate.passed
    assert verdict.gate.observed == "IV Rank too high: 0.83 > 0.80 (options expensive)"
    assert verdict.factor == 0.0


@pytest.mark.parametrize(
    ("rank", "shown"),
    [(0.8004, "0.8004"), (0.806, "0.81"), (0.8049, "0.805"), (0.80001, "0.80001"), (1.0, "1.00")],
)
def test_a_rank_just_above_the_limit_is_told_apart_from_it(rank, shown):
    assert judge(rank).gate.observed == f"IV Rank too high: {shown} > 0.80 (options expensive)"


def test_a_rank_of_exactly_080_passes_also_where_floats_overshoot():
    assert judge(0.80).gate.passed
    assert judge((0.68 - 0.20) / (0.80 - 0.20)).gate.passed
    assert not judge(0.8001).gate.passed


def test_an_accepted_rank_shows_itself_and_its_year():
    verdict = judge(0.3333)
    assert verdict.gate.observed == "IV Rank: 0.33 (OK) · IV: 0.35, 52-week range: 0.20-0.65"
    assert verdict.factor == 1.0


@pytest.mark.parametrize(("policy", "passed", "factor"), [(0, False, 0.0), (1, True, 0.5), (2, True, 1.0)])
@pytest.mark.parametrize("status", [IvStatus.INSUFFICIENT, IvStatus.FLAT])
def test_feature_13_thin_history_follows_the_configured_policy(policy, passed, factor, status):
    verdict = judge(0.5, status, rules=IV._replace(insufficient=policy))
    assert (verdict.gate.passed, verdict.factor) == (passed, factor)
    assert status.value in verdict.gate.observed


@pytest.mark.parametrize("iv", [None, float("nan"), 0.0])
def test_feature_13_a_missing_iv_refuses_under_every_policy(iv):
    for policy in range(3):
        assert not judge(0.5, iv=iv, rules=IV._replace(insufficient=policy)).gate.passed
    assert not judge(0.5, IvStatus.MISSING).gate.passed


# Kelly


@pytest.mark.parametrize(
    ("win_rate", "win", "loss", "expected"),
    [
        (0.60, 0.40, 0.20, 0.20),
        (0.60, 0.40, -0.20, 0.20),
        (0.65, 0.45, 0.18, 0.25),
        (0.50, 0.40, 0.40, 0.0),
        (0.30, 0.40, 0.40, 0.0),
        (0.90, 0.0, 0.20, 0.0),
        (0.90, -0.1, 0.20, 0.0),
    ],
)
def test_half_kelly_of_the_rulebooks_examples(win_rate, win, loss, expected):
    assert calculate_kelly_size(win_rate, win, loss) == pytest.approx(expected, abs=1e-12)


def test_uncapped_half_kelly_of_the_second_example_is_0255():
    loose = SIZING._replace(kelly_cap=1.0)
    assert calculate_kelly_size(0.65, 0.45, 0.18, rules=loose) == pytest.approx(0.255, abs=1e-12)


def test_a_quarter_of_kelly_leaves_tiny_its_fraction_and_large_its_own():
    sample = NO_SAMPLE._replace(trades=60, wins=39, fraction=calculate_kelly_size(0.65, 0.45, 0.18))
    tiny, large = (
        calculate_budget(
            usd(equity),
            tier=SETTINGS.tier_rules(tier),
            kelly=sample,
            live=False,
            factors=WHOLE,
            rooms=PLENTY,
            rules=SIZING,
        )
        for equity, tier in ((1_000, Tier.TINY), (121_000, Tier.LARGE))
    )
    assert (tiny.amount, large.amount) == (usd(250), usd(1_210))


def test_kelly_refuses_a_win_rate_that_is_none():
    with pytest.raises(ValueError, match=r"expected a win rate in 0\.\.1"):
        calculate_kelly_size(1.2, 0.4, 0.2)
    with pytest.raises(ValueError, match="finite"):
        calculate_kelly_size(0.5, float("nan"), 0.2)


@pytest.mark.parametrize(("a", "b"), [(1, 1), (2, 3), (5, 2), (8, 13), (40, 60)])
@pytest.mark.parametrize("x", [Fraction(1, 20), Fraction(1, 4), Fraction(1, 2), Fraction(9, 10)])
def test_the_incomplete_beta_equals_its_binomial_sum_for_whole_parameters(a, b, x):
    n = a + b - 1
    exact = sum(comb(n, j) * x**j * (1 - x) ** (n - j) for j in range(a, n + 1))
    assert regularised_beta(float(x), a, b) == pytest.approx(float(exact), rel=1e-10, abs=1e-14)


def test_beta_quantiles_of_known_distributions():
    assert beta_quantile(0.10, 1.0, 1.0) == pytest.approx(0.10, abs=1e-9)
    assert beta_quantile(0.10, 2.0, 1.0) == pytest.approx(0.10**0.5, abs=1e-9)
    assert beta_quantile(0.25, 0.5, 0.5) == pytest.approx(0.1464466094, abs=1e-9)  # arcsine law: sin^2(pi/8)
    assert beta_quantile(0.50, 7.5, 7.5) == pytest.approx(0.5, abs=1e-9)


def test_beta_quantiles_agree_with_the_f_distribution_tables():
    # I_x(a, b) = 0.95 at x = a F / (b + a F) with F the 95 % point of F(2a, 2b): F(10, 10) = 2.978
    x = 5 * 2.978 / (5 + 5 * 2.978)
    assert beta_quantile(0.95, 5.0, 5.0) == pytest.approx(x, abs=1e-4)


def test_fewer_than_thirty_trades_leave_the_tiers_fraction():
    sample = kelly_sample_of([0.4] * 20 + [-0.2] * 9, rules=SIZING)
    assert (sample.trades, sample.fraction) == (29, None)
    assert kelly_sample_of([0.4] * 20 + [-0.2] * 10, rules=SIZING).fraction is not None


def test_feature_12_the_cautious_bound_sits_below_the_plain_rate_and_closes_in_with_experience():
    few = kelly_sample_of([2.0] * 12 + [-1.0] * 8, rules=SIZING)
    many = kelly_sample_of([2.0] * 240 + [-1.0] * 160, rules=SIZING)
    assert few.observed == many.observed == 0.6
    assert few.win_rate < many.win_rate < 0.6
    # the 5 % point of FEATURES 12 under this prior: half Kelly (3p - 1) / 4
    half_kelly = [(3 * beta_quantile(0.05, w + 0.5, n - w + 0.5) - 1) / 4 for w, n in ((12, 20), (240, 400))]
    assert half_kelly[0] == pytest.approx(0.063, abs=0.0005)
    assert half_kelly[1] == pytest.approx(0.169, abs=0.001)


def test_feature_12_the_bound_rises_with_the_sample_at_a_constant_rate():
    rates = [kelly_sample_of(([1.0] * 3 + [-0.5] * 2) * k, rules=SIZING).win_rate for k in range(1, 21)]
    assert rates == sorted(rates)


def test_feature_12_traders_without_edge_are_sized_to_nothing():
    sample = kelly_sample_of([0.5] * 50 + [-0.5] * 50, rules=SIZING)
    assert sample.fraction == 0.0


def test_feature_12_a_thousand_simulated_traders_without_edge_are_sized_to_about_nothing():
    coin = Random(20_260_105)
    traders = [[coin.choice((0.5, -0.5)) for _ in range(100)] for _ in range(1_000)]
    fractions = [kelly_sample_of(trades, rules=SIZING).fraction for trades in traders]
    # a 10 % quantile lets one lucky trader in ten through, by a little: wins beyond 56 of 100
    assert sum(fraction > 0.0 for fraction in fractions) < 0.13 * len(traders)
    assert sum(fractions) / len(fractions) < 0.005
    skilled = [kelly_sample_of([0.5] * 70 + [-0.5] * 30, rules=SIZING).fraction]
    assert skilled[0] > 0.1


def test_feature_12_no_trade_at_all_leaves_the_tiers_own_fraction():
    assert kelly_sample_of([], rules=SIZING) == NO_SAMPLE
    tier = SETTINGS.tier_rules(Tier.TINY)
    found = calculate_budget(
        usd(1_000), tier=tier, kelly=NO_SAMPLE, live=True, factors=WHOLE, rooms=PLENTY, rules=SIZING
    )
    assert found.amount == usd(250)


def test_the_sample_is_the_newest_hundred_within_a_year_net_of_fees():
    old = trade_of("900", number=1, closed_at=NOW - timedelta(days=366))
    losses = [trade_of("-100", number=n, closed_at=NOW - timedelta(days=200 + n)) for n in range(2, 52)]
    wins = [trade_of("200", number=n, closed_at=NOW - timedelta(hours=n)) for n in range(60, 130)]
    future = trade_of("900", number=200, closed_at=NOW + timedelta(seconds=1))
    sample = calculate_kelly_sample([old, *losses, *wins, future], now=NOW, rules=SIZING)
    assert (sample.trades, sample.wins) == (100, 70)
    assert (sample.avg_win, sample.avg_loss) == (0.2, 0.1)


def test_a_break_even_trade_is_no_win_and_no_loss():
    sample = kelly_sample_of([0.0] * 30, rules=SIZING)
    assert (sample.wins, sample.avg_win, sample.avg_loss, sample.fraction) == (0, 0.0, 0.0, 0.0)


# ATR and regime


@pytest.mark.parametrize(
    ("atr", "expected"),
    [(2.0, 0.10), (1.0, 0.10), (3.0, 0.0666666667), (4.0, 0.05), (9.0, 0.05), (None, 0.05)],
)
def test_volatile_names_are_sized_down_to_a_half_and_never_up(atr, expected):
    assert calculate_atr_adjusted_size(0.10, atr, 100.0, rules=SIZING) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("value", "age", "factor"),
    [
        (19.99, 1, 1.0),
        (20.0, 1, 0.5),
        (29.99, 2, 0.5),
        (30.0, 1, 0.25),
        (39.99, 1, 0.25),
        (40.0, 1, 0.0),
        (12.0, 3, 0.25),
        (25.0, 3, 0.25),
        (45.0, 9, 0.0),
        (float("nan"), 1, 0.0),
        (0.0, 1, 0.0),
    ],
)
def test_the_regime_halves_quarters_and_stops(value, age, factor):
    assert regime_factor(value, age, 20.0, 30.0, 40.0, 2) == factor


# Budget


@pytest.mark.parametrize(
    ("equity", "tier", "expected"),
    [
        (1_000, Tier.TINY, 250),
        (1_999, Tier.TINY, "499.75"),
        (2_000, Tier.SMALL, 500),
        (4_500, Tier.SMALL, 540),
        (5_000, Tier.MEDIUM, 600),
        (20_000, Tier.MEDIUM, 800),
        (25_000, Tier.LARGE, 1_000),
        (121_000, Tier.LARGE, 1_210),
    ],
)
def test_budgets_of_the_tiers_have_no_cliffs(equity, tier, expected):
    assert budget(equity, tier).amount == usd(expected)


def test_an_overridden_fraction_has_no_floor():
    tier = SETTINGS.tier_rules(Tier.LARGE)._replace(fraction=50, floor=0)
    chosen = calculate_budget(
        usd(50_000), tier=tier, kelly=NO_SAMPLE, live=False, factors=WHOLE, rooms=PLENTY, rules=SIZING
    )
    assert chosen.amount == usd(250)


def test_kelly_caps_premium_even_where_the_tiers_floor_is_higher():
    edge = NO_SAMPLE._replace(trades=40, fraction=0.10)
    assert budget(4_000, Tier.SMALL, kelly=edge).amount == usd(400)
    assert budget(4_000, Tier.SMALL, kelly=edge._replace(fraction=0.25)).amount == usd(500)
    assert budget(1_000, Tier.TINY, kelly=edge._replace(fraction=0.25)).amount == usd(250)
    assert budget(121_000, Tier.LARGE, kelly=edge._replace(fraction=0.25)).amount == usd(1_210)


def test_no_edge_on_a_full_sample_probes_with_one_contract_and_never_with_real_money():
    none = NO_SAMPLE._replace(trades=40, fraction=0.0)
    fees = fee_rules_on(DAY)
    tier = SETTINGS.tier_rules(Tier.MEDIUM)
    probe = budget(20_000, kelly=none)
    assert probe.probe
    assert size_order(probe, ask=usd(2), multiplier=100, tier=tier, fees=fees).qty == 1
    assert size_order(probe, ask=usd(2), multiplier=100, tier=tier, fees=fees).binding == "probe"
    for halted in (
        budget(20_000, kelly=none, live=True),
        budget(20_000, kelly=none, rules=SIZING._replace(kelly_zero_probe=0)),
    ):
        assert (halted.amount, halted.binding) == (0, "kelly")


def test_factors_multiply_and_the_tightest_room_binds():
    shaped = budget(20_000, factors=Factors(0.5, 0.5, 0.5))
    assert (shaped.base, shaped.shaped, shaped.amount, shaped.binding) == (
        usd(800),
        usd(100),
        usd(100),
        "budget",
    )
    rooms = (Room("premium_at_risk", usd(700)), Room("sector", usd(300)), Room("buying_power", usd(300)))
    tight = budget(20_000, rooms=rooms)
    assert (tight.amount, tight.binding) == (usd(300), "sector")
    assert budget(20_000, rooms=(Room("sector", -5),)).amount == 0
    assert budget(20_000, factors=Factors(1.0, 0.0, 1.0)).binding == "regime"


def test_rooms_are_what_the_caps_leave():
    view = replace(
        account_of("20000"),
        book=Book(lines=(line_of("MSFT", "1000"), line_of("XOM", "500"))),
        day=day_of(premium=usd(1_200)),
    )
    rooms = rooms_left(view, "Information Technology", tier=rules_of().tier, rules=rules_of().gates)
    assert rooms == (
        Room("premium_at_risk", usd(2_500)),  # 20 % of 20 000 less 1 500
        Room("sector", usd(1_000)),  # half of 4 000 less 1 000
        Room("premium_today", usd(2_800)),
        Room("buying_power", 196_078_431),  # 20 000 / 1.02
        Room("household", usd(20_000)),
    )


def test_contracts_are_floored_capped_and_never_at_least_one():
    tier, fees = SETTINGS.tier_rules(Tier.MEDIUM), fee_rules_on(DAY)

    def qty(amount, ask):
        return size_order(
            budget(20_000)._replace(amount=usd(amount)), ask=usd(ask), multiplier=100, tier=tier, fees=fees
        )

    assert qty(800, "2.00").qty == 3  # 800 / 200.07: fees push the fourth out
    assert qty("800.28", "2.00").qty == 4
    assert qty("200.06", "2.00").qty == 0
    assert qty("200.07", "2.00").qty == 1
    assert (qty(5_000, "2.00").qty, qty(5_000, "2.00").binding) == (5, "contracts")


def test_tier_budget_ignores_kelly_that_is_unknown():
    assert tier_budget(usd(1_000), 2_500, -1.0, 0) == usd(250)
    assert tier_budget(usd(1_000), 2_500, 0.0, 0) == 0
    assert tier_budget(-usd(1_000), 2_500, -1.0, 0) == 0
