"""What a person asks of a run is done by the real services, once, and stands in the ledger."""

from datetime import date, timedelta

import pytest

from ops_pipeline.app.settings import load_settings
from ops_pipeline.domain import events as e
from ops_pipeline.domain.accounts import ControlLevel
from ops_pipeline.domain.controls import Act, PositionWished, Request, SymbolBlocked, Wish, kill_key
from ops_pipeline.domain.ids import client_order_id, logical_account
from ops_pipeline.domain.orders import OrderState, Purpose
from ops_pipeline.domain.units import to_usd4
from ops_pipeline.engine.requests import HANDLERS, serve
from ops_pipeline.verify.crash import open_lab
from ops_pipeline.verify.databases import DATABASE_ID
from ops_pipeline.verify.fuse import Fuse
from ops_pipeline.verify.lab import Act as LabAct
from ops_pipeline.verify.market import at
from ops_pipeline.verify.scenario import CALL, LARGE, OTHER, Plan, holding, market, signal

SETTINGS = load_settings()
POSITION = f"A-large-{CALL}"


class Desk:
    """A laboratory with one held position, and a person who asks things of it."""

    def __init__(self, folder, *, made=None, acts=(), held=4):
        plan = Plan(market=made or market(), acts=[holding(held), *acts], end=at(14, 59))
        self.lab = open_lab(plan, SETTINGS, folder, Fuse())
        self.plan = plan
        self.answers = []

    def live(self, end, *acts):
        """Run on to an instant; acts of the plan that lie behind are done already."""
        now = self.lab.clock.now()
        planned = [act for act in self.plan.acts if act.at >= now]
        self.lab.live([*planned, *acts], end)
        if self.lab.clock.now() < end:
            self.lab.clock.move_to(end)

    def ask(self, act, *, late=timedelta(0), **more):
        now = self.lab.clock.now()
        request = Request(id="R1", act=act, asked_at=now, actor="ann", reason="a test", **more)
        answered = serve(request, self.lab.process.wiring, now=now, wall=now + late)
        return answered.answers

    @property
    def ledger(self):
        return self.lab.ledger(LARGE.id)

    def position(self):
        return self.ledger.positions[POSITION]


@pytest.fixture
def desk(tmp_path):
    desk = Desk(tmp_path)
    desk.live(at(14, 40, 5))
    return desk


def test_a_position_is_sold_when_a_person_asks(desk):
    (answer,) = desk.ask(Act.EXIT, account="large", subject=POSITION)
    assert (answer.done, answer.text) == (True, f"{POSITION}: 4 of 4 are sold, 0 kept")
    desk.live(at(14, 41))
    assert (desk.position().qty, desk.position().close_reason) == (0, "manual")
    wish = next(ev.body for ev in desk.lab.store.events(LARGE.id) if isinstance(ev.body, PositionWished))
    assert (wish.actor, wish.reason, wish.keep) == ("ann", "a test", 0)


def test_a_part_is_sold_and_the_rest_goes_on_under_its_rules(tmp_path):
    made = market()
    made.put(at(14, 45), "0.85", "0.90", occ=CALL)
    desk = Desk(tmp_path, made=made)
    desk.live(at(14, 40, 5))
    assert desk.ask(Act.EXIT, account="large", subject=POSITION, qty=1)[0].done
    desk.live(at(14, 44))
    assert (desk.position().qty, desk.position().exit) == (3, None)
    desk.live(at(14, 47))
    assert (desk.position().qty, desk.position().close_reason) == (0, "option_stop_loss")
    sold = [(o.intent.reason, o.booked) for o in desk.ledger.orders.values()]
    assert sold == [("manual", 1), ("option_stop_loss", 3)]


def test_asking_twice_sells_once(desk):
    desk.ask(Act.EXIT, account="large", subject=POSITION, qty=1)
    desk.lab.start()
    desk.live(at(14, 41))
    assert desk.position().qty == 3


def test_more_than_is_held_is_not_sold(desk):
    (answer,) = desk.ask(Act.EXIT, account="large", subject=POSITION, qty=5)
    assert (answer.done, answer.text) == (False, "expected at least 5 held, found OPEN with 4")
    assert desk.ledger.orders == {}


@pytest.mark.parametrize("level", [ControlLevel.REDUCE_ONLY, ControlLevel.CANCEL_ENTRIES])
def test_x6_a_person_can_sell_at_the_lower_kill_levels(desk, level):
    assert desk.ask(Act.LEVEL, level=level)[0].done
    desk.ask(Act.EXIT, account="large", subject=POSITION)
    desk.live(at(14, 41))
    assert desk.position().qty == 0


def test_at_hard_stop_the_wish_is_kept_and_carried_out_afterwards(desk):
    desk.ask(Act.LEVEL, level=ControlLevel.HARD_STOP)
    (answer,) = desk.ask(Act.EXIT, account="large", subject=POSITION)
    assert answer.text.endswith("nothing is sent while it is at HARD_STOP")
    desk.live(at(14, 42))
    assert desk.ledger.orders == {}
    assert desk.ask(Act.LEVEL, level=ControlLevel.NORMAL)[0].done
    desk.live(at(14, 43))
    assert desk.position().qty == 0


