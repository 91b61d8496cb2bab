"""What a headline is about: the first event kind whose wording it shows. Pure."""

import re
from typing import Final

from ops_pipeline.domain.news import EventKind


def _any_of(lines: str) -> re.Pattern[str]:
    """Match any of the alternatives, written on separate lines, as whole words in any case."""
    alternatives = "|".join(line.strip() for line in lines.strip().splitlines())
    return re.compile(rf"\b(?:{alternatives})\b", re.IGNORECASE)


_ROUNDUP: Final = _any_of(
    r"""
    round-?up|wrap(?:-up)?|watchlist|stocks? to (?:watch|buy|sell|consider|own)|what to watch
    (?:top|biggest|best|worst|most active|\d+) (?:[\w-]+ ){0,4}?(?:stocks|gainers|losers|movers|etfs)
    (?:top|biggest|best|worst|most active|\d+) (?:[\w-]+ ){0,4}?(?:picks|names)
    market (?:update|report|wrap|movers|open|close)|sector update|premarket movers|pre-market movers
    daily open|stocks? (?:moving|making)|need to know|gainers and losers
    among (?:\w+ ){0,2}(?:gainers|losers)
    (?:\d+|two|three|four|five|ten) (?:[\w-]+ ){0,3}?(?:reasons|things|ways|stocks)
    which is (?:the )?better|better buy|face-off
    """
)
# The order decides where a headline shows the wording of several kinds.
_KINDS: Final = (
    (
        EventKind.RATING,
        _any_of(
            r"""
            price target|target price|price objective|pt|(?:up|down)grade[sd]?
            overweight|underweight|outperform|underperform|market perform|equal[- ]weight
            (?:buy|sell|hold) rating|(?:initiat|reiterat)\w+ (?:coverage|at|with)
            analysts?\b.*\b(?:raise|cut|lift|lower|rate|boost)\w*
            """
        ),
    ),
    (
        EventKind.MERGER,
        _any_of(
            r"""
            acquir\w+|acquisitions?|mergers?|merg(?:es|ing)|takeover|buyout|tender offer
            takes? private|divest\w*|spin-?off|spins? off|agrees? to (?:buy|sell)|bid for
            to (?:buy|purchase) (?!back)(?:[\w&.'-]+ ){0,4}(?:for|in|stake)
            """
        ),
    ),
    (
        EventKind.LEGAL,
        _any_of(
            r"""
            lawsuits?|sue[sd]?|suing|court|judge|jury|verdict|class[- ]action
            settle(?:s|d|ment)(?! (?:higher|lower|at|up|down))
            probe[sd]?|investigat\w+|antitrust|regulators?|subpoena\w*|fined?|fraud
            patent (?:suit|infringement|case)|indict\w+|sec (?:charges|files|probe)|doj|ftc
            bankruptcy|chapter 11|sanctions?|violat\w+|plead\w*
            """
        ),
    ),
    (
        EventKind.GUIDANCE,
        _any_of(
            r"""
            guidance|outlook|forecasts?|(?:profit|sales|revenue) warning|warns? on|pre-?announc\w+
            (?:sees|expects|projects|reaffirms|guides) (?:\S+ ){0,5}?(?:revenue|sales|eps|earnings)
            (?:sees|expects|projects|reaffirms|guides) (?:\S+ ){0,5}?(?:profit|margin|growth|q[1-4])
            (?:sees|expects|projects|reaffirms|guides) (?:\S+ ){0,5}?(?:fy\d*|full[- ]year|quarter)
            """
        ),
    ),
    (
        EventKind.EARNINGS,
        _any_of(
            r"""
            earnings|eps|quarterly|q[1-4]|(?:first|second|third|fourth)[- ]quarter|results|ebitda?
            (?:net|operating|pretax) (?:profit|income|loss|sales)|profits?|revenues?|same-store sales
            (?:beats?|miss(?:es)?|tops) (?:[\w']+ ){0,3}(?:estimates|expectations|consensus|views)
            """
        ),
    ),
    (
        EventKind.MACRO,
        _any_of(
            r"""
            fed|federal reserve|fomc|powell|ecb|boj|rate (?:cut|hike|decision)s?|interest rates?
            inflation|cpi|ppi|gdp|payrolls?|jobless|unemployment|jobs report|recession
            treasur(?:y|ies)|yields?|tariffs?|trade (?:deal|war|talks)|oil prices?|opec
            consumer (?:confidence|sentiment)|economy|economic|geopolitic\w*|wall street|s&p 500
            dow jones|nasdaq (?:falls|rises|gains|composite)
            """
        ),
    ),
    (
        EventKind.PRODUCT,
        _any_of(
            r"""
            launch\w*|unveil\w*|introduc\w+|releas\w+|rolls? out|debut\w*|fda|approv(?:al|ed|es)
            trial|phase (?:[1-3]|i{1,3})|recall\w*|partner\w*|contracts?|orders?|wins?|awarded
            chips?|model|product\w*|platform|deliver(?:y|ies)|outage|hack\w*|breach
            """
        ),
    ),
)


def detect_kind(headline: str, body: str = "") -> EventKind:
    """Name the event a headline tells of; the body is asked where the headline is silent."""
    for text in (headline, body[:600]):
        for kind, pattern in _KINDS:
            if pattern.search(text):
                return kind
    return EventKind.OTHER


def is_roundup(headline: str) -> bool:
    """Tell whether a headline announces a list, a market report or a comparison."""
    return _ROUNDUP.search(headline) is not None
