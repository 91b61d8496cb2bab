"""From quote reads to marks (RULEBOOK 2, FEATURES 3)."""

from datetime import UTC, datetime, timedelta

import pytest

from ops_pipeline.domain.market import Session, Trust
from ops_pipeline.stages.position_manager.marks import MarkMemory, is_blind, read_marks
from tests.builders_exits import NOON, SESSION, contract, cycle, quote, quote_rules

RULES = quote_rules()
META = contract()


def memory(mark: int | None = 100_000, *, seconds_ago: float = 15) -> MarkMemory:
    at = NOON - timedelta(seconds=seconds_ago)
    return MarkMemory(mark=mark, marked_at=at, counted_at=at)


def read(bid, ask, remembered=None, *, seconds: float = 0, at=None, next_read_s: float = 15, **parts):
    now = NOON + timedelta(seconds=seconds)
    given = quote(bid, ask, at=now if at is None else at, confirmed_at=parts.pop("confirmed_at", now))
    remembered = memory() if remembered is None else remembered
    return read_marks(
        given, parts.pop("of", META), remembered, cycle(seconds, next_read_s=next_read_s, **parts), RULES
    )


def test_a_fresh_quote_marks_at_its_mid():
    found = read("9.90", "10.10")
    assert (found.trust, found.marks.mark, found.marks.bid, found.marks.spread) == (
        Trust.FRESH,
        100_000,
        99_000,
        2_000,
    )
    assert (found.marks.confirmed, found.marks.stop_price, found.note) == (1, 100_000, "")
    assert (found.memory.mark, found.memory.marked_at) == (100_000, NOON)


@pytest.mark.parametrize(
    ("bid", "ask", "trust"),
    [
        ("10.10", "9.90", Trust.CROSSED),
        ("0.00", "0.05", Trust.ZERO_BID),
        (None, "0.05", Trust.ZERO_BID),
        ("9.90", None, Trust.ONE_SIDED),
        ("8.00", "12.00", Trust.WIDE),
        ("501.00", "502.00", Trust.IMPOSSIBLE),
    ],
)
def test_an_unusable_quote_gives_no_mark_and_says_why(bid, ask, trust):
    found = read(bid, ask)
    assert (found.trust, found.marks.mark, found.marks.stop_price, found.marks.confirmed) == (
        trust,
        -1,
        -1,
        0,
    )
    assert found.note == f"quote is {trust.name}"
    assert found.memory == memory()


def test_a_stale_quote_gives_no_mark():
    found = read("9.90", "10.10", confirmed_at=NOON - timedelta(seconds=61))
    assert (found.trust, found.marks.mark) == (Trust.STALE, -1)


def test_no_quote_at_all_leaves_clock_and_underlying():
    found = read_marks(None, META, memory(), cycle(), RULES)
    assert (found.marks.mark, found.marks.bid, found.marks.underlying) == (-1, -1, 5_000_000)
    assert (found.marks.minutes_to_close, found.note) == (240, "no quote")


def test_a_jump_of_exactly_half_counts_at_once():
    assert read("14.90", "15.10").marks.confirmed == 1


def test_a_jump_beyond_half_waits_for_a_second_read_within_a_tenth():
    first = read("19.90", "20.10")
    assert (first.marks.confirmed, first.marks.stop_price, first.refetch) == (0, -1, True)
    assert first.memory.mark == 100_000
    agreed = read("21.90", "22.10", first.memory, seconds=1)
    assert (agreed.marks.confirmed, agreed.marks.mark, agreed.memory.mark) == (1, 220_000, 220_000)
    assert agreed.memory.jump is None


def test_a_second_read_elsewhere_starts_the_jump_anew():
    first = read("19.90", "20.10")
    other = read("22.10", "22.30", first.memory, seconds=1)
    assert (other.marks.confirmed, other.memory.jump) == (0, 222_000)
    assert read("22.10", "22.30", other.memory, seconds=2).marks.confirmed == 1


def test_a_flash_that_returns_leaves_no_trace():
    flash = read("19.90", "20.10")
    back = read("9.90", "10.10", flash.memory, seconds=15)
    assert (back.marks.confirmed, back.marks.mark, back.memory.jump) == (1, 100_000, None)


def test_the_same_instant_read_twice_confirms_no_jump():
    first = read("19.90", "20.10")
    assert read("19.90", "20.10", first.memory).marks.confirmed == 0


def test_two_reads_less_than_ten_seconds_apart_are_one():
    once = read("7.40", "7.60")
    soon = read("7.40", "7.60", once.memory, seconds=9.9)
    assert (soon.marks.mark, soon.marks.confirmed, soon.note) == (75_000, 0, "read again too soon to count")
    assert read("7.40", "7.60", soon.memory, seconds=10).marks.confirmed == 1


def test_a_mark_with_none_after_it_for_five_minutes_is_sparse_and_stands_alone():
    sparse = read("19.90", "20.10", next_read_s=301)
    assert (sparse.marks.sparse, sparse.marks.confirmed) == (1, 1)
    assert read("9.90", "10.10", next_read_s=300).marks.sparse == 0


@pytest.mark.parametrize(("bid", "ask", "stop"), [("6.00", "9.00", 60_000), ("6.00", None, 60_000)])
def test_after_five_blind_minutes_the_stop_reads_a_wide_or_one_sided_bid(bid, ask, stop):
    early = read(bid, ask, memory(seconds_ago=299))
    late = read(bid, ask, memory(seconds_ago=300))
    assert early.marks.stop_price == -1
    assert (late.marks.stop_price, late.marks.mark) == (stop, -1)


@pytest.mark.parametrize(
    ("bid", "ask"), [("10.10", "9.90"), ("501.00", "502.00"), ("0.00", "0.05"), (None, "0.05")]
)
def test_the_fallback_never_reads_a_crossed_impossible_or_absent_bid(bid, ask):
    assert read(bid, ask, memory(seconds_ago=3_600)).marks.stop_price == -1


def test_the_fallback_never_reads_a_stale_bid():
    found = read("6.00", "9.00", memory(seconds_ago=3_600), confirmed_at=NOON - timedelta(seconds=61))
    assert (found.trust, found.marks.stop_price) == (Trust.STALE, -1)


def test_the_fallbacks_two_reads_are_ten_seconds_apart():
    first = read("6.00", "9.00", memory(seconds_ago=300))
    assert read("6.00", "9.00", first.memory, seconds=9).marks.stop_price == -1
    assert read("6.00", "9.00", first.memory, seconds=10).marks.stop_price == 60_000


def test_five_minutes_without_a_mark_are_blindness_and_a_night_is_not():
    def blind(seconds_ago, session=SESSION):
        return is_blind(memory(seconds_ago=seconds_ago), NOON, session, RULES)

    assert (blind(299), blind(300)) == (False, True)
    opened = Session(date=SESSION.date, open_at=NOON - timedelta(seconds=60), close_at=SESSION.close_at)
    assert not blind(70_000, opened)


def test_minutes_to_the_close_round_up_so_that_no_cutoff_is_early():
    assert read("9.90", "10.10", seconds=1).marks.minutes_to_close == 240
    late = cycle(seconds=(datetime(2026, 1, 9, 21, 1, tzinfo=UTC) - NOON).total_seconds())
    assert read_marks(None, META, memory(), late, RULES).marks.minutes_to_close == -1
