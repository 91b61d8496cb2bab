"""The last checks before the socket: each one on both sides of its limit."""

from dataclasses import replace

import pytest

from ops_pipeline.domain import events as e
from ops_pipeline.domain.accounts import ControlLevel, Mode
from ops_pipeline.domain.controls import Brake, SymbolBlocked
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.market import Feed, OptionQuote
from ops_pipeline.domain.orders import Leg, OrderState, Purpose, Side
from ops_pipeline.domain.units import Occ, to_usd4
from ops_pipeline.stages.execution import checks
from ops_pipeline.stages.execution.checks import Door, before_send
from ops_pipeline.stages.execution.lifecycle import order_id
from tests.builders_ledger import (
    META_CALL,
    TINY,
    account_opened,
    answered_,
    entry,
    exit_decided,
    intended,
    minute,
    planned,
    sending,
)
from tests.unit.test_lifecycle import RULES, told

DATABASE = "ab12" * 8
BOUGHT = ["mode", "control", "lease", "account", "shape", "price", "not_frozen", "blocked", "standard"]
BOUGHT += [
    "collar",
    "ceiling",
    "managed",
    "look_alike",
    "rate",
    "symbol_rate",
    "rejects",
    "unknown",
    "updates",
    "in_time",
    "no_exit",
]
SOLD = ["mode", "control", "lease", "account", "shape", "price", "not_frozen", "one_exit", "covered"]
OTHER_CALL = "META260320C00710000"


def quote(bid, ask, occ=META_CALL):
    return OptionQuote(
        occ=Occ(occ),
        bid=to_usd4(bid) if bid else None,
        ask=to_usd4(ask) if ask else None,
        bid_size=10,
        ask_size=10,
        at=minute(0),
        confirmed_at=minute(0),
        feed=Feed.OPRA,
    )


def door(bid="0.95", ask="1.05", **more):
    return Door(database_id=DATABASE, epoch=1, quotes={Occ(META_CALL): quote(bid, ask)})._replace(**more)


DOOR = door()


def real(ledger, body, **changed):
    """The same intent under the id that its cause gives it in this ledger, with what a test changes."""
    intent = replace(body.intent, **changed)
    own = order_id(ledger, DATABASE, purpose=intent.purpose, key=intent.key, generation=intent.generation)
    return e.OrderIntended(intent=replace(intent, client_order_id=own))


def asked(ledger, body, *, door=DOOR, at=0, rules=RULES):
    order = ledger.orders[body.intent.client_order_id]
    return before_send(order, ledger=ledger, now=minute(at), rules=rules, door=door)


def failed(ledger, body, *, door=DOOR, at=30, rules=RULES):
    ledger = told(ledger, body, at=at)
    return [result.name for result in asked(ledger, body, door=door, at=at, rules=rules) if not result.passed]


def fresh():
    return told(Ledger(account=TINY), account_opened(), planned())


def held(qty=4):
    return told(Ledger(account=TINY), account_opened(), *entry(qty=qty))


def buying(ledger=None, **changed):
    ledger = ledger or fresh()
    return ledger, real(ledger, intended("any"), **changed)


def selling(ledger=None, qty=4, **changed):
    ledger = ledger or held()
    return ledger, real(ledger, intended("any", purpose=Purpose.EXIT, qty=qty), **changed)


def test_every_check_is_recorded_with_what_was_observed_and_its_limit():
    for (ledger, body), names in ((buying(), BOUGHT), (selling(), SOLD)):
        results = asked(told(ledger, body), body)
        assert [result.name for result in results] == names
        assert all(result.passed and result.observed and result.limit for result in results)


def test_a_shadow_account_sends_nothing():
    shadow = replace(account_opened(), mode=Mode.SHADOW)
    ledger = told(Ledger(account=TINY), shadow, planned())
    assert failed(*buying(ledger)) == ["mode"]


@pytest.mark.parametrize(
    ("level", "entry", "exit_"), [(0, [], []), (1, ["control"], []), (3, ["control"], [])]
)
def test_levels_up_to_flatten_stop_entries_and_let_exits_go(level, entry, exit_):
    changed = e.ControlChanged(level=ControlLevel(level), reason="a test", actor="operator")
    found = failed(*buying(told(fresh(), changed)))
    assert [name for name in found if name != "no_exit"] == entry
    assert failed(*selling(told(held(), changed))) == exit_


def test_x6_at_hard_stop_nothing_is_sent():
    changed = e.ControlChanged(level=ControlLevel.HARD_STOP, reason="a test", actor="operator")
    assert failed(*selling(told(held(), changed))) == ["control"]


@pytest.mark.parametrize(
    ("level", "entry", "exit_"), [(0, [], []), (1, ["control"], []), (4, ["control"], ["control"])]
)
def test_the_level_outside_the_database_counts_like_the_stored_one(level, entry, exit_):
    braked = door(brake=Brake(ControlLevel(level), "KILL file"))
    assert failed(*buying(), door=braked) == entry
    assert failed(*selling(), door=braked) == exit_


