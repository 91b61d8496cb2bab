"""One action a cycle: ranks, latches and pre-emption (RULEBOOK 3, FEATURES 4)."""

import pytest

from ops_pipeline.domain.accounts import ControlLevel
from ops_pipeline.domain.positions import ExitDecision, ExitReason
from ops_pipeline.stages.position_manager.arbiter import (
    ExitActionKind,
    Standing,
    arbitrate,
    first_exit,
    kill_trigger,
)
from ops_pipeline.stages.position_manager.monitor import check_exit_conditions
from ops_pipeline.stages.position_manager.triggers import RANKS, Condition, Trigger, Unit
from tests.builders_exits import NOON, exit_rules, held, marks

BY_RANK = [
    [ExitReason.KILL, ExitReason.MANUAL],
    [ExitReason.EXPIRY_CUTOFF],
    [ExitReason.EOD_FLAT],
    [ExitReason.STOP_LOSS],
    [ExitReason.TRAILING_STOP],
    [ExitReason.FIRST_TARGET, ExitReason.SECOND_TARGET],
    [ExitReason.PROFIT_TARGET],
    [ExitReason.UNDERLYING_CALL, ExitReason.UNDERLYING_PUT],
    [ExitReason.EVENT_EXIT],
    [ExitReason.THETA],
    [ExitReason.ROLL],
    [ExitReason.MAX_HOLD],
]
TRIGGERED = [reasons[0] for reasons in BY_RANK[1:]]


def trigger(reason: ExitReason, qty: int = 6) -> Trigger:
    condition = Condition(name="mark", value=1, level=1, unit=Unit.USD4, at_least=True)
    return Trigger(reason=reason, met=True, qty=qty, conditions=(condition,), message=reason.value)


def decision(reason: ExitReason, *, latched: bool = False, qty: int = 6) -> ExitDecision:
    return ExitDecision(
        reason=reason,
        rank=RANKS[reason],
        qty=qty,
        latched=latched,
        at=NOON,
        level="",
        observed="",
        message="",
    )


def standing(
    current: ExitDecision | None = None,
    working: ExitReason | None = None,
    *,
    qty: int = 6,
    control: ControlLevel = ControlLevel.NORMAL,
    roll_waits: bool = False,
) -> Standing:
    return Standing(
        at=NOON, qty=qty, control=control, current=current, working=working, roll_waits=roll_waits
    )


def test_feature_04_ranks_are_the_rulebooks():
    assert {reason: rank for rank, reasons in enumerate(BY_RANK, start=1) for reason in reasons} == dict(
        RANKS
    )


@pytest.mark.parametrize("number", range(len(TRIGGERED)))
def test_feature_04_the_first_met_rank_wins_whatever_the_order(number):
    found = tuple(trigger(reason) for reason in reversed(TRIGGERED[number:]))
    action = arbitrate(found, standing())
    assert action.decision is not None
    assert action.decision.reason is TRIGGERED[number]


def test_feature_04_no_met_rule_holds():
    action = arbitrate(check_exit_conditions(held(), marks("10.00"), exit_rules()), standing())
    assert (action.kind, action.decision, action.qty) == (ExitActionKind.HOLD, None, 0)


def test_feature_04_meta_sends_one_order_for_four_and_two_ride():
    found = check_exit_conditions(held("17.15", peak="40.00", qty=6), marks("35.00"), exit_rules())
    action = arbitrate(found, standing())
    assert (action.kind, action.qty, action.decision.rank) == (ExitActionKind.SEND, 4, 6)
    assert (action.decision.latched, action.decision.observed) == (False, "$35.00")


def test_full_target_sells_all_six_of_meta():
    found = check_exit_conditions(
        held("17.15", peak="40.00", qty=6), marks("35.00"), exit_rules("full_target")
    )
    action = arbitrate(found, standing())
    assert (action.qty, action.decision.reason) == (6, ExitReason.PROFIT_TARGET)
    assert "+104.08%" in action.why


@pytest.mark.parametrize("reason", [ExitReason.STOP_LOSS, ExitReason.TRAILING_STOP, ExitReason.EXPIRY_CUTOFF])
def test_feature_04_a_latched_decision_survives_a_better_price(reason):
    fresh = arbitrate((trigger(reason),), standing())
    assert fresh.decision.latched
    later = arbitrate((), standing(fresh.decision, qty=5))
    assert (later.kind, later.qty, later.decision) == (ExitActionKind.SEND, 5, fresh.decision)


def test_a_latched_stop_is_not_turned_into_a_ladder_sale():
    current = decision(ExitReason.STOP_LOSS, latched=True)
    action = arbitrate((trigger(ExitReason.FIRST_TARGET, 3),), standing(current))
    assert (action.kind, action.qty, action.decision) == (ExitActionKind.SEND, 6, current)


