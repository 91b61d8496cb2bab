"""The compiled dispatcher kernels equal the plain ones, to the last bit, on random inputs."""

import random
from datetime import date

import pytest

from ops_pipeline.domain import fees
from ops_pipeline.stages.dispatcher import costs, filters, options, regime, sizing
from ops_pipeline.stages.execution import ladder
from tests.builders_dispatch import SETTINGS
from tests.parity.harness import assert_parity

RULES = SETTINGS.contract_rules()
LENIENT = RULES._replace(missing_volume_allow=1, missing_open_interest_allow=1)
FEES = [row.rules for row in fees.FEE_TABLE]


def _unit(rng: random.Random) -> float:
    return rng.choice([0.0, 1.0, -0.25, 1.75, float("nan"), rng.random(), rng.random()])


def _quote(rng: random.Random) -> tuple[int, int]:
    bid = rng.randint(0, 400_000)
    return bid, bid + rng.choice([0, 100, 500, rng.randint(0, 40_000)])


def _numbers(rng: random.Random) -> filters.ContractNumbers:
    bid, ask = _quote(rng)
    return filters.ContractNumbers(
        bid=bid,
        ask=ask,
        volume=rng.choice([-1, 0, 20, 199, 200, 1_000, rng.randint(0, 5_000)]),
        previous_volume=rng.choice([-1, 199, 200]),
        open_interest=rng.choice([-1, 99, 100, 5_000]),
        delta=rng.choice([-1.0, 0.25, 0.30, 0.50, 0.60, 0.70, rng.random()]),
        strike=rng.randint(1, 10_000_000),
        target=rng.choice([0, 2_000_000, rng.randint(1, 10_000_000)]),
        multiplier=100,
        elapsed=rng.choice([0.01, 0.5, 1.0, rng.uniform(0.01, 1.0)]),
        unit_cost=ask * 100 + 700,
        trip_fees=rng.choice([0, 1_500]),
    )


def _rules(rng: random.Random):
    return rng.choice([RULES, LENIENT])


def _failure(rng: random.Random):
    numbers = _numbers(rng)
    score = rng.choice([0.0, 59.999999, 60.0, 100.0 * rng.random()])
    return numbers, score, 2_500, rng.choice([numbers.unit_cost, rng.randint(0, 10**8)]), _rules(rng)


def _ceiling(rng: random.Random):
    tick = rng.choice([100, 500, 1_000])
    return *_quote(rng), tick, 500, rng.choice([10**9, rng.randint(-1_000, 500_000)])


def _limit(rng: random.Random):
    tick = rng.choice([100, 500, 1_000])
    ceiling = rng.randint(0, 500_000) // tick * tick
    return *_quote(rng), rng.randint(0, 5), rng.choice([0, 1, 3]), tick, ceiling


GENERATORS = {
    fees.fill_fees: lambda r: (r.randint(0, 5_000), r.randint(0, 1), r.choice(FEES)),
    options.kelly_fraction: lambda r: (r.random(), r.uniform(-0.2, 3.0), r.uniform(-1.0, 1.0), 0.5, 0.25),
    options.atr_factor: lambda r: (
        r.choice([-1.0, 0.0, float("nan"), r.uniform(0.0, 300_000.0)]),
        r.choice([0.0, r.uniform(1.0, 5e6)]),
        0.02,
        0.5,
        0.5,
    ),
    regime.regime_factor: lambda r: (
        r.choice([20.0, 30.0, 40.0, 0.0, float("nan"), r.uniform(5, 80)]),
        r.randint(0, 5),
        20.0,
        30.0,
        40.0,
        2,
    ),
    sizing.tier_budget: lambda r: (
        r.randint(-(10**9), 10**11),
        r.choice([2_500, 1_200, 400, 100]),
        r.choice([-1.0, 0.0, 0.25, r.random()]),
        r.choice([0, 5_000_000, 10_000_000]),
    ),
    sizing.shaped_budget: lambda r: (r.randint(0, 10**11), _unit(r), _unit(r), _unit(r)),
    sizing.contract_quantity: lambda r: (
        r.randint(-(10**6), 10**9),
        r.choice([0, -5, r.randint(1, 10**8)]),
        r.randint(0, 10),
    ),
    costs.cost_fits: lambda r: (
        *_quote(r),
        100,
        r.choice([0, 1_500]),
        2_500,
        r.choice([1 / 3, 0.0, r.random()]),
    ),
    filters.spread_fits: lambda r: (*_quote(r), 1_000),
    filters.volume_fits: lambda r: (
        r.randint(-1, 250),
        r.choice([-1, 199, 200]),
        r.uniform(0.01, 1.0),
        _rules(r),
    ),
    filters.open_interest_fits: lambda r: (r.randint(-1, 200), _rules(r)),
    filters.delta_fits: lambda r: (r.choice([-1.0, 0.25, 0.7, r.random()]), _rules(r)),
    filters.contract_score: lambda r: (_numbers(r), 1_000),
    filters.first_failure: _failure,
    ladder.entry_ceiling: _ceiling,
    ladder.entry_limit: _limit,
}


@pytest.mark.parametrize("kernel", GENERATORS, ids=lambda kernel: kernel.__name__)
def test_compiled_dispatcher_kernels_equal_the_plain_ones(kernel):
    assert_parity(kernel, GENERATORS[kernel])


def test_fee_rules_are_ints_throughout_so_that_they_compile():
    assert all(isinstance(value, int) for value in fees.fee_rules_on(date(2026, 8, 18)))
