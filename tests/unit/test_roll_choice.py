"""The successor of a roll and the saga's steps (RULEBOOK 4)."""

from dataclasses import replace
from datetime import date

import pytest

from ops_pipeline.app.settings import load_settings
from ops_pipeline.domain.instruments import Right
from ops_pipeline.stages.position_manager.roll import (
    ROLL_TRANSITIONS,
    Candidate,
    LegState,
    NoSuccessor,
    RollAct,
    RollFacts,
    RollLeg,
    RollState,
    Successor,
    next_step,
    select_expiration,
    select_successor,
)
from tests.builders_exits import contract

RULES = load_settings().roll_rules()
OLD = contract(date(2026, 2, 20))
TARGET = date(2026, 3, 22)
NEAREST = date(2026, 3, 20)


def candidate(strike="500", delta=0.5, expiration=NEAREST, refused=""):
    return Candidate(contract=contract(expiration, strike=strike), delta=delta, refused=refused)


def choose(*candidates, entry_delta=0.40):
    return select_successor(OLD, candidates, entry_delta=entry_delta, target=TARGET, rules=RULES)


@pytest.mark.parametrize("delta", [0.30, 0.70])
def test_the_same_strike_follows_while_its_delta_fits(delta):
    found = choose(candidate(delta=delta), candidate("510", 0.40))
    assert isinstance(found, Successor)
    assert found.contract == contract(NEAREST)


@pytest.mark.parametrize(
    ("delta", "refused"), [(0.71, ""), (0.29, ""), (None, ""), (0.50, "spread 12 % > 10 %")]
)
def test_else_the_strike_nearest_the_entrys_delta_follows(delta, refused):
    found = choose(candidate(delta=delta, refused=refused), candidate("510", 0.41), candidate("520", 0.33))
    assert isinstance(found, Successor)
    assert found.contract.strike == 5_100_000
    assert "same strike" in found.why


def test_a_strike_that_the_filters_refused_is_passed_over():
    found = choose(candidate("510", 0.40, refused="volume"), candidate("520", 0.33))
    assert isinstance(found, Successor)
    assert found.contract.strike == 5_200_000


def test_of_two_deltas_as_near_the_cheaper_one_follows():
    found = choose(candidate("510", 0.45), candidate("520", 0.35))
    assert isinstance(found, Successor)
    assert found.contract.strike == 5_200_000


def test_a_put_compares_absolute_deltas():
    old = contract(date(2026, 2, 20), right=Right.PUT)
    new = contract(NEAREST, right=Right.PUT)
    found = select_successor(
        old, [Candidate(contract=new, delta=-0.5)], entry_delta=-0.4, target=TARGET, rules=RULES
    )
    assert isinstance(found, Successor)


def test_without_the_entrys_delta_only_the_same_strike_can_follow():
    assert isinstance(choose(candidate(), entry_delta=None), Successor)
    found = choose(candidate(delta=0.8), candidate("510", 0.40), entry_delta=None)
    assert isinstance(found, NoSuccessor)
    assert "outside 0.30-0.70" in found.reason
    assert "the entry's delta is unknown" in found.reason


def test_the_refusal_names_what_failed():
    assert choose(candidate("510", 0.4, refused="volume")) == NoSuccessor(
        reason="same strike is not listed; no contract of 2026-03-20 passes the filters"
    )
    assert choose() == NoSuccessor(reason="no listed expiry from 7 days before to 14 after 2026-03-22")


def test_calls_do_not_follow_puts_and_adjusted_contracts_do_not_follow_at_all():
    put = Candidate(contract=contract(NEAREST, right=Right.PUT), delta=-0.5)
    adjusted = Candidate(contract=replace(contract(NEAREST), adjusted=True), delta=0.5)
    assert isinstance(choose(put, adjusted), NoSuccessor)


@pytest.mark.parametrize(
    ("listed", "chosen"),
    [
        ((date(2026, 3, 15), date(2026, 4, 5)), date(2026, 3, 15)),
        ((date(2026, 3, 14), date(2026, 4, 6)), None),
        ((date(2026, 4, 5),), date(2026, 4, 5)),
        ((date(2026, 3, 20), date(2026, 3, 24)), date(2026, 3, 24)),
        ((date(2026, 3, 20), date(2026, 3, 27)), date(2026, 3, 20)),
    ],
)
def test_the_expiry_is_the_nearest_from_seven_days_before_to_fourteen_after(listed, chosen):
    assert select_expiration(listed, target=TARGET, rules=RULES) == chosen


