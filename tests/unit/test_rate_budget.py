"""Requests are shared by rank: what an exit needs is never used up by a scan."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops_pipeline.domain.rules import RateRules
from ops_pipeline.stages.execution.rate_budget import Use, emptied, full, ready_at, refilled, spent

NOON = datetime(2026, 3, 2, 17, tzinfo=UTC)
# 200 a minute, 80 % of it: 160 requests, one every 0.375 s; the other 40 may go out at once.
RULES = RateRules(200, 8_000)


def drawn(use, bucket, now=NOON):
    """Take requests until none is left for `use`."""
    count = 0
    while (left := spent(bucket, use, now, RULES)) is not None:
        bucket, count = left, count + 1
    return count, bucket


@pytest.mark.parametrize(
    ("use", "count"),
    [(Use.EXIT, 40), (Use.CANCEL, 40), (Use.RECONCILE, 34), (Use.ENTRY, 24), (Use.SCAN, 16)],
)
def test_each_use_leaves_its_share_of_a_full_bucket_to_those_above(use, count):
    assert drawn(use, full(NOON, RULES))[0] == count


def test_feature_17_ten_times_the_scan_load_leaves_the_exits_their_requests():
    bucket, refused = full(NOON, RULES), 0
    for number in range(2_000):  # 2 000 scans in a minute: ten times the broker's limit
        now = NOON + timedelta(seconds=number * 0.03)
        left = spent(bucket, Use.SCAN, now, RULES)
        refused += left is None
        bucket = left or refilled(bucket, now, RULES)
        if number % 100 == 99:  # and an exit every 3 s
            assert ready_at(bucket, Use.EXIT, now, RULES) == now
            bucket = spent(bucket, Use.EXIT, now, RULES)
            assert bucket is not None
    # 16 of the start, 160 refilled in the minute, 20 of them taken by exits.
    assert refused == pytest.approx(2_000 - 16 - 160 + 20, abs=2)


def test_a_request_comes_back_every_three_eighths_of_a_second():
    _, empty = drawn(Use.EXIT, full(NOON, RULES))
    assert ready_at(empty, Use.EXIT, NOON, RULES) == NOON + timedelta(seconds=0.375)
    early = NOON + timedelta(seconds=0.374)
    assert spent(empty, Use.EXIT, early, RULES) is None
    assert spent(empty, Use.EXIT, NOON + timedelta(seconds=0.375), RULES) is not None
    # An entry waits for 16 requests in reserve and one more: 17 x 0.375 s.
    assert ready_at(empty, Use.ENTRY, NOON, RULES) == NOON + timedelta(seconds=6.375)


def test_a_refusal_of_the_broker_stops_every_use_until_the_instant_it_named():
    until = NOON + timedelta(seconds=7)
    bucket = emptied(full(NOON, RULES), until)
    assert spent(bucket, Use.EXIT, until, RULES) is None
    assert spent(bucket, Use.EXIT, until + timedelta(seconds=0.375), RULES) is not None


def test_a_clock_that_goes_back_refills_nothing():
    _, empty = drawn(Use.EXIT, full(NOON, RULES))
    assert spent(empty, Use.EXIT, NOON - timedelta(hours=1), RULES) is None


@given(
    steps=st.lists(st.tuples(st.integers(0, 5_000_000), st.sampled_from(Use)), max_size=400),
    per_minute=st.integers(10, 200),
    share=st.integers(1_000, 9_000),
)
def test_no_minute_sees_more_requests_than_the_broker_takes(steps, per_minute, share):
    rules = RateRules(per_minute, share)
    now, bucket, taken = NOON, full(NOON, rules), []
    for wait_us, use in steps:
        now += timedelta(microseconds=wait_us)
        left = spent(bucket, use, now, rules)
        if left is not None:
            bucket = left
            taken.append(now)
    for first in taken:
        within = sum(first <= at < first + timedelta(minutes=1) for at in taken)
        assert within <= per_minute
