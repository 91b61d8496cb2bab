"""The real services as the laboratory runs them: fed by hand, over any store, broker and clock. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from ops_pipeline.domain.market import Interval
from ops_pipeline.domain.units import AccountId
from ops_pipeline.engine.budgeted import RateBudget
from ops_pipeline.engine.parts import Cadences, Parts
from ops_pipeline.engine.tick import Engine
from ops_pipeline.engine.wiring import Wiring
from ops_pipeline.ports import Broker, Calendar, Clock, OrderStream, Store
from ops_pipeline.stages.classifier.tickers import build_universe
from ops_pipeline.verify.inputs import Silence, profile_of
from ops_pipeline.verify.market import LabMarket
from ops_pipeline.verify.terms import LabAccount, LabBook

# The jobs that may move money; what feeds them is written by the laboratory itself.
_JOBS = ("position_manager", "dispatcher")


def parts_of(
    book: LabBook,
    *,
    store: Store,
    market: LabMarket,
    accounts: Sequence[LabAccount],
    brokers: Mapping[AccountId, Broker],
    clock: Clock,
    calendar: Calendar,
    streams: Mapping[AccountId, OrderStream] | None = None,
) -> Parts:
    """Give what the services are made of."""
    silence = Silence()
    return Parts(
        book=book,
        store=store,
        market=market,
        news=silence,
        model=silence,
        universe=build_universe({}),
        calendar=calendar,
        symbols=(),
        intervals=(Interval.MINUTE, Interval.DAY),
        profiles=tuple(profile_of(account) for account in accounts),
        brokers=brokers,
        budgets={name: RateBudget(book.rate_rules(), clock) for name in brokers},
        cadences=Cadences(
            iv_every=timedelta(hours=1), daily_every=timedelta(minutes=5), retry_every=timedelta(0)
        ),
        recorded=False,
        streams=streams or {},
    )


def engine_of(wiring: Wiring) -> Engine:
    """Give the driver of the jobs that may move money."""
    machinery = wiring.machinery()
    rows = tuple(row for row in machinery.rows if row.job.name in _JOBS)
    return Engine(replace(machinery, rows=rows))
