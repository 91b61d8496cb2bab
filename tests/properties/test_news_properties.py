"""What holds for every text a feed may deliver."""

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from ops_pipeline.adapters.feeds.parse import FeedError, parse_feed
from ops_pipeline.adapters.textmodels.lexicon import score_text
from ops_pipeline.adapters.textmodels.words import DIRECTION, NOUNS, OPINION
from ops_pipeline.domain.news import NewsItem, identify_news
from ops_pipeline.domain.plaintext import remove_invisible, to_plain_text
from ops_pipeline.stages.classifier.rules import classify
from ops_pipeline.stages.classifier.tickers import build_universe
from ops_pipeline.stages.feature_computer.news_score import read_news
from ops_pipeline.stages.news_ingest.dedupe import DedupeRules, dedupe

NOON = datetime(2026, 3, 12, 12, 0, tzinfo=UTC)
UNIVERSE = build_universe({"AAPL": "", "MSFT": "", "NOW": "", "HLRB": "Halcyon Robotics Inc", "X": "Ⅻ, &"})
anything = st.text(st.characters(), max_size=200)
pieces = st.sampled_from(
    [*list(DIRECTION)[:40], *list(NOUNS)[:40], *list(OPINION)[:40], "not", "may", "but", "as", ";", ".", ",",
     "Apple", "Microsoft", "$NOW", "to $5.2 million", "from 7%", "compared to", "+3%", "-1.5%", "?"]
)  # fmt: skip
sentences = st.lists(pieces, max_size=25).map(" ".join)
texts = anything | sentences


@st.composite
def items(draw):
    url = draw(st.sampled_from([f"https://wire.example/{n}" for n in range(12)]))
    published = NOON + timedelta(minutes=draw(st.integers(-4000, 60)))
    return NewsItem(
        news_id=identify_news("wire", url),
        source="wire",
        url=url,
        published_at=published,
        first_seen_at=published + timedelta(minutes=draw(st.integers(0, 600))),
        headline=draw(sentences),
        body=draw(texts),
        tickers=tuple(draw(st.lists(st.sampled_from(["AAPL", "MSFT", "now", "ZZZ"]), max_size=3))),
    )


@given(texts)
def test_any_text_scores_within_bounds_and_always_alike(text):
    score = score_text(text)
    assert -1.0 <= score.sentiment <= 1.0
    assert 0.0 <= score.confidence <= 1.0
    assert score_text(text) == score


@given(texts, texts)
def test_any_item_is_classified_within_bounds_once_per_ticker(headline, body):
    item = NewsItem(
        news_id="n",
        source="s",
        url="u",
        published_at=NOON,
        first_seen_at=NOON,
        headline=headline,
        body=body,
        tickers=("AAPL",),
    )
    rows = classify(item, score_text, UNIVERSE, model_version="m")
    assert len({row.ticker for row in rows}) == len(rows) >= 1
    for row in rows:
        assert row.ticker in UNIVERSE.tickers
        assert -1.0 <= row.sentiment <= 1.0
        assert 0.0 <= row.relevance <= 1.0


@settings(max_examples=60)
@given(st.lists(items(), max_size=12))
def test_the_news_score_is_bounded(found):
    rows = [row for item in found for row in classify(item, score_text, UNIVERSE, model_version="m")]
    assert -1.0 <= (read_news(rows, now=NOON, half_life_s=43_200).score or 0.0) <= 1.0


@settings(max_examples=60)
@given(st.lists(items(), max_size=12), st.randoms(use_true_random=False))
def test_dedupe_does_not_depend_on_the_order_of_delivery(batch, shuffler):
    shuffled = list(batch)
    shuffler.shuffle(shuffled)
    assert dedupe(shuffled, (), DedupeRules()) == dedupe(batch, (), DedupeRules())


@settings(max_examples=60)
@given(st.lists(items(), max_size=12))
def test_dedupe_of_what_is_known_adds_nothing(batch):
    fresh, _ = dedupe(batch, (), DedupeRules())
    assert dedupe(batch, fresh, DedupeRules()) == ((), ())
    assert dedupe(fresh, (), DedupeRules()).fresh == fresh


@settings(max_examples=60)
@given(st.lists(items(), max_size=12))
def test_links_lead_to_a_first_item_that_was_seen_no_later(batch):
    fresh, _ = dedupe(batch, (), DedupeRules())
    known = {item.news_id: item for item in fresh}
    for item in fresh:
        if item.linked_to is not None:
            assert known[item.linked_to].linked_to is None
            assert known[item.linked_to].first_seen_at <= item.first_seen_at


@given(anything)
def test_plain_text_has_no_invisible_characters_and_stays_as_it_is(markup):
    text = to_plain_text(markup, limit=100)
    assert len(text) <= 100
    assert remove_invisible(text) == text


@given(st.binary(max_size=400) | anything.map(lambda t: f"<rss><item><title>{t}".encode("utf-8", "replace")))
def test_any_bytes_are_read_or_refused(content):
    try:
        found = parse_feed(content, source="wire", seen_at=NOON)
    except FeedError:
        return
    assert all(item.published_at <= NOON for item in found)
