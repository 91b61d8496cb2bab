"""Whatever prices, sizes and faults do: nothing short, doubled, lost, and every dollar accounted for."""

import tempfile

from hypothesis import given, settings
from hypothesis import strategies as st

from ops_pipeline.adapters.simulator.broker import Fault
from ops_pipeline.adapters.simulator.matching import MatchRules
from ops_pipeline.domain.orders import Purpose
from ops_pipeline.domain.positions import ExitReason
from ops_pipeline.domain.rules import ExitOrderRules
from ops_pipeline.domain.units import to_usd4
from ops_pipeline.stages.execution import lifecycle
from ops_pipeline.stages.execution.ladder import entry_ceiling, entry_limit
from tests.builders_exits import contract
from tests.builders_market import CLOSE, OPEN, Rig, at

SUBMIT = st.sampled_from([Fault.NONE, Fault.LOST_REQUEST, Fault.LOST_RESPONSE, Fault.RATE_LIMITED])
EXIT_SUBMIT = st.sampled_from([*Fault])
CANCEL = st.sampled_from([Fault.NONE, Fault.LOST_REQUEST, Fault.READ_FAILED])
READ = st.sampled_from([Fault.NONE, Fault.NONE, Fault.READ_FAILED])
MOVES = st.lists(st.tuples(st.integers(300, 3_000), st.integers(0, 6)), min_size=1, max_size=8)


@settings(max_examples=30)
@given(
    qty=st.integers(1, 12),
    moves=MOVES,
    submits=st.lists(EXIT_SUBMIT, max_size=8),
    cancels=st.lists(CANCEL, max_size=6),
    reads=st.lists(READ, max_size=30),
    restarts=st.sets(st.integers(0, 30), max_size=4),
    seed=st.integers(0, 1_000),
)
def test_an_account_survives_any_market_and_any_faults(qty, moves, submits, cancels, reads, restarts, seed):
    with tempfile.TemporaryDirectory() as folder:
        rig = Rig(folder, match=MatchRules(seed=seed, passive_chance=0.5, partial_chance=0.3))
        rig.faults.plan.update(
            {
                "submit": list(submits),
                "cancel": list(cancels),
                **{name: list(reads) for name in ("activities", "orders", "order", "positions")},
            }
        )
        rig.market.put(OPEN, "9.90", "10.00", size=3)
        rig.clock.move_to(at(14, 31))
        rig.buy(qty, limit="9.95")
        for minute, (cents, size) in enumerate(moves):
            bid, ask = f"{cents / 100:.2f}", f"{(cents + 10) / 100:.2f}"
            rig.market.put(at(14, 32 + minute), bid, ask, size=size)
        for number in range(4 * (len(moves) + 2)):
            if number in restarts:
                rig.start()
            rig.tick(at(14, 31 + number // 4, 15 * (number % 4)))
            assert all(holding.qty > 0 for holding in rig.book.holdings.values())
            live = [o for o in rig.ledger.live_orders if lifecycle.is_exit(o)]
            assert len(live) <= 1
        rig.faults.plan.clear()
        # Quiet: nobody trades any more, the day's orders end.
        rig.market.put(at(15), "9.90", "10.00", size=0)
        rig.run(at(15), at(15, 4))
        rig.run(CLOSE, CLOSE.replace(minute=3), step=60)
        assert not [o for o in rig.ledger.live_orders if o.intent.purpose is Purpose.ENTRY]
        assert not any(position.frozen for position in rig.ledger.positions.values())
        rig.assert_sound()
        rig.store.close()


@given(
    bid=st.integers(1, 400_000),
    spread=st.integers(0, 50_000),
    step=st.integers(0, 5),
    steps=st.integers(0, 5),
    affordable=st.integers(1, 500_000),
)
def test_an_entrys_limit_never_exceeds_its_bounds_and_never_falls_with_its_step(
    bid, spread, step, steps, affordable
):
    ask = bid + spread
    tick = contract().tick(ask)
    ceiling = entry_ceiling(bid, ask, tick, 500, affordable)
    limit = entry_limit(bid, ask, step, steps, tick, ceiling)
    assert limit <= min(ask + tick, affordable, (bid + ask) * 105 // 200 + 1)
    assert limit % tick == 0
    assert entry_limit(bid, ask, step + 1, steps, tick, ceiling) >= limit


@given(
    bid=st.integers(1, 1_000_000),
    step=st.integers(0, 9),
    latched=st.booleans(),
    reason=st.sampled_from(list(ExitReason)),
)
def test_an_exits_limit_stays_within_its_floor_and_at_the_tick(bid, step, latched, reason):
    rules = ExitOrderRules(15, 500, 1_000, 10)
    terms = {"bid": bid, "reason": reason, "latched": latched, "expiry_day": False, "rules": rules}
    limit = lifecycle.exit_limit(contract(), step=step, **terms)
    later = lifecycle.exit_limit(contract(), step=step + 1, **terms)
    tick = to_usd4("0.01")
    assert limit % tick == 0
    assert tick <= later <= limit
    assert limit <= max(bid, tick)
    floor = bid * (9_000 if latched else 9_500) // 10_000
    assert limit >= min(floor - 5 * tick, bid)
