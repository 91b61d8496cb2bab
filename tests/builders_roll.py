"""Positions that are due to be rolled, and what their rolls are planned from."""

from dataclasses import replace
from datetime import date, timedelta

from ops_pipeline.domain.accounts import AccountProfile, DayTradePolicy, Mode, Tier
from ops_pipeline.domain.features import IvRank, IvStatus
from ops_pipeline.domain.market import Interval
from ops_pipeline.domain.signals import Strategy
from ops_pipeline.domain.units import to_usd4
from ops_pipeline.engine.rulebook import entry_rules_on
from ops_pipeline.stages.dispatcher import service as dispatcher
from ops_pipeline.stages.dispatcher.context import GateContext, Household
from ops_pipeline.stages.position_manager.roll_plan import RollView, target_expiration
from tests.builders_market import ACCOUNT, CALL, LATER, NUMBER, Rig, at
from tests.builders_world import calendar

ROLL_DAY = date(2026, 3, 30)
MILLION = "1000000"
BEFORE_THREE = at(14, 59, day=ROLL_DAY)


def view_of(rig, position, *, now, session) -> RollView:
    """What the engine gathers for a roll; the IV rank is given, the rest is read."""
    rules = entry_rules_on(rig.settings, ACCOUNT, ROLL_DAY, rig.tier)
    ports = dispatcher.DispatcherPorts(
        desk=rig.desk,
        profile=AccountProfile(
            id=ACCOUNT,
            number=NUMBER,
            mode=Mode.TRADE,
            start_equity=to_usd4(rig.cash),
            day_trade_policy=DayTradePolicy.NONE,
        ),
        store=rig.store,
        market=rig.market,
        calendar=calendar(),
        household=lambda: Household(equity=to_usd4(rig.cash), premium=0),
        retry_every=timedelta(minutes=1),
        rules_hash="rules",
        tiers=[rig.settings.tier_rules(tier) for tier in Tier],
        ranks={},
    )
    view = dispatcher.account_view(now, session, ports, rules)
    book = view.book.without(position.contract.occ) if view.book else None
    exits = rig.settings.exit_rules(tier=rig.tier, strategy=Strategy.SWING)
    roll = rig.settings.roll_rules()
    target = target_expiration(position, exits)
    first, last = target - timedelta(days=roll.days_before), target + timedelta(days=roll.days_after)
    chain = dispatcher.chain_between("META", first, last, position.contract.right, now, session, ports)
    market = dispatcher.view_around(chain, "META", Interval.DAY, now, session, ports, rules)
    rank = IvRank(rank=0.3, percentile=0.3, status=IvStatus.OK, readings=252, low=0.2, high=0.6, iv=0.32)
    return RollView(
        context=GateContext(account=replace(view, book=book), market=replace(market, iv_rank=rank)),
        rules=rules,
        roll=roll,
        exits=exits,
        old_quote=rig.market.quotes([position.contract.occ], now=now).get(position.contract.occ),
        two_leg=view.broker is not None and view.broker.options_level >= 3,
    )


def due_to_roll(path, *, level: int, qty: int = 2, stands_at=BEFORE_THREE) -> Rig:
    """A rig that bought 46 days ahead and stands at 18 days to expiry, nothing gained or lost."""
    rig = Rig(path, cash=MILLION, level=level, views=view_of)
    rig.opened(qty, price="3.00")
    morning = at(14, day=ROLL_DAY)
    rig.market.put(morning, "2.95", "3.05")
    rig.market.put(morning, "4.00", "4.10", occ=LATER)
    rig.market.put_spot(morning, "500")
    rig.clock.move_to(stands_at)
    return rig


__all__ = ["CALL", "LATER", "ROLL_DAY", "due_to_roll", "view_of"]
