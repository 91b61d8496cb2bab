"""Brings new headlines in, once each. Shell."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from ops_pipeline.domain.records import StepReport
from ops_pipeline.ports import NewsSource, NewsStore
from ops_pipeline.stages.news_ingest.dedupe import DedupeRules, dedupe

# Where nothing is stored yet: a weekend with a holiday, and a day to spare.
_FIRST_LOOK = timedelta(days=5)
# Items seen at one instant may be cut apart by a fetch; identity drops what comes twice.
_OVERLAP = timedelta(seconds=90)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewsIngestPorts:
    """Where headlines come from and go to."""

    source: NewsSource
    store: NewsStore


def run_once(now: datetime, ports: NewsIngestPorts, rules: DedupeRules) -> StepReport:
    """Fetch what was first seen since the newest stored item, link near-duplicates, store."""
    # gather
    recent = ports.store.news_since(now - max(rules.window, _FIRST_LOOK))
    newest = max((item.first_seen_at for item in recent), default=None)
    since = newest - _OVERLAP if newest else now - _FIRST_LOOK
    known = {item.news_id: item.tickers for item in recent}
    fetched = ports.source.fetch(since=since, now=now)
    incoming = [item for item in fetched if known.get(item.news_id) != item.tickers]
    if not incoming:
        return StepReport(stage="news_ingest", now=now, read=len(fetched))
    # decide
    found = dedupe(incoming, recent, rules)
    # apply
    if found.fresh:
        ports.store.add_news(found.fresh)
    if found.enriched:
        ports.store.enrich_news(found.enriched)
    return StepReport(stage="news_ingest", now=now, read=len(fetched), decided=len(found.fresh))
