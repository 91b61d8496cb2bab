"""The venue's newswire. Shell."""

from datetime import timedelta
from typing import Any

from ops_pipeline.domain.news import NewsItem
from ops_pipeline.simserver.calls import Call, Reply
from ops_pipeline.simserver.money import stamp
from ops_pipeline.simserver.query import choice_of, count_of, instant_of, place_of, token, words_of

DEFAULT_ITEMS, MOST_ITEMS = 10, 50
_DEFAULT_REACH = timedelta(days=7)
# An item is told up to a quarter of an hour after it was published.
_LONGEST_DELAY = timedelta(minutes=15)


def listing(call: Call) -> Reply:
    """Answer GET /v1beta1/news: what has been told by now and was published in the bounds."""
    query = call.query
    limit = count_of(query, "limit", default=DEFAULT_ITEMS, most=MOST_ITEMS)
    newest_first = choice_of(query, "sort", ("asc", "desc"), default="desc") == "desc"
    end = instant_of(query, "end") or call.now
    start = instant_of(query, "start") or min(end, call.now) - _DEFAULT_REACH
    symbols = set(words_of(query, "symbols"))
    told = call.venue.world.fetch(since=start - timedelta(seconds=1), now=min(call.now, end + _LONGEST_DELAY))
    items = sorted(
        (
            item
            for item in told
            if start <= item.published_at <= end and (not symbols or symbols & set(item.tickers))
        ),
        key=lambda item: (item.published_at, item.news_id),
        reverse=newest_first,
    )
    after = place_of(query)
    if after:
        places = [place for place, item in enumerate(items) if item.news_id == after]
        items = items[places[0] + 1 :] if places else []
    more = token(items[limit - 1].news_id) if len(items) > limit else None
    return Reply({"news": [item_json(item) for item in items[:limit]], "next_page_token": more})


def item_json(item: NewsItem) -> dict[str, Any]:
    """Give an item; one without a body repeats its headline, for the field may not be empty."""
    return {
        "id": int(item.news_id[:12], 16),
        "headline": item.headline,
        "author": item.source,
        "created_at": stamp(item.published_at),
        "updated_at": stamp(item.published_at),
        "summary": item.body or item.headline,
        "content": item.body or item.headline,
        "images": [],
        "symbols": list(item.tickers),
        "source": item.source,
        "url": item.url,
    }
