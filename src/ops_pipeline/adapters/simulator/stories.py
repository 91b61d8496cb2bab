"""What happens to a company in a session, and whether its price answers. Pure."""

import math
from typing import NamedTuple

from ops_pipeline.adapters.simulator.draws import draw_words, normal, uniform
from ops_pipeline.adapters.simulator.names import NameProfile
from ops_pipeline.adapters.simulator.world_rules import WorldRules
from ops_pipeline.domain.news import EventKind

_OVERNIGHT = (0.10, 0.45, 0.80, 1.0)
_KINDS = (
    (EventKind.RATING, 0.26),
    (EventKind.PRODUCT, 0.48),
    (EventKind.OTHER, 0.66),
    (EventKind.LEGAL, 0.76),
    (EventKind.MACRO, 0.86),
    (EventKind.MERGER, 0.93),
    (EventKind.GUIDANCE, 1.0),
)
_NEUTRAL_SHARE = 0.3


class Story(NamedTuple):
    """One event. `when` is 0..1 of the session, or -1..0 of the night before it.

    `sign` is what the text says (-1, 0, 1); `impact` is the log return it causes in units of the
    session's volatility, mostly 0; `word` seeds its wording.
    """

    when: float
    sign: int
    kind: EventKind
    impact: float
    word: int


def tell_stories(rules: WorldRules, name: NameProfile, index: int) -> tuple[Story, ...]:
    """Give the stories of a session and the night before it, by time."""
    words = draw_words(64, rules.seed, name.ticker, "stories", index)
    overnight = sum(uniform(words[0]) > bound for bound in _OVERNIGHT)
    intraday = int(-math.log(uniform(words[1])) * 1.6 * (0.6 + 0.4 * min(1.0, name.activity))) + 1
    stories = []
    for number in range(min(overnight + intraday, 8)):
        drawn = words[4 + 6 * number : 10 + 6 * number]
        when = uniform(drawn[0]) - (1.0 if number < overnight else 0.0)
        stories.append(_story(rules, when, drawn))
    if name.is_gap(index):
        stories.extend(_report(rules, name, index))
    return tuple(sorted(stories))


def _story(rules: WorldRules, when: float, drawn: tuple[int, ...]) -> Story:
    place = uniform(drawn[1])
    kind = next(kind for kind, bound in _KINDS if place < bound)
    place = uniform(drawn[2])
    if place < _NEUTRAL_SHARE:
        return Story(when, 0, kind, 0.0, drawn[5])
    sign = 1 if place < _NEUTRAL_SHARE + 0.53 * (1.0 - _NEUTRAL_SHARE) else -1
    place = uniform(drawn[3])
    impact = 0.0
    if place < rules.informative:
        direction = sign if place < rules.informative * rules.truthful else -sign
        impact = direction * min(1.2, 0.3 + 0.35 * abs(normal(drawn[4])))
    return Story(when, sign, kind, impact, drawn[5])


def earnings_gap(rules: WorldRules, name: NameProfile, index: int) -> float:
    """Give the log return of the open that answers a report; 0 on every other session."""
    if not name.is_gap(index):
        return 0.0
    return max(-2.5, min(2.5, normal(draw_words(1, rules.seed, name.ticker, "gap", index)[0]))) * (
        name.earnings_move
    )


def _report(rules: WorldRules, name: NameProfile, index: int) -> list[Story]:
    """Tell of an earnings report: the result, mostly an outlook, and what analysts say after it."""
    words = draw_words(20, rules.seed, name.ticker, "report", index)
    gap = 1 if earnings_gap(rules, name, index) > 0.0 else -1
    start = -0.12 if name.earnings_before_open else -0.985
    stories = []
    for number, (kind, after, chance) in enumerate(
        (
            (EventKind.EARNINGS, 0.0, 1.0),
            (EventKind.GUIDANCE, 0.004, 0.8),
            (EventKind.RATING, 0.05, 0.9),
            (EventKind.RATING, 0.09, 0.7),
            (EventKind.EARNINGS, 0.02, 0.6),
        )
    ):
        drawn = words[4 * number : 4 * number + 4]
        if uniform(drawn[0]) < chance:
            sign = gap if uniform(drawn[1]) < rules.truthful else -gap
            stories.append(Story(start + after, sign, kind, 0.0, drawn[3]))
    return stories
