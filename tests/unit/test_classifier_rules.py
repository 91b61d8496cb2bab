"""Which companies an item concerns, what it says of each, and how much recent news weighs."""

from datetime import UTC, datetime, timedelta

import pytest

from ops_pipeline.adapters.textmodels.lexicon import score_text
from ops_pipeline.domain.news import Classification, EventKind, NewsItem
from ops_pipeline.stages.classifier.kinds import detect_kind, is_roundup
from ops_pipeline.stages.classifier.rules import classify
from ops_pipeline.stages.classifier.tickers import build_universe, distinct_tickers, find_mentions
from ops_pipeline.stages.feature_computer.news_score import read_news

NOON = datetime(2026, 3, 12, 12, 0, tzinfo=UTC)
KNOWN = "AAPL ALL AMD BA CAT F GOOGL IT JPM META MSFT MSTR MU NOW NVDA ON TGT TSLA"
INVENTED = {"HLRB": "Halcyon Robotics Inc", "NVBK": "Northvale Bancorp", "FSTB": "First Harbor Group"}
UNIVERSE = build_universe(dict.fromkeys(KNOWN.split(), "") | INVENTED)


def news(headline, body="", *, tickers=(), linked_to=None, published=NOON, seen=NOON):
    return NewsItem(
        news_id="n1",
        source="wire",
        url="https://wire.example/1",
        published_at=published,
        first_seen_at=seen,
        headline=headline,
        body=body,
        tickers=tickers,
        linked_to=linked_to,
    )


def read(headline, body="", **rest):
    rows = classify(news(headline, body, **rest), score_text, UNIVERSE, model_version="lexicon-1")
    return {row.ticker: row for row in rows}


def named(text):
    return distinct_tickers(find_mentions(text, UNIVERSE))


@pytest.mark.parametrize(
    ("text", "tickers"),
    [
        ("$NVDA and $F climb", ("NVDA", "F")),
        ("Maker (NASDAQ: NVDA) reports", ("NVDA",)),
        ("Software house (NYSE:NOW) reports", ("NOW",)),
        ("Apple opens a store", ("AAPL",)),
        ("Google's parent and YouTube", ("GOOGL",)),
        ("APPLE OPENS A STORE", ("AAPL",)),
        ("Meta Platforms and Micron Technology", ("META", "MU")),
        ("TSLA rises", ("TSLA",)),
        ("Halcyon Robotics ships", ("HLRB",)),
        ("Halcyon ships", ("HLRB",)),
        ("Northvale Bancorp lends", ("NVBK",)),
        ("First Harbor sails", ("FSTB",)),
    ],
)
def test_a_company_is_found_by_tag_or_name(text, tickers):
    assert named(text) == tickers


@pytest.mark.parametrize(
    "text",
    [
        "Buy stocks NOW before it is too late",
        "CAT scans for ALL patients",
        "The IT department is ON it",
        "An apple a day",
        "First come, first served",
        "Analysts set a new Target for the sector",
        "Pineapple growers",
        "$12 and $NVDAX",
        "SHOUTED HEADLINES ABOUT TSLAQ",
    ],
)
def test_an_ordinary_word_names_no_company(text):
    assert named(text) == ()


@pytest.mark.parametrize("text", ["$CAT digs", "Caterpillar digs", "Digger (NYSE: CAT)"])
def test_an_ambiguous_ticker_counts_with_a_tag_or_its_company_name(text):
    assert named(text) == ("CAT",)


def test_a_name_that_two_companies_claim_links_neither():
    universe = build_universe({"HLRB": "Halcyon Robotics", "HLPW": "Halcyon Power"})
    assert find_mentions("Halcyon ships", universe) == ()
    assert distinct_tickers(find_mentions("Halcyon Power ships", universe)) == ("HLPW",)


def test_companies_outside_the_universe_are_not_classified():
    assert classify(news("Apple soars"), score_text, build_universe({}), model_version="m") == ()


def test_each_company_gets_the_sentiment_of_its_own_clause():
    rows = read("Apple falls as Microsoft gains")
    assert rows["AAPL"].sentiment < 0 < rows["MSFT"].sentiment


def test_each_company_gets_the_sentiment_of_its_own_part_of_a_list():
    rows = read("Nvidia rises, AMD falls after earnings")
    assert rows["AMD"].sentiment < 0 < rows["NVDA"].sentiment


def test_companies_that_share_a_verb_share_its_sentiment():
    rows = read("Apple and Microsoft rise")
    assert rows["AAPL"].sentiment == rows["MSFT"].sentiment > 0


def test_a_company_named_in_the_body_is_read_in_its_own_sentences():
    rows = read("Apple soars on strong demand", "A busy day. Boeing shares plunge after a recall.")
    assert rows["BA"].sentiment < 0 < rows["AAPL"].sentiment


def test_a_broker_that_rates_another_company_is_the_speaker_and_not_the_subject():
    rows = read("JPMorgan raises Tesla price target to $300")
    assert rows["JPM"].sentiment == 0.0
    assert rows["JPM"].relevance == 0.1
    assert rows["TSLA"].sentiment > 0
    assert rows["TSLA"].relevance == 1.0


