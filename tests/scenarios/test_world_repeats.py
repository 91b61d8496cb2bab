"""The simulated world answers alike on any machine and whatever was asked before. Shell."""

import hashlib
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

from ops_pipeline.domain.market import Interval
from tests.builders_world import FIRST, at, session, world


def answers(market, ticker, offset):
    """Ask for a bit of everything about one name in one session."""
    now = at(offset, 200)
    chain = market.chain(ticker, now=now, first=now.date(), last=now.date() + timedelta(days=12))
    return (
        market.spot(ticker, now=now),
        tuple(market.bars(ticker, interval=Interval.MINUTE, after=at(offset, 190), now=now)),
        tuple(market.bars(ticker, interval=Interval.DAY, after=now - timedelta(days=9), now=now)),
        tuple(chain.quotes.items()),
        tuple(market.iv_history(ticker, before=now.date(), limit=3)),
        market.earnings(ticker, now=now),
        market.volatility_index(before=now.date()),
        tuple(market.fetch(since=at(offset, 100), now=now)),
    )


def fingerprint():
    market = world()
    digest = hashlib.sha256()
    for ticker in market.tickers[::2]:
        for offset in (0, 5):
            digest.update(repr(answers(market, ticker, offset)).encode())
    return digest.hexdigest()


def test_the_order_of_questions_changes_no_answer():
    forward, backward = world(), world()
    asked = [(ticker, offset) for offset in (0, 3, 9) for ticker in ("VLTC", "NIMB", "APXA")]
    first = {key: answers(forward, *key) for key in asked}
    second = {key: answers(backward, *key) for key in reversed(asked)}
    assert first == second


def test_a_name_alone_is_the_same_name_in_company():
    alone, together = world("NIMB"), world()
    assert answers(alone, "NIMB", 4)[:4] == answers(together, "NIMB", 4)[:4]


def test_another_seed_is_another_world():
    assert answers(world(seed=1), "NIMB", 0)[0] != answers(world(seed=2), "NIMB", 0)[0]


def test_hash_seed_time_zone_and_numpy_features_change_nothing():
    root = Path(__file__).resolve().parents[2]
    script = "from tests.scenarios.test_world_repeats import fingerprint; print(fingerprint())"
    prints = [fingerprint()]
    for hash_seed, zone, disabled in (("1", "Asia/Tokyo", "AVX2"), ("4711", "America/Sao_Paulo", "")):
        environment = {
            "PYTHONHASHSEED": hash_seed, "TZ": zone, "NPY_DISABLE_CPU_FEATURES": disabled,
            "PYTHONPATH": os.pathsep.join([str(root), str(root / "src")]), "PATH": "",
        }  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-c", script],
            env=environment,
            cwd=root,
            capture_output=True,
            text=True,
            check=True,
        )
        prints.append(done.stdout.strip())
    assert len(set(prints)) == 1


def test_memory_holds_only_the_sessions_just_used():
    market = world("VLTC", "NIMB", remembered_sessions=1)
    for offset in range(25):
        for ticker in market.tickers:
            market.chain(
                ticker, now=at(offset, 30), first=FIRST, last=session(offset).date + timedelta(days=9)
            )
    assert len(market._book._paths._values) == 2
    assert len(market._board._slices._values) <= 2 * 36
    assert len(market._board._views._values) <= 64