def test_a_writer_with_an_older_epoch_than_the_order_knows_sends_nothing():
    ledger, body = selling()
    ledger = told(ledger, body, replace(sending(body.intent.client_order_id), epoch=2))
    for epoch, names in ((2, []), (1, ["lease"]), (0, ["lease"])):
        results = asked(ledger, body, door=door(epoch=epoch))
        assert [result.name for result in results if not result.passed] == names


def test_an_id_of_another_account_database_or_cause_is_not_sent():
    ledger, body = buying()
    assert failed(ledger, body) == []
    assert failed(ledger, body, door=door(database_id="cd34" * 8)) == ["account"]
    assert failed(ledger, intended("P1-e1")) == ["account"]
    other = told(Ledger(account=TINY), replace(account_opened(), number="PA2"), planned())
    assert failed(other, body) == ["account"]


def test_only_buying_to_open_and_selling_to_close_pass():
    ledger, body = buying(legs=(Leg(occ=Occ(META_CALL), side=Side.SELL_TO_CLOSE),))
    assert failed(ledger, body) == ["shape"]
    ledger, body = selling(legs=(Leg(occ=Occ(META_CALL), side=Side.BUY_TO_OPEN),))
    assert "shape" in failed(ledger, body)


@pytest.mark.parametrize(
    ("limit", "names"), [("1.01", []), ("1.015", ["price"]), ("3.05", []), ("3.02", ["price"])]
)
def test_a_limit_between_price_steps_is_not_sent(limit, names):
    # META is in the penny programme: cents below 3 dollars, 5 cents from there on.
    assert failed(*buying(limit=to_usd4(limit)), door=door("3.00", "3.10")) == names
    assert failed(*selling(limit=to_usd4(limit))) == names


def test_a_blocked_symbol_takes_no_entry_until_the_block_ends_and_exits_go():
    def blocked(until):
        return SymbolBlocked(symbol="META", until=until, reason="a test", actor="operator")

    for until, names in ((None, ["blocked"]), (minute(31), ["blocked"]), (minute(30), [])):
        assert failed(*buying(told(fresh(), blocked(until)))) == names
    assert failed(*selling(told(held(), blocked(None)))) == []
    other = SymbolBlocked(symbol="XOM", until=None, reason="a test", actor="operator")
    assert failed(*buying(told(fresh(), other))) == []


def test_only_plain_contracts_of_100_shares_are_bought_and_any_are_sold():
    assert failed(*buying(multiplier=10)) == ["standard"]
    assert failed(*selling(multiplier=10)) == []


@pytest.mark.parametrize(
    ("bid", "ask", "limit", "passes"),
    [
        # 2 % over the ask of 1.05 is 1.071; 10 % over the mid of 1.00 is 1.10.
        ("0.95", "1.05", "1.07", True),
        ("0.95", "1.05", "1.08", False),
        # One step of a cent over an ask of 0.40 is more than 2 %.
        ("0.38", "0.40", "0.41", True),
        ("0.38", "0.40", "0.42", False),
        ("0.90", "1.05", "1.05", True),
        # 10 % over the mid of 0.90 is 0.99.
        ("0.75", "1.05", "1.05", False),
        # 2 % of 20.00 are 40 cents, more than the step of 5.
        ("19.80", "20.00", "20.40", True),
        ("19.80", "20.00", "20.50", False),
        (None, "1.05", "1.00", False),
        ("0.95", None, "1.00", False),
        ("1.10", "1.05", "1.00", False),
    ],
)
def test_r6_a_purchase_far_from_the_market_or_without_one_is_not_sent(bid, ask, limit, passes):
    ledger, body = buying(limit=to_usd4(limit), qty=1)
    assert failed(ledger, body, door=door(bid, ask)) == ([] if passes else ["collar"])


def test_an_exit_needs_no_quote():
    assert failed(*selling(), door=door(quotes={})) == []
    assert failed(*buying(), door=door(quotes={})) == ["collar"]


@pytest.mark.parametrize(
    ("qty", "limit", "passes"), [(50, "4.95", True), (51, "1.00", False), (10, "25.10", False)]
)
def test_r8_hard_ceilings_stand_above_every_setting(qty, limit, passes):
    ledger, body = buying(qty=qty, limit=to_usd4(limit))
    assert ("ceiling" not in failed(ledger, body, door=door(limit, limit))) is passes


@pytest.mark.parametrize(("others", "passes"), [(49, True), (50, False)])
def test_a_fifty_first_position_is_refused_at_the_door_and_a_roll_is_not(others, passes):
    ledger = told(fresh(), *(planned(f"Q{n}", OTHER_CALL) for n in range(others)))
    body = intended("P1-e1")
    assert ("managed" not in failed(ledger, real(ledger, body))) is passes
    assert "managed" not in failed(ledger, real(ledger, body, purpose=Purpose.ROLL_OPEN))


