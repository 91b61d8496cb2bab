"""How the recent news of one ticker leans, with age and novelty weighed in. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ops_pipeline.domain.news import Classification
from ops_pipeline.domain.units import round_event_float

OLDEST_HALF_LIVES = 6
_LN_2 = math.log(2.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewsReading:
    """The news of one ticker at one instant.

    `score` -1..1, None without news; `novelty` 0..1, the share of the weight that is not a repeat;
    `count`, the items that carry weight.
    """

    score: float | None
    novelty: float
    count: int


NO_NEWS = NewsReading(score=None, novelty=0.0, count=0)


def read_news(items: Sequence[Classification], *, now: datetime, half_life_s: int) -> NewsReading:
    """Weigh one ticker's classifications visible at `now`: sum(w s) / max(1, sum w).

    w = relevance x novelty x 2^(-age / half-life), age from publication. Items published after `now`
    or more than six half-lives before it take no part.
    """
    if not items:
        return NO_NEWS
    weights: list[float] = []
    repeats: list[float] = []
    leans: list[float] = []
    for item in items:
        age = (now - item.published_at).total_seconds() / half_life_s
        if not 0.0 <= age <= OLDEST_HALF_LIVES:
            continue
        decayed = item.relevance * math.exp(-_LN_2 * age)
        weight = decayed * item.novelty
        repeats.append(decayed - weight)
        if weight > 0.0:
            weights.append(weight)
            leans.append(weight * item.sentiment)
    if not weights:
        return NO_NEWS
    total = math.fsum(weights)
    return NewsReading(
        score=round_event_float(math.fsum(leans) / max(1.0, total)),
        novelty=round_event_float(total / (total + math.fsum(repeats))),
        count=len(weights),
    )