def resting(tmp_path, *, held=2):
    made = market()
    made.put(at(14, 30), "1.20", "1.25", occ=OTHER, size=0, delta=0.26)
    desk = Desk(tmp_path, made=made, acts=[signal(ticker="XOM")], held=held)
    desk.live(at(14, 40, 5))
    (entry,) = desk.ledger.live_orders
    assert entry.state is OrderState.WORKING
    return desk, entry


def test_an_order_is_cancelled_when_a_person_asks(tmp_path):
    desk, entry = resting(tmp_path)
    (answer,) = desk.ask(Act.CANCEL, account="large", subject=entry.id)
    assert (answer.done, answer.text) == (True, f"{entry.id} is CANCELED")
    assert not desk.lab.oracles[LARGE.id].book.live()
    settled = [ev.body for ev in desk.lab.store.events(LARGE.id) if isinstance(ev.body, e.OrderSettled)]
    assert [body.reason for body in settled] == ["ann: a test"]
    (again,) = desk.ask(Act.CANCEL, account="large", subject=entry.id)
    assert (again.done, again.text) == (False, "expected a live order, found it CANCELED")


def test_a_blocked_symbol_loses_its_working_entry_and_gets_no_other(tmp_path):
    desk, entry = resting(tmp_path)
    (answer,) = desk.ask(Act.BLOCK, subject="XOM")
    assert (answer.done, answer.text) == (True, "no entry in XOM until it is unblocked")
    desk.live(at(14, 43), LabAct(at=at(14, 41), do=lambda lab: lab.signal("XOM")))
    assert [order.id for order in desk.ledger.orders.values()] == [entry.id]
    assert desk.ledger.orders[entry.id].state is OrderState.CANCELED
    verdicts = desk.lab.store.verdicts(LARGE.id, session=at(14).date()).values()
    refused = {gate.name: gate.observed for row in verdicts for gate in row.gates if not gate.passed}
    assert refused["blocked"] == "XOM until unblocked"
    assert desk.ask(Act.UNBLOCK, subject="XOM")[0].text == "entries in XOM are allowed again"
    desk.live(at(14, 45), LabAct(at=at(14, 44), do=lambda lab: lab.signal("XOM")))
    assert len(desk.ledger.orders) > 1


def test_a_block_until_an_instant_ends_by_itself(tmp_path):
    desk, _ = resting(tmp_path)
    desk.ask(Act.BLOCK, subject="XOM", until=at(14, 42))
    assert isinstance(desk.ledger.block_of("XOM", at(14, 41, 59)), SymbolBlocked)
    assert desk.ledger.block_of("XOM", at(14, 42)) is None


def test_a_tighter_stop_is_set_shown_and_kept_through_a_restart(tmp_path):
    # Bought at 1.20; the rules would sell at 0.90, the person at 1.10.
    made = market()
    made.put(at(14, 45), "1.05", "1.10", occ=CALL)
    desk = Desk(tmp_path, made=made)
    desk.live(at(14, 41))
    (answer,) = desk.ask(Act.SET, account="large", subject=POSITION, stop=to_usd4("1.10"))
    assert (answer.done, answer.text) == (True, f"{POSITION}: stop $1.10")
    desk.lab.start()
    desk.live(at(14, 47))
    assert desk.position().close_reason == "option_stop_loss"
    decided = [
        ev.body.decision for ev in desk.lab.store.events(LARGE.id) if isinstance(ev.body, e.ExitDecided)
    ]
    assert [decision.level for decision in decided] == ["$1.10"]


def test_a_lower_target_sells_everything_there(tmp_path):
    # The rules sell half at 1.80; the person wants all of it sold at 1.50.
    made = market()
    made.put(at(14, 45), "1.50", "1.55", occ=CALL)
    desk = Desk(tmp_path, made=made)
    desk.live(at(14, 41))
    assert desk.ask(Act.SET, account="large", subject=POSITION, target=to_usd4("1.50"))[0].done
    desk.live(at(14, 47))
    assert (desk.position().qty, desk.position().close_reason) == (0, "option_profit_target")


@pytest.mark.parametrize(
    ("price", "text"),
    [
        ({"stop": "0.90"}, "stop: expected above $0.90, where it stands, was $0.90"),
        ({"target": "1.80"}, "target: expected below $1.80, where the rules sell first, was $1.80"),
    ],
)
def test_a_looser_stop_or_target_is_refused(desk, price, text):
    named = {name: to_usd4(value) for name, value in price.items()}
    (answer,) = desk.ask(Act.SET, account="large", subject=POSITION, **named)
    assert (answer.done, answer.text) == (False, text)


def test_a_stop_once_set_is_never_loosened(desk):
    assert desk.ask(Act.SET, account="large", subject=POSITION, stop=to_usd4("1.10"))[0].done
    (answer,) = desk.ask(Act.SET, account="large", subject=POSITION, stop=to_usd4("1.05"))
    assert answer.text == "stands already"
    assert desk.ledger.wish_of(POSITION).stop == to_usd4("1.10")


