"""Exits that get in each other's way: many at once, and beside orders whose fills are not told."""

from dataclasses import replace
from datetime import timedelta

import pytest

from ops_pipeline.app.settings import Settings
from ops_pipeline.domain.accounts import ControlLevel
from ops_pipeline.domain.controls import PositionWished
from ops_pipeline.domain.orders import OrderState, Purpose
from ops_pipeline.domain.signals import Strategy
from ops_pipeline.domain.units import AccountId, to_usd4
from ops_pipeline.verify.crash import open_lab, run_on
from ops_pipeline.verify.fuse import Fuse
from ops_pipeline.verify.lab import Act
from ops_pipeline.verify.market import HALF_DAY, LabMarket, at
from ops_pipeline.verify.scenario import CALL, LARGE, LATER, Plan, holding, level, market, signal
from ops_pipeline.verify.scenarios_crowd import _OLD, _ROLL_DAY, _features
from ops_pipeline.verify.terms import Direct, LabAccount

RICH = LabAccount(id=AccountId("rich"), cash=to_usd4("1000000"), options_level=2)
ROLLER = LabAccount(id=AccountId("rich"), cash=to_usd4("240000"), options_level=2)
READS = ("account", "positions", "orders", "order", "activities")


class Between:
    """A broker behind something that `around` makes of each of its answers."""

    def __init__(self, inner, around):
        self.inner, self.around = inner, around

    def __getattr__(self, name):
        return self.around(name, getattr(self.inner, name))


def network(around):
    class Net(Direct):
        def connect(self, account, oracle):
            return Between(oracle, around(oracle))

    return Net


def hiding_fills_of(mark):
    """Tell no fill of the orders whose id has `mark` in it."""

    def around(_oracle):
        def wrap(name, method):
            if name != "activities":
                return method
            return lambda **kw: [
                row for row in method(**kw) if not (row.fill and mark in row.fill.client_order_id)
            ]

        return wrap

    return network(around)


def canceling_after(seconds):
    """Confirm each cancel so many seconds after it was first asked for."""

    def around(oracle):
        due = {}

        def settle():
            for order_id, then in list(due.items()):
                if then <= oracle._clock.now():
                    oracle.cancel(order_id)
                    del due[order_id]

        def wrap(name, method):
            if name == "cancel":
                return lambda order_id: due.setdefault(
                    order_id, oracle._clock.now() + timedelta(seconds=seconds)
                )
            if name not in READS:
                return method

            def read(*args, **kw):
                settle()
                return method(*args, **kw)

            return read

        return wrap

    return network(around)


def ran(plan, tmp_path, clocked=None):
    lab = open_lab(plan, Settings(), tmp_path, Fuse())
    if clocked is not None:
        clocked.append(lab.clock)
    run_on(lab, plan)
    return lab


def occ(ticker):
    return f"{ticker}260410C00500000"


def closed_at(ledger):
    return sorted(position.closed_at for position in ledger.positions.values() if position.closed_at)


@pytest.mark.parametrize("confirmed_after_s", [None, 2.0], ids=["at once", "after 2 s"])
def test_flatten_gets_out_of_25_positions_whose_stops_rest_unsold(tmp_path, confirmed_after_s):
    tickers = [f"{first}{second}" for first in "ABCDE" for second in "GHIJK"]
    prices = LabMarket()
    for ticker in tickers:
        prices.put(at(14, 30), "1.20", "1.20", occ=occ(ticker))
        prices.put(at(14, 41), "0.85", "0.90", occ=occ(ticker), size=0)
        prices.put(at(14, 42, 5), "0.70", "0.75", occ=occ(ticker), size=100)
    held = [holding(account=RICH, ticker=ticker) for ticker in tickers]
    plan = Plan(
        market=prices,
        accounts=(RICH,),
        acts=[*held, level(ControlLevel.FLATTEN, at(14, 42), account=RICH)],
        end=at(14, 50),
        network=None if confirmed_after_s is None else canceling_after(confirmed_after_s),
    )
    ledger = ran(plan, tmp_path).ledger(RICH.id)
    assert len(closed_at(ledger)) == len(tickers)
    assert closed_at(ledger)[-1] <= at(14, 43)


