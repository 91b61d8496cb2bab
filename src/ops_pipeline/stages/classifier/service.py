"""Has every visible item read by a text model and stores what it says of each ticker. Shell."""

from dataclasses import dataclass
from datetime import datetime

from ops_pipeline.domain.news import Classification
from ops_pipeline.domain.records import Failed, StepReport
from ops_pipeline.ports import NewsStore, TextModel
from ops_pipeline.stages.classifier.rules import classify
from ops_pipeline.stages.classifier.tickers import Universe

_BATCH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifierPorts:
    """The items, the model that reads them and the companies to look for."""

    store: NewsStore
    model: TextModel
    universe: Universe


def run_once(now: datetime, ports: ClassifierPorts) -> StepReport:
    """Classify the items not read yet; one that fails is marked read and reported."""
    # gather
    items = ports.store.unclassified(now=now, limit=_BATCH)
    if not items:
        return StepReport(stage="classifier", now=now)
    # decide
    rows: list[Classification] = []
    failed: list[Failed] = []
    for item in items:
        try:
            rows += classify(item, ports.model.score, ports.universe, model_version=ports.model.version)
        except ValueError as error:
            failed.append(Failed(item=item.news_id, error=str(error)))
    # apply
    ports.store.add_classifications([item.news_id for item in items], rows)
    return StepReport(stage="classifier", now=now, read=len(items), decided=len(rows), failed=tuple(failed))
