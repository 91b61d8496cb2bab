"""The compiled feature, watchlist, signal and unit kernels equal the plain ones, bit for bit."""

import random

import pytest

from ops_pipeline.domain.market import Interval
from ops_pipeline.domain.units import gain_reaches
from ops_pipeline.stages.feature_computer.features import place_in_range
from ops_pipeline.stages.feature_computer.windows import atr_step, true_range
from ops_pipeline.stages.signal_engine import rules as s
from ops_pipeline.stages.watchlist_engine.scoring import attention_score
from tests.builders_signals import signal_rules, watchlist_rules
from tests.parity.harness import assert_parity

WATCHLIST = watchlist_rules()
RULES = [signal_rules(interval) for interval in Interval]


def _trend(rng: random.Random) -> int:
    return rng.choice([1, -1, 0])


def _signed(rng: random.Random) -> float:
    return rng.choice([0.0, rng.gauss(0, 1), rng.gauss(0, 1e-4), rng.gauss(0, 1e6)])


def _parts(rng: random.Random) -> tuple[float, ...]:
    return tuple(rng.random() for _ in range(5))


GENERATORS = {
    place_in_range: lambda r: (r.random() * 3, low := r.random(), low + r.random() + 1e-9),
    true_range: lambda r: (5e6 + r.randint(0, 9_999), 5e6 - r.randint(0, 9_999), 5e6 + r.gauss(0, 2e4)),
    atr_step: lambda r: (r.random() * 1e5, r.random() * 1e5, r.randint(2, 30)),
    gain_reaches: lambda r: (r.randint(0, 10**9), r.randint(0, 10**9), r.choice([-2_500, 0, 5_000])),
    attention_score: lambda r: (r.random(), r.random(), r.random(), WATCHLIST),
    s.trend_state: lambda r: tuple(float(r.randint(1, 5)) for _ in range(3)),
    s.trend_part: lambda r: (_trend(r), _signed(r)),
    s.momentum_part: lambda r: (_trend(r), _signed(r), max(0.0, _signed(r)), r.choice([1, 15])),
    s.volume_part: lambda r: (r.random() * 5, 0.5),
    s.news_part: lambda r: (_trend(r), r.uniform(-1, 1)),
    s.volatility_part: lambda r: (r.choice([0.8, 1.3, r.random() * 3]),),
    s.weigh_confidence: lambda r: (*_parts(r), r.choice(RULES)),
}


@pytest.mark.parametrize("kernel", GENERATORS, ids=lambda kernel: kernel.__qualname__)
def test_the_compiled_kernel_equals_the_plain_one(kernel):
    assert_parity(kernel, GENERATORS[kernel])