def test_the_least_of_13_resting_exits_is_repriced_where_requests_are_slow(tmp_path):
    tickers = [f"{first}{second}" for first in "AB" for second in "GHIJKL"]
    prices = LabMarket()
    for ticker in [*tickers, "ZZ"]:
        prices.put(at(14, 30), "1.20", "1.20", occ=occ(ticker))
        prices.put(at(14, 41), "0.85", "0.90", occ=occ(ticker), size=0)
    prices.put(at(14, 43), "0.60", "0.62", occ=occ("ZZ"), size=100)
    clocks = []

    def around(_oracle):
        def wrap(name, method):
            if name not in (*READS, "submit", "cancel"):
                return method

            def slow(*args, **kw):
                if clocks and clocks[0].now() > at(14, 42):
                    clocks[0].move_to(clocks[0].now() + timedelta(seconds=0.8))
                return method(*args, **kw)

            return slow

        return wrap

    held = [holding(10, account=RICH, ticker=ticker) for ticker in tickers]
    plan = Plan(
        market=prices,
        accounts=(RICH,),
        acts=[*held, holding(1, account=RICH, ticker="ZZ")],
        end=at(14, 50),
        network=network(around),
    )
    ledger = ran(plan, tmp_path, clocks).ledger(RICH.id)
    least = next(p for p in ledger.positions.values() if p.contract.underlying == "ZZ")
    assert least.closed_at is not None
    assert least.closed_at < at(14, 45)


def wished(keep, when, account=LARGE):
    """A person wants so many kept of the position that was opened first."""

    def do(lab):
        position = next(iter(lab.ledger(account.id).positions))
        wish = PositionWished(position_id=position, keep=keep, reason="sell it", actor="operator")
        lab.process.store.commit(account.id, [wish], at=lab.clock.now())

    return Act(at=when, do=do)


@pytest.mark.parametrize(("keep", "left"), [(0, 0), (1, 2)], ids=["all", "a part"])
def test_a_person_sells_what_is_left_beside_a_part_whose_fill_is_untold(tmp_path, keep, left):
    """All of it at once; a part only once it is known what the other part sold."""
    prices = market(size=100)
    prices.put(at(14, 41), "1.85", "1.90", occ=CALL, size=1)
    prices.put(at(14, 41, 14), "1.85", "1.90", occ=CALL, size=0)
    prices.put(at(14, 44), "1.70", "1.72", occ=CALL, size=100)
    plan = Plan(
        market=prices,
        acts=[holding(), wished(keep, at(14, 45))],
        end=at(14, 52),
        network=hiding_fills_of("-t-"),
    )
    lab = ran(plan, tmp_path)
    part = next(o for o in lab.ledger(LARGE.id).orders.values() if o.intent.purpose is Purpose.TIER)
    assert (part.state, part.cum, part.booked) == (OrderState.QUARANTINED, 2, 0)
    assert sum(row.qty for row in lab.oracles[LARGE.id].positions()) == left


def test_a_day_trade_is_sold_by_the_close_beside_a_part_whose_fill_is_untold(tmp_path):
    day, near = HALF_DAY, "META260313C00500000"
    prices = LabMarket()
    prices.put(at(14, 30, day=day), "1.20", "1.20", occ=near, size=100)
    prices.put(at(16, 2, day=day), "1.85", "1.90", occ=near, size=1)
    prices.put(at(16, 2, 14, day=day), "1.85", "1.90", occ=near, size=0)
    prices.put(at(16, 5, day=day), "1.80", "1.82", occ=near, size=100)
    plan = Plan(
        market=prices,
        start=at(15, 59, day=day),
        acts=[signal(at(15, 59, day=day), strategy=Strategy.DAY)],
        idle_from=at(16, 12, day=day),
        idle_until=at(17, 53, day=day),
        end=at(18, 8, day=day),
        network=hiding_fills_of("-t-"),
    )
    lab = ran(plan, tmp_path)
    states = {order.intent.purpose: order.state for order in lab.ledger(LARGE.id).orders.values()}
    assert states[Purpose.TIER] is OrderState.QUARANTINED
    assert not lab.oracles[LARGE.id].positions()


def rolling(quotes, acts, *, until, network=None):
    """A roll at 15:00 of four contracts of which one is sold at 15:00:10; then what is quoted and done."""
    prices = LabMarket()
    prices.put(at(14, 30), "1.20", "1.20", occ=_OLD)
    prices.put(at(14, day=_ROLL_DAY), "1.18", "1.20", occ=_OLD, size=0)
    prices.put(at(14, day=_ROLL_DAY), "1.60", "1.62", occ=LATER, size=100)
    prices.put(at(15, 0, 10, day=_ROLL_DAY), "1.18", "1.20", occ=_OLD, size=1)
    for when, bid, ask, size in quotes:
        prices.put(when, bid, ask, occ=_OLD, size=size)
    return Plan(
        market=prices,
        accounts=(ROLLER,),
        acts=[holding(account=ROLLER), Act(at=at(15, day=_ROLL_DAY), do=_features), *acts],
        idle_from=at(14, 41),
        idle_until=at(15, day=_ROLL_DAY),
        end=until,
        network=network,
    )


