"""Levels that rise by themselves in the real services: where somebody attends, and everywhere."""

from dataclasses import replace
from datetime import timedelta

import pytest

from ops_pipeline.app.settings import load_settings
from ops_pipeline.domain import events as e
from ops_pipeline.domain.accounts import ControlLevel
from ops_pipeline.domain.ids import client_order_id
from ops_pipeline.domain.orders import OrderState, Purpose
from ops_pipeline.domain.units import Occ, to_usd4
from ops_pipeline.engine import observe
from ops_pipeline.verify.crash import open_lab
from ops_pipeline.verify.fuse import Fuse
from ops_pipeline.verify.lab import Act
from ops_pipeline.verify.market import at
from ops_pipeline.verify.scenario import LARGE, OTHER, Plan, holding, market, signal


class Telling:
    """A broker that says of the account what a test lets it say."""

    def __init__(self, broker, **said):
        self.broker = broker
        self.said = said

    def account(self):
        return replace(self.broker.account(), **self.said)


@pytest.fixture
def lab(tmp_path):
    plan = Plan(market=market(), acts=[holding()], end=at(14, 40, 5))
    lab = open_lab(plan, load_settings(), tmp_path, Fuse())
    lab.live(plan.acts, plan.end)
    return lab


def looked(lab, *, attended=True, **said):
    """Look after the account once, as the health job does; give the level and its reason."""
    parts = lab.process.wiring.parts
    parts = replace(parts, attended=lab.clock if attended else None)
    observe.sound_alarms(parts, {LARGE.id: Telling(lab.brokers[LARGE.id], **said)})
    ledger = lab.ledger(LARGE.id)
    return ledger.control, ledger.control_reason


def test_the_day_loss_of_the_tier_reduces_only(lab):
    # The large tier stops at 2 % of the last session's equity: 121 000 are 2 % below 123 469.39.
    assert looked(lab, last_equity=to_usd4("123469")) == (ControlLevel.NORMAL, "")
    level, reason = looked(lab, last_equity=to_usd4("123470"))
    assert level is ControlLevel.REDUCE_ONLY
    assert reason.endswith("of $123,470.00 today")


def test_where_nobody_attends_passing_trouble_raises_nothing(lab):
    assert looked(lab, attended=False, last_equity=to_usd4("200000")) == (ControlLevel.NORMAL, "")


@pytest.mark.parametrize("off", [-11, 11])
def test_a_broker_whose_clock_is_off_reduces_only(lab, off):
    now = lab.clock.now()
    assert looked(lab, as_of=now + timedelta(seconds=10))[0] is ControlLevel.NORMAL
    level, reason = looked(lab, as_of=now + timedelta(seconds=off))
    assert (level, reason) == (ControlLevel.REDUCE_ONLY, "the broker's clock is 11 s from ours")


def test_the_events_name_the_alarm_as_their_actor(lab):
    looked(lab, as_of=lab.clock.now() + timedelta(minutes=1))
    (changed,) = [ev.body for ev in lab.store.events(LARGE.id) if isinstance(ev.body, e.ControlChanged)]
    assert (changed.level, changed.actor) == (ControlLevel.REDUCE_ONLY, "alarm")


def test_an_order_of_another_instance_cancels_our_entries(tmp_path):
    made = market()
    made.put(at(14, 30), "1.20", "1.25", occ=OTHER, size=0, delta=0.26)
    strange = client_order_id("cd34" * 8, "simulator|LAB-LARGE", Purpose.ENTRY, "S9", 1)

    def trade(lab):
        lab.oracles[LARGE.id].foreign_order(strange, Occ(OTHER), 1, to_usd4("1.00"))

    plan = Plan(market=made, acts=[signal(ticker="XOM"), Act(at=at(14, 40, 5), do=trade)], end=at(14, 40, 25))
    lab = open_lab(plan, load_settings(), tmp_path, Fuse())
    lab.live(plan.acts, plan.end)
    ledger = lab.ledger(LARGE.id)
    assert ledger.control is ControlLevel.CANCEL_ENTRIES
    assert ledger.control_reason == f"another instance trades this account: {strange}"
    assert {order.state for order in ledger.orders.values()} == {OrderState.CANCELED}
