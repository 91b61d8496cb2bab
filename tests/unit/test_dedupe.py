"""Identity of news items and links from near-duplicates to the first."""

import hashlib
from datetime import UTC, datetime, timedelta
from time import process_time

from ops_pipeline.domain.news import NewsItem, identify_news
from ops_pipeline.stages.news_ingest.dedupe import DedupeRules, dedupe, normalise_headline

NOON = datetime(2026, 3, 12, 12, 0, tzinfo=UTC)
RULES = DedupeRules()
STORY = "Halcyon Robotics raises full-year guidance after strong quarter"


def news(headline, url, *, minutes=0, tickers=(), linked_to=None, source="wire"):
    at = NOON + timedelta(minutes=minutes)
    return NewsItem(
        news_id=identify_news(source, url),
        source=source,
        url=url,
        published_at=at,
        first_seen_at=at,
        headline=headline,
        body="",
        tickers=tickers,
        linked_to=linked_to,
    )


def links(*incoming, recent=()):
    fresh, _ = dedupe(incoming, recent, RULES)
    return {item.url: item.linked_to for item in fresh}


def test_identity_is_the_sha256_of_source_and_url():
    expected = hashlib.sha256(b"wire\nhttps://wire.example/1").hexdigest()
    assert identify_news("wire", "https://wire.example/1") == expected
    assert identify_news("other", "https://wire.example/1") != expected


def test_a_headline_is_compared_without_case_and_punctuation():
    assert normalise_headline("  Halcyon's Q3: UP 4.5%!") == "halcyon s q3 up 4.5"


def test_the_first_of_a_story_is_new_and_its_reworded_copy_is_linked():
    first = news(STORY, "a")
    copy = news(f"UPDATE: {STORY}, shares gain", "b", minutes=30)
    assert links(copy, first) == {"a": None, "b": first.news_id}


def test_a_copy_is_linked_to_what_the_store_already_holds():
    first = news(STORY, "a")
    assert links(news(STORY.upper(), "b", minutes=5), recent=(first,)) == {"b": first.news_id}


def test_a_copy_of_a_copy_is_linked_to_the_first():
    first = news(STORY, "a")
    copy = news(STORY, "b", minutes=5, linked_to=first.news_id)
    assert links(news(STORY, "c", minutes=9), recent=(first, copy)) == {"c": first.news_id}


def test_a_different_story_is_new():
    assert links(news(STORY, "a"), news("Northvale Bancorp names a new chief", "b")) == {"a": None, "b": None}


def test_the_same_words_after_the_window_are_a_new_story():
    late = news(STORY, "b", minutes=48 * 60 + 1)
    assert links(news(STORY, "a"), late) == {"a": None, "b": None}


def test_other_figures_make_another_story():
    one = news("Broker raises Halcyon Robotics price target to $250 from $200", "a")
    other = news("Broker raises Halcyon Robotics price target to $310 from $200", "b", minutes=1)
    assert links(one, other) == {"a": None, "b": None}


def test_the_next_days_edition_of_a_report_is_another_story():
    one = news("Sector update: chip shares fall Monday afternoon", "a")
    other = news("Sector update: chip shares fall Tuesday afternoon", "b", minutes=24 * 60)
    assert links(one, other) == {"a": None, "b": None}


def test_a_template_filled_in_for_another_company_is_another_story():
    one = news("Why shares of chip maker Alder are moving sharply lower today again", "a", tickers=("ALDR",))
    other = news(
        "Why shares of chip maker Birch are moving sharply lower today again", "b", tickers=("BRCH",)
    )
    assert links(one, other) == {"a": None, "b": None}


def test_the_same_headline_under_several_tickers_is_one_story():
    one = news(STORY, "a", tickers=("HLRB",))
    other = news(STORY, "b", tickers=("NVBK",), minutes=1)
    assert links(one, other) == {"a": None, "b": one.news_id}


def test_one_article_delivered_under_several_tickers_is_one_item_with_all_of_them():
    fresh, enriched = dedupe([news(STORY, "a", tickers=("B",)), news(STORY, "a", tickers=("A",))], (), RULES)
    assert [item.tickers for item in fresh] == [("A", "B")]
    assert enriched == ()


def test_a_known_article_that_comes_under_another_ticker_gains_the_hint():
    known = news(STORY, "a", tickers=("A",))
    again = news(STORY, "a", tickers=("B",), minutes=60)
    fresh, enriched = dedupe([again], [known], RULES)
    assert fresh == ()
    assert [(item.tickers, item.first_seen_at) for item in enriched] == [(("A", "B"), NOON)]


def test_a_known_article_that_brings_nothing_new_is_dropped():
    known = news(STORY, "a", tickers=("A",))
    assert dedupe([known], [known], RULES) == ((), ())


def test_a_short_headline_contained_in_a_long_one_is_not_its_copy():
    assert links(news("Halcyon Robotics", "a"), news(STORY, "b", minutes=1)) == {"a": None, "b": None}


def test_a_hundred_items_against_two_busy_days_take_under_two_seconds():
    recent = [
        news(f"Story {n} about maker {n * 7} in town {n * 13}", f"r{n}", minutes=-n) for n in range(4800)
    ]
    incoming = [news(f"Fresh tale {n} of village {n * 17} by author {n}", f"i{n}") for n in range(100)]
    begun = process_time()
    fresh, _ = dedupe(incoming, recent, RULES)
    assert len(fresh) == 100
    # The bound guards against comparing every pair in Python, which takes minutes.
    assert process_time() - begun < 2.0