@pytest.mark.parametrize("flattened", [False, True], ids=["stop", "flatten"])
def test_a_roll_whose_sale_is_untold_keeps_no_exit_waiting(tmp_path, flattened):
    bid, ask = ("1.10", "1.15") if flattened else ("0.80", "0.85")
    quotes = [
        (at(15, 0, 30, day=_ROLL_DAY), "1.18", "1.20", 0),
        (at(15, 4, day=_ROLL_DAY), bid, ask, 100),
    ]
    acts = [level(ControlLevel.FLATTEN, at(15, 6, day=_ROLL_DAY), account=ROLLER)] if flattened else []
    plan = rolling(quotes, acts, until=at(15, 15, day=_ROLL_DAY), network=hiding_fills_of("-c-"))
    lab = ran(plan, tmp_path)
    states = {order.intent.purpose: order.state for order in lab.ledger(ROLLER.id).orders.values()}
    assert states[Purpose.ROLL_CLOSE] is OrderState.QUARANTINED
    assert not [row for row in lab.oracles[ROLLER.id].positions() if row.symbol == _OLD]


def test_cancels_that_hang_leave_requests_to_the_others(tmp_path):
    """Thirty orders whose cancel the broker never confirms; the thirty-first is repriced and sold."""
    tickers = [f"{first}{second}" for first in "ABCDE" for second in "GHIJKL"]
    prices = LabMarket()
    for ticker in [*tickers, "ZZ"]:
        prices.put(at(14, 30), "1.20", "1.20", occ=occ(ticker))
    for ticker in tickers:
        prices.put(at(14, 41), "0.85", "0.90", occ=occ(ticker), size=0)
    prices.put(at(14, 41), "1.19", "1.21", occ=occ("ZZ"), size=0)
    prices.put(at(14, 43), "1.00", "1.01", occ=occ("ZZ"), size=100)

    def around(oracle):
        def wrap(name, method):
            if name != "cancel":
                return method

            def cancel(order_id):
                if oracle.book.orders[order_id].legs[0].occ.startswith("ZZ"):
                    method(order_id)

            return cancel

        return wrap

    held = [holding(account=RICH, ticker=ticker) for ticker in [*tickers, "ZZ"]]
    plan = Plan(
        market=prices,
        accounts=(RICH,),
        acts=[*held, level(ControlLevel.FLATTEN, at(14, 42), account=RICH)],
        end=at(14, 46),
        network=network(around),
    )
    ledger = ran(plan, tmp_path).ledger(RICH.id)
    [sold] = closed_at(ledger)
    assert sold < at(14, 43, 30)


@pytest.mark.parametrize("by_hand", [False, True], ids=["stop", "person"])
def test_a_roll_that_an_exit_outruns_buys_no_successor(tmp_path, by_hand):
    bid, ask = ("1.18", "1.20") if by_hand else ("0.80", "0.85")
    quotes = [
        (at(15, 0, 12, day=_ROLL_DAY), "1.18", "1.20", 0),
        (at(15, 0, 13, day=_ROLL_DAY), bid, ask, 0 if by_hand else 100),
        (at(15, 0, 25, day=_ROLL_DAY), bid, ask, 100),
    ]
    acts = [wished(0, at(15, 0, 20, day=_ROLL_DAY), ROLLER)] if by_hand else []
    lab = ran(rolling(quotes, acts, until=at(15, 5, day=_ROLL_DAY)), tmp_path)
    assert [roll.state for roll in lab.ledger(ROLLER.id).rolls.values()] == ["closed_only"]
    assert not lab.oracles[ROLLER.id].positions()


@pytest.mark.parametrize("flattened", [False, True], ids=["stop", "flatten"])
def test_a_contradicted_target_that_still_rests_is_cancelled_for_what_must_get_out(tmp_path, flattened):
    prices = market(size=100)
    prices.put(at(14, 41), "1.85", "1.90", occ=CALL, size=0)
    prices.put(at(14, 43), "0.80", "0.85", occ=CALL, size=0)
    prices.put(at(14, 44), "0.80", "0.85", occ=CALL, size=100)

    def around(oracle):
        def wrap(name, method):
            if name != "orders":
                return method

            def shown(**kw):
                rows = method(**kw)
                if not at(14, 41, 1) <= oracle._clock.now() < at(14, 41, 16):
                    return rows
                return [row if row.status.is_terminal else replace(row, cum=2) for row in rows]

            return shown

        return wrap

    acts = [holding(), *([level(ControlLevel.FLATTEN, at(14, 44))] if flattened else [])]
    plan = Plan(market=prices, acts=acts, end=at(14, 50), network=network(around))
    lab = ran(plan, tmp_path)
    states = {order.intent.purpose: order.state for order in lab.ledger(LARGE.id).orders.values()}
    assert states[Purpose.TIER] is OrderState.QUARANTINED
    assert not lab.oracles[LARGE.id].positions()
