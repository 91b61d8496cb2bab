"""Brings new headlines in, once each. Shell."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ops_pipeline.domain.news import NewsItem
from ops_pipeline.domain.records import Failed, StepReport
from ops_pipeline.ports import NewsSource, NewsStore
from ops_pipeline.stages.news_ingest.dedupe import DedupeRules, dedupe

# Where nothing is stored yet: a weekend with a holiday, and a day to spare.
_FIRST_LOOK = timedelta(days=5)
# Items seen at one instant may be cut apart by a fetch; identity drops what comes twice.
_OVERLAP = timedelta(seconds=90)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewsIngestPorts:
    """Where headlines come from and go to.

    `troubles` gives what went wrong with sources lately: it is reported and stops nothing. `seen`
    remembers the newest first-seen time (under "") while the process lives.
    """

    source: NewsSource
    store: NewsStore
    seen: dict[str, datetime]
    troubles: Callable[[], Sequence[Failed]] = tuple


def run_once(now: datetime, ports: NewsIngestPorts, rules: DedupeRules) -> StepReport:
    """Fetch what was first seen since the newest stored item, link near-duplicates, store."""
    # gather
    newest = ports.seen.get("") or _newest(ports.store.news_since(now - _FIRST_LOOK))
    fetched = ports.source.fetch(since=newest - _OVERLAP if newest else now - _FIRST_LOOK, now=now)
    failed = tuple(ports.troubles())
    if not fetched or (newest and max(item.first_seen_at for item in fetched) <= newest):
        return StepReport(stage="news_ingest", now=now, read=len(fetched), failed=failed)
    recent = ports.store.news_since(now - max(rules.window, _FIRST_LOOK))
    known = {item.news_id: item.tickers for item in recent}
    incoming = [item for item in fetched if known.get(item.news_id) != item.tickers]
    # decide
    found = dedupe(incoming, recent, rules)
    # apply
    ports.seen[""] = max(item.first_seen_at for item in fetched)
    if found.fresh:
        ports.store.add_news(found.fresh)
    if found.enriched:
        ports.store.enrich_news(found.enriched)
    return StepReport(
        stage="news_ingest", now=now, read=len(fetched), decided=len(found.fresh), failed=failed
    )


def _newest(items: Sequence[NewsItem]) -> datetime | None:
    return max((item.first_seen_at for item in items), default=None)