def test_an_old_request_is_refused_unless_it_raises_a_level(desk):
    late = timedelta(seconds=61)
    (answer,) = desk.ask(Act.EXIT, late=late, account="large", subject=POSITION)
    assert answer.text == "asked at 14:40:05 UTC, too long ago to be served: ask again"
    assert desk.ask(Act.LEVEL, late=late, level=ControlLevel.FLATTEN)[0].done
    assert not desk.ask(Act.LEVEL, late=late, level=ControlLevel.NORMAL)[0].done


def test_an_account_that_does_not_exist_is_named(desk):
    (answer,) = desk.ask(Act.LEVEL, account="nobody", level=ControlLevel.FLATTEN)
    assert (answer.done, answer.text) == (False, "expected one of large")


def test_orders_of_a_flatten_have_its_id_and_the_position_as_their_cause(desk):
    desk.ask(Act.LEVEL, level=ControlLevel.FLATTEN)
    kill_id = desk.ledger.kill_id
    desk.live(at(14, 41))
    (order,) = desk.ledger.orders.values()
    key = kill_key(kill_id, POSITION)
    account = logical_account("simulator", LARGE.number)
    assert (order.intent.purpose, order.intent.key) == (Purpose.KILL, key)
    assert order.id == client_order_id(DATABASE_ID, account, Purpose.KILL, key, 1)


def test_a_flatten_goes_on_with_the_same_cause_after_a_restart(tmp_path):
    made = market(size=0)
    made.put(at(14, 42), "1.10", "1.20", occ=CALL, size=100)
    desk = Desk(tmp_path, made=made)
    desk.live(at(14, 40, 5))
    desk.ask(Act.LEVEL, level=ControlLevel.FLATTEN)
    desk.live(at(14, 41))
    kill_id = desk.ledger.kill_id
    desk.lab.start()
    desk.live(at(14, 44))
    assert desk.position().close_reason == "kill"
    assert {order.intent.key for order in desk.ledger.orders.values()} == {kill_key(kill_id, POSITION)}


def test_every_change_of_level_is_an_event_with_actor_and_reason(desk):
    desk.ask(Act.LEVEL, level=ControlLevel.CANCEL_ENTRIES)
    desk.live(at(14, 42))
    desk.ask(Act.LEVEL, level=ControlLevel.NORMAL)
    changes = [ev.body for ev in desk.lab.store.events(LARGE.id) if isinstance(ev.body, e.ControlChanged)]
    assert [(c.level.name, c.actor, c.reason) for c in changes] == [
        ("CANCEL_ENTRIES", "ann", "a test"),
        ("NORMAL", "ann", "a test"),
    ]


def test_a_request_that_is_served_again_after_a_crash_lowers_nothing_that_rose_meanwhile(desk):
    desk.ask(Act.LEVEL, level=ControlLevel.REDUCE_ONLY)
    desk.live(at(14, 42))
    assert desk.ask(Act.LEVEL, level=ControlLevel.NORMAL)[0].done
    stop = e.ControlChanged(level=ControlLevel.HARD_STOP, reason="an alarm", actor="alarm")
    desk.lab.store.commit(LARGE.id, [stop], at=at(14, 42, 30))
    desk.live(at(14, 42, 59))
    (answer,) = desk.ask(Act.LEVEL, level=ControlLevel.NORMAL)
    assert not answer.done
    assert desk.ledger.control is ControlLevel.HARD_STOP


def test_a_split_moves_what_a_person_set_with_the_contracts():
    wish = Wish(keep=2, stop=to_usd4("1.10"), target=to_usd4("1.50")).split(4)
    assert wish == Wish(keep=8, stop=to_usd4("0.275"), target=to_usd4("0.375"))
    assert Wish(stop=10_001, target=10_001).split(4) == Wish(stop=2_501, target=2_500)
    assert Wish().split(4) == Wish()


def test_a_stop_set_before_a_split_sells_nothing_at_the_new_price(tmp_path):
    # Bought at 1.20 with a stop at 1.10; after 4:1 contracts of 0.30 stand, their stop is 0.275.
    after = at(14, 30, day=date(2026, 3, 3))
    made = market()
    made.put_split("META", date(2026, 3, 3), new=4)
    made.put_spot(at(14, 30), "500", ticker="META")
    made.put_spot(after, "125", ticker="META")
    made.put(after, "0.30", "0.30", occ="META260410C00125000")
    desk = Desk(tmp_path, made=made)
    desk.live(at(14, 41))
    assert desk.ask(Act.SET, account="large", subject=POSITION, stop=to_usd4("1.10"))[0].done
    desk.live(at(15, 0, day=date(2026, 3, 3)))
    assert desk.position().contract.occ == "META260410C00125000"
    assert (desk.position().qty, desk.ledger.wish_of(POSITION).stop) == (16, to_usd4("0.275"))


def test_every_act_has_somebody_who_serves_it():
    assert set(HANDLERS) == set(Act)
