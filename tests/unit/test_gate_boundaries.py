"""Every gate flips exactly at its stated boundary and not before."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from ops_pipeline.domain.orders import Leg, Side
from ops_pipeline.domain.records import EarningsDate
from ops_pipeline.stages.dispatcher.context import Household
from tests.builders_dispatch import (
    DAY,
    NOW,
    SESSION,
    contract_of,
    line_of,
    quote_of,
    scene_of,
    usd,
)
from tests.builders_gates import BLOCKED, book, swing

# The change that stands exactly at the stated boundary, and the least one beyond it.
EDGES = {
    "session": (
        lambda s: s.with_(account__session=replace(SESSION, open_at=NOW - timedelta(minutes=5))),
        lambda s: s.with_(
            account__session=replace(SESSION, open_at=NOW - timedelta(minutes=5) + timedelta(seconds=1))
        ),
    ),
    "session before the close": (
        lambda s: s.with_(
            account__session=replace(SESSION, close_at=NOW + timedelta(minutes=120, seconds=1))
        ),
        lambda s: s.with_(account__session=replace(SESSION, close_at=NOW + timedelta(minutes=120))),
    ),
    "bar": (
        lambda s: s.with_(market__features__bar_at=NOW - timedelta(seconds=120)),
        BLOCKED["bar"],
    ),
    "signal_age": (
        lambda s: s.with_(candidate__signal__as_of=NOW - timedelta(seconds=300)),
        BLOCKED["signal_age"],
    ),
    "confidence": (lambda s: s.with_(candidate__signal__confidence=0.70), BLOCKED["confidence"]),
    "positions": (
        lambda s: s.with_(
            account__book=book(*(line_of("XOM", strike=str(strike)) for strike in range(50, 54)))
        ),
        BLOCKED["positions"],
    ),
    "day_loss": (
        lambda s: s.with_(account__broker__last_equity=usd("24999.99")),
        BLOCKED["day_loss"],
    ),
    "losses_in_row": (lambda s: s.with_(account__day__losses_in_row=2), BLOCKED["losses_in_row"]),
    "trades_today": (lambda s: s.with_(account__day__trades={"AAPL": 1}), BLOCKED["trades_today"]),
    "cooldown": (
        lambda s: s.with_(account__day__last_trade_at={"AAPL": NOW - timedelta(minutes=15)}),
        BLOCKED["cooldown"],
    ),
    "regime": (lambda s: s.with_(market__regime__value=39.99), BLOCKED["regime"]),
    "open_interest": (
        lambda s: s.with_(candidate__offer__quote__open_interest=100),
        BLOCKED["open_interest"],
    ),
    "volume": (
        lambda s: s.with_(candidate__offer__quote__volume=62, candidate__offer__quote__bid=usd("3.98")),
        BLOCKED["volume"],
    ),
    "delta": (
        lambda s: s.with_(candidate__offer__delta=0.70, candidate__offer__quote__delta=0.70),
        BLOCKED["delta"],
    ),
    "mid": (
        lambda s: s.with_(candidate__offer__quote__bid=usd("0.30"), candidate__offer__quote__ask=usd("0.30")),
        BLOCKED["mid"],
    ),
    "dte": (lambda s: s.with_(candidate__offer__dte_max=3), BLOCKED["dte"]),
    "earnings": (
        lambda _: swing().with_(
            rules__gates__earnings=1, market__earnings=EarningsDate(ticker="AAPL", session=date(2026, 9, 26))
        ),
        lambda _: swing().with_(
            rules__gates__earnings=1, market__earnings=EarningsDate(ticker="AAPL", session=date(2026, 9, 25))
        ),
    ),
}


@pytest.mark.parametrize("name", sorted(EDGES))
def test_feature_05_gates_flip_exactly_at_their_stated_boundary(name):
    at, beyond = EDGES[name]
    gate = name.split(" ", maxsplit=1)[0]
    assert at(scene_of()).failing() == []
    assert beyond(scene_of()).failing() == [gate]


@pytest.mark.parametrize(
    ("name", "at", "beyond"),
    [
        ("premium_at_risk", lambda s, room: s.with_(account__book=book(line_of("XOM", room))), 4_800),
        ("premium_today", lambda s, room: s.with_(account__day__premium=usd(room)), 4_800),
        ("sector", lambda s, room: s.with_(account__book=book(line_of("MSFT", room))), 2_400),
        (
            "household",
            lambda s, room: s.with_(account__household=Household(equity=usd(24_000), premium=usd(room))),
            24_000,
        ),
    ],
)
def test_feature_05_gates_of_premium_flip_where_the_order_fills_the_cap(name, at, beyond):
    scene = scene_of()
    cost = scene.candidate.offer.intent.budget
    room = (usd(beyond) - cost) // 100
    assert at(scene, f"{room // 100}.{room % 100:02d}").failing() == []
    room += 1
    assert name in at(scene, f"{room // 100}.{room % 100:02d}").failing()


def test_entries_in_expiring_contracts_end_150_minutes_before_the_close():
    near = replace(SESSION, close_at=NOW + timedelta(minutes=150))
    expiring = contract_of(days=0)
    scene = scene_of().with_(
        candidate__offer__contract=expiring,
        candidate__offer__dte_min=0,
        candidate__offer__quote=quote_of(expiring),
        candidate__offer__intent__legs=(Leg(occ=expiring.occ, side=Side.BUY_TO_OPEN),),
    )
    assert scene.failing() == []
    assert scene.with_(account__session=near).failing() == ["session"]
    assert scene_of().with_(account__session=near).failing() == []


def test_daily_signals_stay_fresh_within_their_session_and_have_no_trade_count():
    scene = swing().with_(
        candidate__signal__as_of=NOW - timedelta(minutes=100), account__day__trades={"AAPL": 7}
    )
    assert scene.failing() == []
    assert scene.with_(candidate__signal__session=DAY - timedelta(days=1)).failing() == ["signal_age"]
    assert scene.with_(candidate__signal__confidence=0.55).failing() == []
    assert scene.with_(candidate__signal__confidence=0.5499).failing() == ["confidence"]
