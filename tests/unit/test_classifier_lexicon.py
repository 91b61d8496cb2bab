"""What the built-in sentiment model makes of single sentences, all of them written for this test."""

import pytest

from ops_pipeline.adapters.textmodels.lexicon import NEUTRAL_BAND, LexiconModel, score_text

POSITIVE = [
    "Operating loss narrowed to $3 million from $5 million",
    "Gadget maker's debt was reduced by a fifth",
    "Profit of $5.2 million compared to a loss of $1.1 million a year earlier",
    "Third-quarter revenue totalled $9.1 million, compared to $7.4 million last year",
    "Carrier lowers fuel costs",
    "Chipmaker raises full-year guidance",
    "Broker lifts price target to $300",
    "Upgraded to outperform from neutral",
    "Quarterly results came in above analyst expectations",
    "Regulator approves the new drug",
    "Shipyard wins $40 million navy contract",
    "Board announces $10 billion share buyback",
    "Retailer swings to a profit",
    "Shares +4.2% after the report",
    "Funds have never been this bullish on the stock",
]
NEGATIVE = [
    "Net sales decreased to $5 million from $9 million",
    "Costs rose to $9 million from $5 million",
    "Net loss widened in the quarter",
    "Loss of $2 million compared with a profit of $3 million a year earlier",
    "Chipmaker cuts full-year guidance",
    "Price target cut to $80 from $100",
    "Downgraded to neutral from buy",
    "Earnings miss analyst estimates",
    "Automaker to lay off 3,000 workers",
    "Shareholders file class action over accounting fraud",
    "Carmaker recalls a million trucks",
    "Airline warns on profit",
    "Retailer swings to a $347 million loss",
    "Shares tumble 14% premarket",
    "Margins shrank in every segment",
]
NEUTRAL = [
    "Company to hold its annual meeting on 4 May",
    "The new office is in Denver",
    "Director owns 3% of the share capital",
    "Company will present at a conference in March",
    "",
    "?",
    "1234567890",
]


@pytest.mark.parametrize("text", POSITIVE)
def test_good_news_reads_positive(text):
    assert score_text(text).sentiment >= NEUTRAL_BAND


@pytest.mark.parametrize("text", NEGATIVE)
def test_bad_news_reads_negative(text):
    assert score_text(text).sentiment <= -NEUTRAL_BAND


@pytest.mark.parametrize("text", NEUTRAL)
def test_plain_facts_read_neutral(text):
    assert abs(score_text(text).sentiment) < NEUTRAL_BAND


@pytest.mark.parametrize(
    ("plain", "negated"),
    [
        ("The unit is profitable", "The unit is not profitable"),
        ("The maker is in trouble", "The maker denies it is in trouble"),
        ("Sales are falling", "Sales are no longer falling"),
        ("The firm will miss estimates", "The firm is unlikely to miss estimates"),
    ],
)
def test_a_negation_flips_the_sign_and_damps_it(plain, negated):
    before, after = score_text(plain).sentiment, score_text(negated).sentiment
    assert before * after < 0
    assert abs(after) < abs(before)


def test_a_hedge_damps_without_flipping():
    certain = score_text("Recall hurts profit outlook").sentiment
    hedged = score_text("Recall could hurt profit outlook").sentiment
    assert certain < hedged <= 0


def test_a_question_says_less_than_a_statement():
    assert 0 < score_text("Sales rise?").sentiment < score_text("Sales rise").sentiment


def test_a_year_is_not_an_amount():
    assert score_text("Revenue of $5 million from 1999").sentiment == 0.0


def test_confidence_is_zero_without_evidence_and_grows_with_it():
    none = score_text("The office is in Denver").confidence
    one = score_text("Sales rise").confidence
    two = score_text("Sales rise. Profit beats expectations").confidence
    assert none == 0.0 < one < two <= 1.0


def test_the_model_names_its_version():
    assert LexiconModel().version == "lexicon-1"
    assert LexiconModel().score("Sales rise") == score_text("Sales rise")
