"""The simulated newswire: stream, wording, near-duplicates, and what prices make of it. Shell."""

import dataclasses
import math
import re
import statistics
from datetime import timedelta

from ops_pipeline.adapters.simulator import headlines
from ops_pipeline.adapters.simulator.stories import tell_stories
from ops_pipeline.domain.news import EventKind, NewsItem
from tests.builders_world import at, session, world


def items_of(market, first, last):
    """Everything seen after the close of session `first` - 1 and up to the close of session `last`."""
    return market.fetch(since=session(first - 1).close_at, now=session(last).close_at)


def test_items_are_seen_seconds_to_a_minute_after_they_were_published_in_order():
    items = items_of(world(), 0, 3)
    delays = [(item.first_seen_at - item.published_at).total_seconds() for item in items]
    assert all(2 <= delay < 60 for delay in delays)
    assert [item.first_seen_at for item in items] == sorted(item.first_seen_at for item in items)
    assert len({item.news_id for item in items}) == len(items)
    assert len({(item.source, item.url) for item in items}) == len(items)


def test_every_name_has_a_few_items_a_day_and_more_around_a_report():
    market = world("BRKN")
    quiet = [len(items_of(market, offset, offset)) for offset in (1, 2, 3, 4, 5, 15, 16, 17)]
    assert 2 <= statistics.fmean(quiet) <= 10
    # BRKN reports before the open of session 12.
    assert len(items_of(market, 12, 12)) > statistics.fmean(quiet)
    words = " ".join(item.headline.lower() for item in items_of(market, 12, 12))
    assert re.search(r"profit|earnings|revenue|results|margin|loss|beat", words)


def test_polls_give_each_item_once_however_the_time_is_cut():
    whole = items_of(world(), 1, 2)
    market = world()
    now, end, found = session(0).close_at, session(2).close_at, []
    while now < end:
        later = min(end, now + timedelta(minutes=7))
        found += market.fetch(since=now, now=later)
        now = later
    assert found == list(whole)


def test_there_is_something_to_read_before_the_first_session():
    assert len(world().fetch(since=at(0, -60 * 24 * 9), now=at(0, 0))) > 20


def test_phrases_are_many_and_every_slot_is_filled():
    assert sum(map(len, headlines.GOOD.values())) >= 40
    assert sum(map(len, headlines.BAD.values())) >= 40
    assert set(headlines.GOOD) == set(headlines.BAD) == set(EventKind)
    items = items_of(world(), 0, 12)
    assert not [item.headline for item in items if "{" in item.headline + item.body]
    assert len({item.headline for item in items}) > 0.9 * len(items)


def test_nothing_but_the_words_says_what_an_item_means():
    fields = {field.name for field in dataclasses.fields(NewsItem)}
    assert not fields & {"sentiment", "score", "kind", "label"}
    for item in items_of(world(), 0, 3):
        assert re.fullmatch(r"https://[a-z-]+\.example/\d{4}/\d\d/\d\d/\d{10}", item.url)
        assert item.linked_to is None


def test_some_items_are_repeated_by_a_second_source_minutes_later():
    items = items_of(world(), 0, 6)
    pairs = 0
    for place, item in enumerate(items):
        for other in items[place + 1 : place + 40]:
            common = set(item.headline.split()) & set(other.headline.split())
            alike = len(common) >= 0.6 * max(len(item.headline.split()), len(other.headline.split()))
            gap = other.published_at - item.published_at
            pairs += alike and other.source != item.source and gap <= timedelta(minutes=10)
    assert 0.1 < pairs / len(items) < 0.4


def test_some_items_carry_a_hint_most_do_not_and_some_name_several_companies():
    market = world()
    items = items_of(market, 0, 8)
    hinted = sum(bool(item.tickers) for item in items) / len(items)
    assert 0.15 < hinted < 0.5
    names = [name.aliases[-1] for name in market.rules.names]
    assert any(sum(name in item.headline for name in names) >= 3 for item in items)


def test_the_price_answers_to_informative_stories_more_often_in_their_direction():
    market = world()
    followed = []
    for name in market.rules.names:
        for offset in range(15):
            if market._book.day(name, offset).quiet:
                continue
            path = market._book.path(name, offset).prices
            for story in tell_stories(market.rules, name, offset):
                if story.sign and story.impact and 0.0 <= story.when < 0.8:
                    start = int(story.when * (len(path) - 1))
                    moved = math.log(path[min(start + 240, len(path) - 1)] / path[start])
                    followed.append(moved * story.sign > 0)
    assert len(followed) > 40
    assert statistics.fmean(followed) > 0.6


def test_most_stories_change_nothing():
    market = world()
    told = [
        story
        for name in market.rules.names
        for k in range(40)
        for story in tell_stories(market.rules, name, k)
    ]
    assert 0.15 < statistics.fmean(story.impact != 0.0 for story in told) < 0.4
    signs = [story.sign for story in told]
    assert min(signs.count(1), signs.count(-1), signs.count(0)) > 0.2 * len(signs)