def facts(
    close=RollLeg(),  # noqa: B008 - a frozen value
    open_=RollLeg(),  # noqa: B008 - a frozen value
    *,
    two_leg=False,
    allowed=True,
    preempted=False,
):
    return RollFacts(
        planned=6, two_leg=two_leg, close=close, open=open_, allowed=allowed, preempted=preempted
    )


LIVE = RollLeg(state=LegState.LIVE)
UNFILLED = RollLeg(state=LegState.ENDED)


def ended(filled):
    return RollLeg(state=LegState.ENDED, filled=filled)


@pytest.mark.parametrize(
    ("state", "given", "then", "act", "qty"),
    [
        (RollState.PLANNED, facts(), RollState.CLOSING, RollAct.SEND_CLOSE, 6),
        (RollState.PLANNED, facts(two_leg=True), RollState.CLOSING, RollAct.SEND_TWO_LEG, 6),
        (RollState.PLANNED, facts(allowed=False), RollState.ABORTED, RollAct.NOTHING, 0),
        (RollState.PLANNED, facts(preempted=True), RollState.ABORTED, RollAct.NOTHING, 0),
        (RollState.CLOSING, facts(), RollState.CLOSING, RollAct.SEND_CLOSE, 6),
        (RollState.CLOSING, facts(preempted=True), RollState.ABORTED, RollAct.NOTHING, 0),
        (RollState.CLOSING, facts(LIVE), RollState.CLOSING, RollAct.NOTHING, 0),
        (RollState.CLOSING, facts(UNFILLED), RollState.ABORTED, RollAct.NOTHING, 0),
        (RollState.CLOSING, facts(ended(6)), RollState.CLOSED, RollAct.NOTHING, 6),
        (RollState.CLOSING, facts(ended(4)), RollState.CLOSED, RollAct.NOTHING, 4),
        (RollState.CLOSING, facts(ended(6), two_leg=True), RollState.DONE, RollAct.NOTHING, 6),
        (RollState.CLOSED, facts(ended(4)), RollState.OPENING, RollAct.SEND_OPEN, 4),
        (RollState.CLOSED, facts(ended(6), allowed=False), RollState.CLOSED_ONLY, RollAct.NOTHING, 0),
        (RollState.OPENING, facts(ended(6)), RollState.OPENING, RollAct.SEND_OPEN, 6),
        (RollState.OPENING, facts(ended(6), LIVE), RollState.OPENING, RollAct.NOTHING, 0),
        (RollState.OPENING, facts(ended(6), LIVE, allowed=False), RollState.OPENING, RollAct.NOTHING, 0),
        (RollState.OPENING, facts(ended(6), UNFILLED), RollState.CLOSED_ONLY, RollAct.NOTHING, 0),
        (RollState.OPENING, facts(ended(6), ended(6)), RollState.DONE, RollAct.NOTHING, 6),
        (RollState.OPENING, facts(ended(6), ended(2)), RollState.DONE, RollAct.NOTHING, 2),
    ],
)
def test_feature_01_the_sagas_steps(state, given, then, act, qty):
    step = next_step(state, given)
    assert (step.state, step.act, step.qty) == (then, act, qty)
    assert step.reason


@pytest.mark.parametrize("state", [RollState.DONE, RollState.CLOSED_ONLY, RollState.ABORTED])
def test_a_final_state_stays(state):
    assert state.is_final
    step = next_step(state, facts(ended(6), ended(6)))
    assert (step.state, step.act) == (state, RollAct.NOTHING)


def test_feature_01_every_step_lies_in_the_table_and_opens_no_more_than_was_closed():
    legs = [RollLeg(), LIVE, UNFILLED, ended(3), ended(6)]
    for state in RollState:
        for close in legs:
            for open_ in legs:
                for flags in range(8):
                    given = facts(
                        close,
                        open_,
                        two_leg=bool(flags & 1),
                        allowed=bool(flags & 2),
                        preempted=bool(flags & 4),
                    )
                    step = next_step(state, given)
                    assert step.state == state or step.state in ROLL_TRANSITIONS[state]
                    if step.act is RollAct.SEND_OPEN:
                        assert step.qty == close.filled
                        assert given.allowed
                    assert step == next_step(state, given)
