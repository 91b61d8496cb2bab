"""Headlines about the world's companies; only the words carry what they mean. Pure."""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

from ops_pipeline.adapters.simulator import headlines
from ops_pipeline.adapters.simulator.draws import choose, draw_words, uniform
from ops_pipeline.adapters.simulator.names import NameProfile
from ops_pipeline.adapters.simulator.recent import Recent
from ops_pipeline.adapters.simulator.stories import Story, tell_stories
from ops_pipeline.adapters.simulator.timeline import Timeline
from ops_pipeline.adapters.simulator.world_rules import WorldRules
from ops_pipeline.domain.news import NewsItem, identify_news

# News reaches this many sessions before the first one, so that a first decision has some to read.
FIRST_NEWS = -3
_REPEATED = 0.3
_HINTED = 0.35
_LONGEST_DELAY = timedelta(minutes=12)


class Newswire:
    """The stream of items, derived session by session from the same stories that move the prices."""

    def __init__(self, rules: WorldRules, timeline: Timeline) -> None:
        self._rules = rules
        self._timeline = timeline
        self._items: Recent[int, tuple[NewsItem, ...]] = Recent(rules.remembered_sessions + 2)

    def fetch(self, *, since: datetime, now: datetime) -> Sequence[NewsItem]:
        """Give items first seen in (since, now], oldest first."""
        first = max(FIRST_NEWS, self._timeline.at(since - _LONGEST_DELAY).day)
        last = self._timeline.at(now).day + 1
        return [
            item
            for index in range(first, last + 1)
            for item in self._items.get(index, partial(self._session, index))
            if since < item.first_seen_at <= now
        ]

    def _session(self, index: int) -> tuple[NewsItem, ...]:
        """Write all items of a session and the night before it."""
        items: list[NewsItem] = []
        told: list[tuple[datetime, NameProfile, Story]] = []
        for name in self._rules.names:
            for number, story in enumerate(tell_stories(self._rules, name, index)):
                at = self._instant(index, story.when)
                told.append((at, name, story))
                items.extend(self._write(name, story, at, (index, number)))
        items.extend(self._roundups(index, told))
        return tuple(sorted(items, key=lambda item: (item.first_seen_at, item.news_id)))

    def _instant(self, index: int, when: float) -> datetime:
        session = self._timeline.session(index)
        start = session.open_at if when >= 0.0 else self._timeline.session(index - 1).close_at
        span = (session.close_at if when >= 0.0 else session.open_at) - start
        share = when if when >= 0.0 else 1.0 + when
        return start + timedelta(seconds=int(share * span.total_seconds()))

    def _write(self, name: NameProfile, story: Story, at: datetime, place: tuple[int, int]) -> list[NewsItem]:
        """Write one story, and sometimes a second source's version minutes later."""
        words = draw_words(24, self._rules.seed, name.ticker, "wording", *place, story.word)
        slots = _slots(name, words)
        phrase = choose(_phrases(story), words[0])
        headline = choose(headlines.LEADS, words[1]) + phrase.format_map(slots)
        body = choose(headlines.BODIES, words[2]).format_map(slots)
        hints = (name.ticker,) if uniform(words[3]) < _HINTED else ()
        source = words[4] % len(headlines.SOURCES)
        items = [_item(source, at, words[5], headline, body, hints)]
        if uniform(words[6]) < _REPEATED:
            later = at + timedelta(seconds=90 + words[7] % 480)
            other = (source + 1 + words[8] % (len(headlines.SOURCES) - 1)) % len(headlines.SOURCES)
            items.append(_item(other, later, words[9], _reworded(headline, words[10]), body, ()))
        return items

    def _roundups(self, index: int, told: list[tuple[datetime, NameProfile, Story]]) -> list[NewsItem]:
        """Write up to two items that name three companies each, after something was told of them."""
        items = []
        words = draw_words(12, self._rules.seed, "roundups", index)
        for number in range(2):
            drawn = words[6 * number : 6 * number + 6]
            at = self._instant(index, 0.02 + 0.9 * uniform(drawn[0]))
            known = {
                name.ticker: (name, story)
                for when, name, story in sorted(told, key=lambda entry: (entry[0], entry[1].ticker))
                if when < at
            }
            if len(known) < 3 or uniform(drawn[1]) > 0.7:
                continue
            ranked = sorted(known.values(), key=lambda entry: (-entry[1].sign, entry[0].ticker))
            middle = ranked[1 + drawn[2] % (len(ranked) - 2)][0]
            slots = {"first": ranked[0][0].aliases[-1], "second": ranked[-1][0].aliases[-1]}
            slots["third"] = middle.aliases[-1]
            headline = choose(headlines.ROUNDUPS, drawn[3]).format_map(slots)
            items.append(_item(drawn[4] % 4, at, drawn[5], headline, "", ()))
        return items


def _phrases(story: Story) -> headlines.Phrases:
    if story.sign == 0:
        return headlines.NEUTRAL
    return headlines.GOOD[story.kind] if story.sign > 0 else headlines.BAD[story.kind]


def _slots(name: NameProfile, words: tuple[int, ...]) -> dict[str, str]:
    """Fill the slots; a company is called by an alias, with its exchange tag or by its cashtag."""
    style = words[11] % 10
    called = choose(name.aliases, words[12])
    if style < 2:
        called = f"{called} (NYSE: {name.ticker})"
    elif style == 2:
        called = f"${name.ticker}"
    step = 5 if name.price > 100 else 1
    usd = math.ceil(name.price * (1.05 + 0.3 * uniform(words[13])) / step) * step
    low = math.floor(name.price * (0.7 + 0.25 * uniform(words[14])) / step) * step
    return {
        "name": called,
        "product": name.product,
        "period": choose(headlines.PERIODS, words[15]),
        "pct": f"{1 + words[16] % 70 / 10:.1f}",
        "big": str(8 + words[17] % 40),
        "usd": str(usd),
        "low": str(low),
        "money": f"${1 + words[18] % 90 / 10:.1f} billion"
        if words[18] & 1
        else f"${40 + words[18] % 900} million",
        "firm": choose(headlines.FIRMS, words[19]),
        "other": choose(headlines.OTHERS, words[20]),
        "place": choose(headlines.PLACES, words[21]),
    }


def _reworded(headline: str, word: int) -> str:
    """Say almost the same, as a second source would."""
    text = headline
    for lead in headlines.LEADS:
        text = text.removeprefix(lead)
    start = word % len(headlines.REWORDINGS)
    for offset in range(len(headlines.REWORDINGS)):
        old, new = headlines.REWORDINGS[(start + offset) % len(headlines.REWORDINGS)]
        if old in text:
            return text.replace(old, new, 1)
    return f"{text} - report"


def _item(source: int, at: datetime, word: int, headline: str, body: str, hints: tuple[str, ...]) -> NewsItem:
    called, host = headlines.SOURCES[source]
    url = f"https://{host}/{at:%Y/%m/%d}/{word % 10**10:010d}"
    return NewsItem(
        news_id=identify_news(called, url),
        source=called,
        url=url,
        published_at=at,
        first_seen_at=at + timedelta(seconds=2 + word % 58),
        headline=headline,
        body=body,
        tickers=hints,
    )
