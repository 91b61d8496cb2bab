"""The gates in order, and for each the change that makes it alone refuse an entry."""

from dataclasses import replace
from datetime import date, timedelta

from ops_pipeline.domain.accounts import ControlLevel, DayTradePolicy, Mode
from ops_pipeline.domain.market import Trust
from ops_pipeline.domain.orders import GateResult
from ops_pipeline.domain.records import EarningsDate
from ops_pipeline.domain.signals import Strategy
from ops_pipeline.domain.units import AccountId
from ops_pipeline.stages.dispatcher.context import Household
from ops_pipeline.stages.dispatcher.exposure import Book, GreekTotals
from tests.builders_dispatch import (
    NOW,
    SESSION,
    Scene,
    line_of,
    scene_of,
    signal_of,
    usd,
)

# RULEBOOK 8 in order; IV rank, contract and size are judged while planning.
GATES = [
    *[
        "account",
        "mode",
        "control",
        "reconciliation",
        "updates",
        "blocked",
        "session",
        "bar",
        "features",
        "signal_age",
        "confidence",
        "duplicate",
    ],
    *[
        "positions",
        "day_loss",
        "losses_in_row",
        "trades_today",
        "cooldown",
        "day_trades",
        "earnings",
        "regime",
    ],
    *["iv_rank", "contract", "size"],
    *[
        "order",
        "quote",
        "premium_at_risk",
        "sector",
        "premium_today",
        "buying_power",
        "dollar_delta",
        "vega",
        "theta",
        "household",
    ],
    *[
        "deliverable",
        "dte",
        "spread",
        "mid",
        "volume",
        "open_interest",
        "delta",
        "score",
        "cost",
        "order_budget",
    ],
]


def book(*lines):
    return Book(lines=lines)


def swing() -> Scene:
    return scene_of(signal_of(strategy=Strategy.SWING))


def planned_without(scene: Scene, name: str) -> Scene:
    results = tuple(
        GateResult(name, False, "", "") if result.name == name else result
        for result in scene.candidate.planned
    )
    return scene.with_(candidate__planned=results)


BLOCKED = {
    "account": lambda s: s.with_(account__broker__number="PA2"),
    "mode": lambda s: s.with_(account__profile__mode=Mode.SHADOW),
    "control": lambda s: s.with_(account__control=ControlLevel.REDUCE_ONLY),
    "reconciliation": lambda s: s.with_(account__breaks=("XOM260821C00100000",)),
    "updates": lambda s: s.with_(account__stream="silent for 31 s"),
    "blocked": lambda s: s.with_(account__blocked={"AAPL": None}),
    "session": lambda s: s.with_(account__session=replace(SESSION, open_at=NOW - timedelta(minutes=4))),
    "bar": lambda s: s.with_(market__features__bar_at=NOW - timedelta(seconds=121)),
    "features": lambda s: s.with_(market__features__ticker="MSFT"),
    "signal_age": lambda s: s.with_(candidate__signal__as_of=NOW - timedelta(seconds=301)),
    "confidence": lambda s: s.with_(candidate__signal__confidence=0.6999),
    "duplicate": lambda s: s.with_(account__book=book(line_of("AAPL", strike="190"))),
    "positions": lambda s: s.with_(
        account__book=book(*(line_of("XOM", strike=str(strike)) for strike in range(50, 55)))
    ),
    "day_loss": lambda s: s.with_(account__broker__last_equity=usd(25_000)),
    "losses_in_row": lambda s: s.with_(account__day__losses_in_row=3),
    "trades_today": lambda s: s.with_(account__day__trades={"AAPL": 2}),
    "cooldown": lambda s: s.with_(account__day__last_trade_at={"AAPL": NOW - timedelta(minutes=14)}),
    "day_trades": lambda s: s.with_(
        account__profile__day_trade_policy=DayTradePolicy.LEGACY_PDT, account__day__day_trades=3
    ),
    "earnings": lambda _: swing().with_(
        rules__gates__earnings=1, market__earnings=EarningsDate(ticker="AAPL", session=date(2026, 9, 3))
    ),
    "regime": lambda s: s.with_(market__regime__value=40.0),
    "iv_rank": lambda s: planned_without(s, "iv_rank"),
    "contract": lambda s: planned_without(s, "contract"),
    "size": lambda s: planned_without(s, "size"),
    "order": lambda s: s.with_(candidate__offer__intent__account=AccountId("two")),
    "quote": lambda s: s.with_(candidate__offer__trust=Trust.STALE),
    "premium_at_risk": lambda s: s.with_(account__book=book(line_of("XOM", "4100"))),
    "sector": lambda s: s.with_(account__book=book(line_of("MSFT", "1800"))),
    "premium_today": lambda s: s.with_(account__day__premium=usd(4_100)),
    "buying_power": lambda s: s.with_(account__broker__options_buying_power=usd(500)),
    "dollar_delta": lambda s: s.with_(account__book=book(line_of(greeks=GreekTotals(usd(7_000), 0, 0)))),
    "vega": lambda s: s.with_(account__book=book(line_of(greeks=GreekTotals(0, usd(200), 0)))),
    "theta": lambda s: s.with_(account__book=book(line_of(greeks=GreekTotals(0, 0, -usd(230))))),
    "household": lambda s: s.with_(account__household=Household(equity=usd(24_000), premium=usd(23_500))),
    "deliverable": lambda s: s.with_(candidate__offer__contract__adjusted=True),
    "dte": lambda s: s.with_(candidate__offer__dte_max=2),
    "spread": lambda s: s.with_(
        candidate__offer__quote__bid=usd("3.60"),
        rules__contract__least_score=0.0,
        rules__contract__cost_max_of_stop=1.0,
    ),
    "mid": lambda s: s.with_(
        candidate__offer__quote__bid=usd("0.29"), candidate__offer__quote__ask=usd("0.29")
    ),
    "volume": lambda s: s.with_(candidate__offer__quote__volume=61, candidate__offer__quote__bid=usd("3.98")),
    "open_interest": lambda s: s.with_(candidate__offer__quote__open_interest=99),
    "delta": lambda s: s.with_(candidate__offer__delta=0.71, candidate__offer__quote__delta=0.71),
    "score": lambda s: s.with_(rules__contract__least_score=95.0),
    "cost": lambda s: s.with_(rules__contract__cost_max_of_stop=0.05),
    "order_budget": lambda s: s.with_(candidate__offer__intent__budget=usd(700)),
}
