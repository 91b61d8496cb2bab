"""The ladder over whole contracts (RULEBOOK 3, FEATURES 4)."""

import pytest

from ops_pipeline.domain.positions import ExitReason, Held
from ops_pipeline.domain.units import to_decimal
from ops_pipeline.stages.position_manager.monitor import check_exit_conditions, check_partial_exit
from tests.builders_exits import exit_rules, held, marks

DEFAULT = exit_rules()


def sale(position: Held, price: str) -> tuple[ExitReason, int, str] | None:
    found = [
        trigger for trigger in check_partial_exit(position, marks(price, bid=price), DEFAULT) if trigger.met
    ]
    assert len(found) <= 1
    return (found[0].reason, found[0].qty, found[0].message) if found else None


@pytest.mark.parametrize(
    ("original", "first", "second", "rides"),
    [(10, 5, 2, 3), (6, 3, 1, 2), (5, 2, 1, 2), (4, 2, 1, 1), (3, 1, 1, 1), (2, 1, 0, 1)],
)
def test_feature_04_the_ladder_table(original, first, second, rides):
    at_first = sale(held("17.15", qty=original), "25.725")
    assert at_first == (ExitReason.FIRST_TARGET, first, "Taking 50% off at +50% profit")
    left = original - first
    at_second = sale(held("17.15", original=original, qty=left), "30.0125")
    if second:
        assert at_second == (ExitReason.SECOND_TARGET, second, "Taking 25% off at +75% profit")
    else:
        assert at_second is None
    assert original - first - second == rides
    assert sale(held("17.15", original=original, qty=rides), "99.00") is None


def test_feature_04_a_single_contract_leaves_whole_at_the_first_target():
    position = held("17.15", qty=1)
    assert sale(position, "99.00") is None
    found = check_exit_conditions(position, marks("25.725", bid="25.725"), DEFAULT)
    assert [(trigger.reason, trigger.qty) for trigger in found if trigger.met] == [
        (ExitReason.PROFIT_TARGET, 1)
    ]


def test_feature_04_the_levels_of_17_15_are_25_725_and_30_0125():
    first, second = check_partial_exit(held("17.15"), marks("20.00"), DEFAULT)
    assert (str(to_decimal(first.level)), str(to_decimal(second.level))) == ("25.7250", "30.0125")
    assert sale(held("17.15", original=6, qty=3), "30.00") is None
    assert sale(held("17.15", qty=6), "25.72") is None


def test_feature_04_a_gap_through_both_levels_is_one_order():
    reason, qty, message = sale(held("17.15", qty=6, peak="40.00"), "35.00")
    assert (reason, qty) == (ExitReason.SECOND_TARGET, 4)
    assert message == "Taking 50% off at +50% profit; Taking 25% off at +75% profit"


def test_feature_04_a_gap_with_two_contracts_is_the_first_step():
    assert sale(held("10.00", qty=2), "19.00") == (
        ExitReason.FIRST_TARGET,
        1,
        "Taking 50% off at +50% profit",
    )


def test_a_step_partly_filled_sells_what_is_still_due():
    assert sale(held("10.00", original=10, qty=8), "15.00")[1] == 3


def test_a_step_waits_for_an_executable_bid():
    position = held("10.00", qty=6)
    no_bid = check_partial_exit(position, marks("17.50", bid="14.49"), DEFAULT)
    half = check_partial_exit(position, marks("17.50", bid="16.99"), DEFAULT)
    whole = check_partial_exit(position, marks("17.50", bid="17.00"), DEFAULT)
    assert [trigger.met for trigger in no_bid] == [False, False]
    assert [(trigger.met, trigger.qty) for trigger in half] == [(True, 3), (False, 1)]
    assert [(trigger.met, trigger.qty) for trigger in whole] == [(False, 3), (True, 4)]


def test_contracts_sold_by_hand_count_as_taken():
    assert sale(held("10.00", original=6, qty=1), "19.00") is None
