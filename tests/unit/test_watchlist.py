"""The watchlist's score and its ranks (RULEBOOK 8)."""

import pytest

from ops_pipeline.stages.watchlist_engine.scoring import Candidate, rank
from tests.builders_signals import SESSION, watchlist_rules

NOW = SESSION.open_at


def candidate(ticker="META", *, news=None, novelty=1.0, volume=None, spread=None, held=False) -> Candidate:
    return Candidate(
        ticker=ticker, news_score=news, novelty=novelty, volume_ratio=volume, spread=spread, held=held
    )


def listed(candidates, current=()):
    return rank(candidates, watchlist_rules(), current=current, now=NOW)


def score(**parts) -> float:
    return listed([candidate(**parts)])[0].score


def row_of(count: int) -> list[Candidate]:
    """T01 the best, each next one a little worse."""
    return [candidate(f"T{place:02d}", news=1 - place / 100) for place in range(1, count + 1)]


def names(entries) -> list[str]:
    return [entry.ticker for entry in entries]


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({"news": -0.5}, 0.2),
        ({"news": 0.5, "novelty": 0.5}, 0.1),
        ({"volume": 1.5}, 0.15),
        ({"volume": 9.0}, 0.3),
        ({"spread": 0.0}, 0.3),
        ({"spread": 0.04}, 0.18),
        ({"spread": 0.25}, 0.0),
        ({"news": 1.0, "volume": 3.0, "spread": 0.0}, 1.0),
        ({}, 0.0),
    ],
)
def test_the_score_by_hand(parts, expected):
    assert score(**parts) == pytest.approx(expected)


def test_the_best_ten_enter():
    entries = listed(row_of(20))
    assert names(entries) == [f"T{place:02d}" for place in range(1, 11)]
    assert [entry.rank for entry in entries] == list(range(1, 11))


def test_a_member_stays_down_to_rank_15_and_leaves_below():
    entries = listed(row_of(20), current=["T12", "T15", "T16"])
    assert names(entries)[10:] == ["T12", "T15"]
    assert [entry.rank for entry in entries][10:] == [12, 15]


def test_a_held_name_stays_wherever_it_ranks():
    entries = listed([*row_of(20), candidate("ZZZ", held=True)])
    assert (entries[-1].ticker, entries[-1].rank, entries[-1].held) == ("ZZZ", 21, True)


def test_ties_go_by_ticker_whatever_the_order_of_arrival():
    tied = [candidate(name, news=0.5) for name in ("NVDA", "AAPL", "META")]
    assert names(listed(tied)) == names(listed(tied[::-1])) == ["AAPL", "META", "NVDA"]


def test_a_ticker_given_twice_is_refused():
    with pytest.raises(ValueError, match="expected each ticker once"):
        listed([candidate(), candidate()])