def twin(ledger, key="P2", occ=META_CALL, at=0, states=()):
    """Another entry in the ledger, intended at a minute, with the events of its orders."""
    ledger = told(ledger, planned(key, occ), intended(f"{key}-e1", position=key, occ=occ), at=at)
    return told(ledger, *states, at=at)


def test_r4_a_look_alike_within_a_minute_is_not_sent():
    assert failed(*buying(twin(fresh(), at=29.5)), at=30) == ["look_alike"]
    assert failed(*buying(twin(fresh(), at=29)), at=30) == []
    assert failed(*buying(twin(fresh(), occ=OTHER_CALL, at=29.5)), at=30) == []


def sent_twins(count, *, occ, at, ledger=None):
    ledger = ledger or fresh()
    for number in range(count):
        key = f"Q{number}"
        ledger = twin(ledger, key, occ=occ, at=at, states=[sending(f"{key}-e1")])
    return ledger


@pytest.mark.parametrize(("count", "at", "names"), [(9, 29.5, []), (10, 29.5, ["rate"]), (10, 29, [])])
def test_r4_the_eleventh_order_within_a_minute_is_no_entry(count, at, names):
    ledger = sent_twins(count, occ="XOM260320C00100000", at=at)
    assert failed(*buying(ledger), at=30) == names
    ledger = sent_twins(count, occ="XOM260320C00100000", at=at, ledger=held())
    assert failed(*selling(ledger), at=30) == []


@pytest.mark.parametrize(("count", "at", "names"), [(2, 29.5, []), (3, 29.5, ["symbol_rate"]), (3, 29, [])])
def test_r4_a_fourth_entry_in_a_symbol_within_a_minute_is_not_sent(count, at, names):
    ledger = sent_twins(count, occ=OTHER_CALL, at=at)
    assert failed(*buying(ledger), at=30) == names


def test_the_steps_of_one_entry_are_one_entry():
    ledger = fresh()
    for generation in range(1, 5):
        cid = f"P1-e{generation}"
        body = intended(cid, generation=generation)
        ended = e.OrderSettled(client_order_id=cid, state="NOT_PLACED", reason="a test")
        ledger = told(ledger, body, ended, at=29.5)
    assert failed(*buying(ledger, generation=5), at=30) == []


@pytest.mark.parametrize(("count", "at", "names"), [(4, 29, []), (5, 29, ["rejects"]), (5, 20, [])])
def test_five_rejections_in_ten_minutes_stop_entries(count, at, names):
    ledger = fresh()
    for number in range(count):
        cid = f"Q{number}-e1"
        answers = [sending(cid), answered_(cid, "rejected")]
        ledger = twin(ledger, f"Q{number}", occ="XOM260320C00100000", at=at, states=answers)
    assert failed(*buying(ledger), at=30) == names


@pytest.mark.parametrize(("count", "names"), [(2, []), (3, ["unknown"])])
def test_r2_more_than_two_orders_of_unknown_fate_stop_entries(count, names):
    ledger = fresh()
    for number in range(count):
        cid = f"Q{number}-e1"
        answers = [sending(cid), answered_(cid, "unknown")]
        ledger = twin(ledger, f"Q{number}", occ="XOM260320C00100000", at=0, states=answers)
    assert [order.state for order in ledger.live_orders] == [OrderState.UNKNOWN] * count
    assert failed(*buying(ledger), at=30) == names


def test_no_entry_adds_to_a_position_whose_exit_is_decided():
    assert failed(*buying(told(held(), exit_decided()), generation=2)) == ["no_exit"]


def test_p3_a_sale_of_more_than_the_ledger_holds_is_not_sent():
    assert failed(*selling(held(4), qty=4)) == []
    assert failed(*selling(held(4), qty=5)) == ["covered"]


def test_p4_a_second_exit_of_a_position_is_not_sent():
    ledger = told(held(4), intended("P1-t1", purpose=Purpose.TIER, qty=2))
    assert failed(*selling(ledger, qty=2)) == ["one_exit"]


def test_a_check_that_breaks_refuses_an_entry_and_lets_an_exit_go(monkeypatch):
    def broken(_):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(checks, "ENTRIES", (("collar", broken),))
    monkeypatch.setattr(checks, "EXITS", (("covered", broken),))
    assert failed(*buying()) == ["collar"]
    assert failed(*selling()) == []
    monkeypatch.setattr(checks, "ALWAYS", (("control", broken),))
    assert failed(*selling()) == ["control"]


@pytest.mark.parametrize(("at", "found"), [(4, []), (5, ["in_time"]), (6, ["in_time"])])
def test_an_entry_that_is_too_late_when_it_leaves_does_not_leave(at, found):
    ledger, body = buying(expires_at=minute(5))
    assert failed(ledger, body, at=at) == found


def test_nothing_is_opened_while_the_brokers_updates_cannot_be_relied_on_and_exits_go():
    mute = door(stream="silent for 31 s")
    assert failed(*buying(), door=mute) == ["updates"]
    assert failed(*selling(), door=mute) == []
