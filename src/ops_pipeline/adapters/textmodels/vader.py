"""VADER, a general-purpose sentiment lexicon, for comparison and as a second opinion. Shell."""

from typing import Final, Protocol

from ops_pipeline.domain.errors import MissingDataError
from ops_pipeline.domain.news import TextScore
from ops_pipeline.domain.units import round_event_float

_MAX_CHARS: Final = 4_000


class _Analyzer(Protocol):
    def polarity_scores(self, text: str) -> dict[str, float]: ...


class VaderModel:
    """Score texts by VADER's compound value."""

    version = "vader-3"

    def __init__(self, analyzer: _Analyzer) -> None:
        self._analyzer = analyzer

    def score(self, text: str) -> TextScore:
        """Read `text`: compound value -1..1, confidence the share of words with an opinion."""
        values = self._analyzer.polarity_scores(text[:_MAX_CHARS])
        return TextScore(
            sentiment=round_event_float(max(-1.0, min(1.0, values["compound"]))),
            confidence=round_event_float(max(0.0, min(1.0, 1.0 - values["neu"]))),
        )


def load_vader() -> VaderModel:
    """Load VADER with its own word list; MissingDataError where the package is not installed."""
    try:
        from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer
    except ImportError:
        raise MissingDataError(
            "text model vader: expected the package vaderSentiment, which is not installed"
        ) from None
    return VaderModel(SentimentIntensityAnalyzer())