def test_a_target_that_no_longer_holds_is_withdrawn_before_an_order_is_sent():
    action = arbitrate((), standing(decision(ExitReason.FIRST_TARGET)))
    assert (action.kind, action.decision) == (ExitActionKind.WITHDRAW, None)


def test_a_working_target_order_goes_on_when_its_level_is_lost():
    current = decision(ExitReason.FIRST_TARGET)
    action = arbitrate((), standing(current, ExitReason.FIRST_TARGET))
    assert (action.kind, action.decision) == (ExitActionKind.WAIT, current)


def test_feature_04_a_higher_rank_cancels_waits_rereads_and_sends():
    target = decision(ExitReason.FIRST_TARGET)
    stop = (trigger(ExitReason.TRAILING_STOP),)
    first = arbitrate(stop, standing(target, ExitReason.FIRST_TARGET))
    assert (first.kind, first.qty, first.decision.reason) == (
        ExitActionKind.CANCEL,
        0,
        ExitReason.TRAILING_STOP,
    )
    again = arbitrate((), standing(first.decision, ExitReason.FIRST_TARGET))
    assert (again.kind, again.decision) == (ExitActionKind.CANCEL, first.decision)
    ended = arbitrate((), standing(first.decision, None, qty=4))
    assert (ended.kind, ended.qty, ended.decision) == (ExitActionKind.SEND, 4, first.decision)


@pytest.mark.parametrize("later", [ExitReason.SECOND_TARGET, ExitReason.UNDERLYING_CALL, ExitReason.MAX_HOLD])
def test_feature_04_an_equal_or_lower_rank_waits(later):
    current = decision(ExitReason.FIRST_TARGET)
    action = arbitrate((trigger(later),), standing(current, ExitReason.FIRST_TARGET))
    assert (action.kind, action.decision) == (ExitActionKind.WAIT, current)


def test_flatten_pre_empts_everything_and_latches():
    action = arbitrate(
        (trigger(ExitReason.EXPIRY_CUTOFF),),
        standing(decision(ExitReason.EXPIRY_CUTOFF, latched=True), control=ControlLevel.FLATTEN),
    )
    assert (action.kind, action.qty) == (ExitActionKind.SEND, 6)
    assert (action.decision.reason, action.decision.rank, action.decision.latched) == (
        ExitReason.KILL,
        1,
        True,
    )


@pytest.mark.parametrize(
    "control", [ControlLevel.NORMAL, ControlLevel.REDUCE_ONLY, ControlLevel.CANCEL_ENTRIES]
)
def test_lower_kill_levels_leave_exits_alone(control):
    assert not kill_trigger(standing(control=control)).met
    action = arbitrate((trigger(ExitReason.STOP_LOSS),), standing(control=control))
    assert action.kind is ExitActionKind.SEND


def test_hard_stop_sends_and_cancels_nothing():
    for working in (None, ExitReason.MAX_HOLD):
        action = arbitrate(
            (trigger(ExitReason.STOP_LOSS),), standing(None, working, control=ControlLevel.HARD_STOP)
        )
        assert (action.kind, action.decision) == (ExitActionKind.HOLD, None)


def test_a_refused_roll_leaves_the_position_to_its_other_rules():
    found = (trigger(ExitReason.ROLL), trigger(ExitReason.MAX_HOLD))
    assert arbitrate(found, standing()).kind is ExitActionKind.ROLL
    refused = arbitrate(found, standing(roll_waits=True))
    assert (refused.kind, refused.decision.reason) == (ExitActionKind.SEND, ExitReason.MAX_HOLD)
    assert arbitrate(found[:1], standing(roll_waits=True)).kind is ExitActionKind.HOLD


def test_a_stop_pre_empts_an_unfinished_roll():
    current = decision(ExitReason.ROLL)
    action = arbitrate((trigger(ExitReason.STOP_LOSS),), standing(current, ExitReason.ROLL))
    assert (action.kind, action.decision.reason) == (ExitActionKind.CANCEL, ExitReason.STOP_LOSS)


def test_nothing_held_holds():
    assert arbitrate((trigger(ExitReason.STOP_LOSS),), standing(qty=0)).kind is ExitActionKind.HOLD


def test_never_more_than_what_is_held_is_sold():
    assert arbitrate((trigger(ExitReason.STOP_LOSS, 6),), standing(qty=2)).qty == 2


def test_the_compiled_choice_names_ranks_as_the_arbiter_does():
    assert first_exit(held("17.15", peak="40.00", qty=6), marks("35.00"), exit_rules()) == (6, 4)
    assert first_exit(held(), marks("10.00"), exit_rules()) == (0, 0)