def test_relevance_falls_from_headline_to_body_to_hint():
    rows = read("Apple opens a store", "Boeing was not there.", tickers=("TSLA",))
    assert rows["AAPL"].relevance > rows["BA"].relevance > rows["TSLA"].relevance > 0


def test_a_feeds_hint_is_a_candidate_even_where_no_name_is_written():
    rows = read("Shares tumble after a probe", tickers=("tsla",))
    assert rows["TSLA"].relevance == 0.5
    assert rows["TSLA"].sentiment < 0


def test_a_listicle_weighs_less_than_a_story():
    story = read("Tesla opens a factory")["TSLA"].relevance
    listed = read("5 stocks to watch: Apple, Tesla, Nvidia, AMD, Micron")["TSLA"].relevance
    assert listed < story / 4


def test_a_linked_item_is_no_news():
    assert read("Apple soars", linked_to="n0")["AAPL"].novelty == 0.0
    assert read("Apple soars")["AAPL"].novelty == 1.0


def test_a_row_carries_its_origin():
    seen = NOON + timedelta(minutes=4)
    row = read("Apple beats expectations", seen=seen)["AAPL"]
    assert (row.news_id, row.model_version, row.published_at, row.first_seen_at) == (
        "n1",
        "lexicon-1",
        NOON,
        seen,
    )


@pytest.mark.parametrize(
    ("headline", "kind"),
    [
        ("Maker beats quarterly estimates", EventKind.EARNINGS),
        ("Maker raises full-year outlook", EventKind.GUIDANCE),
        ("Maker downgraded at a bank", EventKind.RATING),
        ("Broker lifts price target", EventKind.RATING),
        ("Maker to acquire rival for $2 billion", EventKind.MERGER),
        ("Judge lets lawsuit against maker go on", EventKind.LEGAL),
        ("Maker unveils a phone", EventKind.PRODUCT),
        ("Fed holds interest rates", EventKind.MACRO),
        ("Maker moves to Denver", EventKind.OTHER),
    ],
)
def test_the_event_kind_follows_from_the_wording(headline, kind):
    assert detect_kind(headline) is kind


def test_the_body_names_the_kind_where_the_headline_is_silent():
    assert detect_kind("Big day for the maker", "It unveils a phone.") is EventKind.PRODUCT


@pytest.mark.parametrize("headline", ["10 best stocks for March", "Sector update: chips", "Morning round-up"])
def test_a_round_up_is_recognised(headline):
    assert is_roundup(headline)


def row(*, sentiment, relevance=1.0, novelty=1.0, age=timedelta(0), now=NOON):
    return Classification(
        news_id="n",
        ticker="AAPL",
        sentiment=sentiment,
        relevance=relevance,
        novelty=novelty,
        kind=EventKind.OTHER,
        model_version="m",
        published_at=now - age,
        first_seen_at=now - age,
    )


HALF_HOUR = timedelta(minutes=30)


@pytest.mark.parametrize(
    ("rows", "score"),
    [
        ([], 0.0),
        # One fresh item: w = 1, 0.8 / 1.
        ([row(sentiment=0.8)], 0.8),
        # One half-life old: w = 0.5, 0.4 / max(1, 0.5).
        ([row(sentiment=0.8, age=HALF_HOUR)], 0.4),
        # w = 1 and 0.5: (0.8 - 0.3) / 1.5.
        ([row(sentiment=0.8), row(sentiment=-0.6, age=HALF_HOUR)], 0.333333333),
        # Relevance 0.5, two half-lives: w = 0.125; 0.125 x -1.
        ([row(sentiment=-1.0, relevance=0.5, age=2 * HALF_HOUR)], -0.125),
        # A near-duplicate weighs nothing.
        ([row(sentiment=0.8), row(sentiment=0.8, novelty=0.0)], 0.8),
        # Six half-lives count 1/64, one second more nothing.
        ([row(sentiment=0.64, age=6 * HALF_HOUR)], 0.01),
        ([row(sentiment=0.64, age=6 * HALF_HOUR + timedelta(seconds=1))], 0.0),
        # Published after now.
        ([row(sentiment=0.8, age=timedelta(seconds=-1))], 0.0),
    ],
)
def test_the_news_score_is_the_weighted_mean_of_recent_items(rows, score):
    assert score_of(rows) == score


def test_the_news_score_does_not_depend_on_the_order_of_items():
    rows = [row(sentiment=s / 10, age=timedelta(minutes=s)) for s in range(-9, 10, 2) if s >= 0]
    rows += [row(sentiment=-0.3, relevance=0.7, age=timedelta(minutes=41))]
    assert score_of(rows) == score_of(rows[::-1])


def score_of(rows):
    return read_news(rows, now=NOON, half_life_s=1_800).score or 0.0


def test_feature_15_a_reading_does_not_depend_on_which_company_is_named():
    apple = read("Apple misses estimates and cuts outlook")["AAPL"]
    invented = read("Halcyon misses estimates and cuts outlook")["HLRB"]
    assert (apple.sentiment, apple.relevance, apple.kind) == (
        invented.sentiment,
        invented.relevance,
        invented.kind,
    )
