"""When a piece of news may be used, and how much recent news weighs. Pure."""

import math
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final, Protocol, TypeVar

from ops_pipeline.domain.news import Classification
from ops_pipeline.domain.units import round_event_float

# Older than this many half-lives an item weighs under 1/64 and is dropped (RULEBOOK 9).
_HALF_LIVES_KEPT: Final = 6


class Dated(Protocol):
    """Anything that was published at one time and first seen by us at another."""

    @property
    def published_at(self) -> datetime: ...

    @property
    def first_seen_at(self) -> datetime: ...


Item = TypeVar("Item", bound=Dated)


def visible(items: Iterable[Item], now: datetime, *, replay: bool) -> tuple[Item, ...]:
    """Keep the items a decision at `now` may use, in their order.

    Live: those first seen by then. In a replay whose capture came later than publication
    (`replay`), those published by then. Nothing published after `now` is ever visible.
    """
    return tuple(item for item in items if item.published_at <= now and (replay or item.first_seen_at <= now))


def news_score(classifications: Iterable[Classification], *, now: datetime, half_life: timedelta) -> float:
    """Weigh one ticker's classifications into -1..1: sum(w s) / max(1, sum w); 0 without news.

    w = relevance x novelty x 2^(-age / half_life), age from publication; items from after `now`
    or older than six half-lives weigh nothing. `half_life` > 0, else ValueError.
    """
    if half_life <= timedelta(0):
        raise ValueError(f"news half-life: expected more than 0, was {half_life}")
    weights, products = [], []
    for entry in classifications:
        age = now - entry.published_at
        if timedelta(0) <= age <= _HALF_LIVES_KEPT * half_life:
            weight = entry.relevance * entry.novelty * math.pow(2.0, -(age / half_life))
            weights.append(weight)
            products.append(weight * entry.sentiment)
    return round_event_float(math.fsum(products) / max(1.0, math.fsum(weights)))
