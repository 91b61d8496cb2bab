"""The compiled exit kernels equal the plain ones on 100 000 random positions and markets."""

import random

import numpy as np
import pytest
from numba import njit

from ops_pipeline.compiled.kernels import compiled_of, register_kernels
from ops_pipeline.domain.positions import Held, Marks
from ops_pipeline.domain.rules import ExitRules
from ops_pipeline.domain.signals import Strategy
from ops_pipeline.domain.units import KERNELS
from ops_pipeline.stages.position_manager import arbiter, tracking
from ops_pipeline.stages.position_manager import exit_kernels as k
from tests.builders_exits import exit_rules

CASES = 100_000
RULES = [
    exit_rules(profile, strategy=strategy)
    for profile in ("default", "spec", "full_target")
    for strategy in Strategy
]
RULES.append(RULES[0]._replace(event_exit=1, underlying_atr_multiple=1.37))
LEVELS = (5_000, -2_500, 0, 7_500, -1_000)


def _held(rng: random.Random) -> Held:
    bought, entry, entry_dte = rng.randint(1, 50), rng.randint(1, 2_000_000), rng.randint(0, 60)
    sold = rng.randint(0, bought) if rng.random() < 0.5 else 0
    return Held(
        cost=0 if rng.random() < 0.01 else entry * bought * 100 + rng.randint(0, 99) * bought,
        bought=bought,
        qty=bought - sold,
        original=rng.choice([bought, bought, bought, 0]),
        sold=sold,
        multiplier=100,
        right=rng.choice([1, -1]),
        entry_underlying=rng.choice([0, 1_000_000, 5_000_001, 7_777_777]),
        entry_atr=rng.choice([-1, 0, 33_333, 100_000, 123_457]),
        entry_dte=entry_dte,
        sessions_held=rng.randint(0, 40),
        dte=rng.randint(-1, entry_dte),
        swing=rng.randint(0, 1),
        peak=entry + rng.randint(0, entry * 2),
        trailing_stop=rng.choice([0, 0, entry * 5 // 4]),
        stop_count=rng.randint(0, 3),
        trail_count=rng.randint(0, 3),
        roll_count=rng.randint(0, 1),
    )


def _marks(rng: random.Random, held: Held) -> Marks:
    average = held.cost // (held.bought * held.multiplier)
    mark = (
        -1
        if rng.random() < 0.1
        else rng.choice([average * rng.randint(0, 400) // 100, average * 3 // 2, average * 3 // 4])
    )
    spread = -1 if mark < 0 else rng.randint(0, mark // 5 + 100)
    moved = 10_000 + rng.randint(-900, 900)
    return Marks(
        mark=mark,
        bid=-1 if mark < 0 else max(0, mark - spread // 2),
        spread=spread,
        stop_price=mark if mark >= 0 else rng.choice([-1, average // 2]),
        underlying=-1 if rng.random() < 0.1 else held.entry_underlying * moved // 10_000,
        confirmed=int(rng.random() < 0.9),
        sparse=int(rng.random() < 0.2),
        minutes_to_close=rng.choice([rng.randint(-5, 390), 5, 75]),
        event_tomorrow=int(rng.random() < 0.1),
    )


def judge(h: Held, m: Marks, r: ExitRules, level: int) -> tuple[int, ...]:
    """Run every kernel once; the same source is compiled below."""
    chosen = arbiter.first_exit(h, m, r)
    later = arbiter._later_exit(h, m, r)
    sale = k.ladder_sale(h, m, r)
    seen = tracking.observe(h, m, r)
    stored = tracking.update_tracking(h, m, r)
    again = arbiter.first_exit(seen, m, r)
    return (
        chosen.rank,
        chosen.qty,
        later.rank,
        later.qty,
        again.rank,
        again.qty,
        sale.level,
        sale.qty,
        seen.cost + seen.bought + seen.qty + seen.original + seen.sold + seen.multiplier + seen.right,
        seen.entry_underlying + seen.entry_atr + seen.entry_dte + seen.sessions_held + seen.dte + seen.swing,
        seen.peak,
        seen.trailing_stop,
        seen.stop_count * 100 + seen.trail_count * 10 + seen.roll_count,
        stored.peak,
        stored.armed,
        stored.trailing_stop,
        stored.stop_count * 10 + stored.trail_count,
        tracking.next_peak(h, m, r),
        k.least_price(h, level),
        k.greatest_price(h, level),
        int(k.price_gains(h, m.mark, level)),
        int(k.price_loses(h, m.mark, level)),
        int(k.is_sellable(h, m, r, level)),
        int(k.has_mark(h, m)),
        int(k.stop_reads(h, m)),
        k.stop_confirmations(m, r),
        int(k.is_stop_touched(h, m, r)),
        int(k.is_stop_loss(h, m, r)),
        int(k.is_armed(h, r)),
        k.trailing_level(h, m, r),
        int(k.is_trail_touched(h, m, r)),
        k.trail_confirmations(m, r),
        int(k.is_trailing_stop(h, m, r)),
        int(k.sells_whole_at_target(h, r)),
        int(k.is_profit_target(h, m, r)),
        k.ladder_part(h, r, 1),
        k.ladder_part(h, r, 2),
        k.underlying_move(h, m),
        int(k.knows_underlying(h, m)),
        k.least_move(h, r),
        int(k.is_underlying_target(h, m, r)),
        k.theta_from_dte(h, r),
        int(k.is_theta_risk(h, m, r)),
        int(k.is_expiry_cutoff(h, m, r)),
        int(k.is_eod_flat(h, m, r)),
        int(k.is_max_hold(h, r)),
        int(k.is_event_exit(h, m, r)),
        int(k.is_roll_due(h, m, r)),
    )


def _compiled_rows(helds: np.ndarray, markets: np.ndarray) -> np.ndarray:
    """Judge all rows in one compiled loop; (n, 18) and (n, 9) int64 to (n, width of `judge`)."""
    register_kernels()
    judged = njit(error_model="numpy")(judge)
    rules, levels = tuple(RULES), LEVELS

    @njit(error_model="numpy")
    def loop(h, m, rules, levels, out):
        for i in range(h.shape[0]):
            a, b = h[i], m[i]
            held = Held(
                a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8],
                a[9], a[10], a[11], a[12], a[13], a[14], a[15], a[16], a[17],
            )  # fmt: skip
            market = Marks(b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8])
            row = judged(held, market, rules[i % len(rules)], levels[i % len(levels)])
            for column, value in enumerate(row):
                out[i, column] = value

    out = np.zeros(
        (len(helds), len(judge(Held(*helds[0].tolist()), Marks(*markets[0].tolist()), RULES[0], 0))), np.int64
    )
    loop(helds, markets, rules, levels, out)
    return out


@pytest.fixture(scope="module")
def cases() -> list[tuple[Held, Marks, ExitRules]]:
    rng = random.Random(20260109)
    drawn = []
    for number in range(CASES):
        held = _held(rng)
        drawn.append((held, _marks(rng, held), RULES[number % len(RULES)]))
    return drawn


def test_every_kernel_gives_the_same_compiled_as_plain(cases):
    helds = np.array([held for held, _, _ in cases], np.int64)
    markets = np.array([market for _, market, _ in cases], np.int64)
    plain = np.array([judge(*case, LEVELS[i % len(LEVELS)]) for i, case in enumerate(cases)], np.int64)
    compiled = _compiled_rows(helds, markets)
    differing = np.flatnonzero((plain != compiled).any(axis=1))
    assert [cases[i] for i in differing[:3]] == []


def test_every_exit_kernel_is_among_those_compared():
    listed = {f.__name__ for f in KERNELS if f.__module__.startswith("ops_pipeline.stages.position_manager")}
    named = set(judge.__code__.co_names) | {"_with"}
    assert listed <= named


def test_a_single_compiled_call_takes_the_same_tuples(cases):
    compiled = compiled_of(arbiter.first_exit)
    for case in cases[:2_000]:
        assert compiled(*case) == arbiter.first_exit(*case)


def test_the_cases_reach_every_rank(cases):
    assert {arbiter.first_exit(*case).rank for case in cases} == {0, *range(2, 13)}
