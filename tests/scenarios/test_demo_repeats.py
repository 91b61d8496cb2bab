"""The demo decides the same everywhere and costs as much in a later session as in an earlier one."""

import os
import subprocess
import sys
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from ops_pipeline.domain.ledger import Ledger
from tests.builders_demo import assembled, drive_until, sessions_of

MORNING = """
import sys
from datetime import timedelta
from pathlib import Path
from tests.builders_demo import assembled, drive_until, sessions_of
from ops_pipeline.adapters.store.reports import ledger_hash
assembly, clock = assembled(Path(sys.argv[1]))
(session,) = sessions_of(assembly, 1)
drive_until(assembly, clock, session.open_at + timedelta(minutes=105))
orders = [len(assembly.store.ledger(name).orders) for name in assembly.wiring.accounts]
print(sum(orders), ledger_hash(assembly.store))
"""


def morning_elsewhere(folder, **surroundings):
    paths = os.pathsep.join(str(Path(__file__).parents[2] / part) for part in (".", "src"))
    done = subprocess.run(
        [sys.executable, "-c", MORNING, str(folder)],
        env={"PYTHONPATH": paths, **surroundings},
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    return done.stdout.split()


def test_a_morning_is_the_same_whatever_the_hash_seed_the_time_zone_and_the_processor(tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    plain = morning_elsewhere(here, PYTHONHASHSEED="1", TZ="UTC")
    other = morning_elsewhere(
        there, PYTHONHASHSEED="77", TZ="Pacific/Auckland", NPY_DISABLE_CPU_FEATURES="AVX2 FMA3 AVX512F"
    )
    assert int(plain[0]) >= 1
    assert plain == other


@pytest.fixture(scope="module")
def lived(tmp_path_factory):
    """Two sessions: (commits, events) at the end of each, and the commits of every instant."""
    assembly, clock = assembled(tmp_path_factory.mktemp("demo"))
    store, ends, ticks = assembly.store, [], []

    def note(_):
        ticks.append(store.commits)

    for session in sessions_of(assembly, 2):
        clock.move_to(max(clock.now(), session.open_at - timedelta(hours=1)))
        drive_until(assembly, clock, session.close_at + timedelta(minutes=30), after_tick=note)
        ends.append((store.commits, sum(store.ledger(name).seq for name in assembly.wiring.accounts)))
    yield assembly, ends, ticks
    store.close()


def test_a_later_session_commits_no_more_than_an_earlier_one(lived):
    _, ends, _ = lived
    (commits, events), (all_commits, all_events) = ends
    assert all_commits - commits <= 1.3 * commits
    assert all_events - events <= 1.5 * events


def test_an_instant_commits_a_bounded_number_of_times(lived):
    _, _, ticks = lived
    # Ten jobs write once each; an order takes four commits (intent, sending, answer, fill).
    assert max(after - before for before, after in pairwise(ticks)) <= 10 + 4 * 10


def test_the_ledger_keeps_count_of_what_lives_as_its_history_shows_it(lived):
    assembly, _, _ = lived
    for name in assembly.wiring.accounts:
        kept = assembly.store.ledger(name)
        bare = Ledger(account=name, orders=kept.orders, positions=kept.positions)
        assert kept.orders
        assert kept.live_orders == bare.live_orders
        assert kept.open_positions == bare.open_positions
        opened = sessions_of(assembly, 2)[1].open_at
        assert kept.closed_since(opened) == tuple(
            sorted(
                (p for p in kept.positions.values() if p.closed_at is not None and p.closed_at >= opened),
                key=lambda position: position.closed_at,
            )
        )
        for order in kept.orders.values():
            cause = (order.intent.purpose, order.intent.key)
            assert kept.next_generation(*cause) == bare.next_generation(*cause)
