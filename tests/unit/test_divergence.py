"""Each decision that differs is put down to the newest input before it that does, of its own name first."""

from datetime import UTC, datetime, timedelta

from ops_pipeline.app.divergence import Cause, Decision, Root, attribute, compare_decisions

NOON = datetime(2026, 1, 5, 17, 0, tzinfo=UTC)


def at(minute):
    return NOON + timedelta(minutes=minute)


def decision(minute, ticker="META", **value):
    return Decision(at(minute), "large", "ExitDecided P1", ticker, value)


def differing(minute, ticker="META"):
    [found] = compare_decisions(
        {"k": decision(minute, ticker, qty=1)}, {"k": decision(minute, ticker, qty=2)}
    )
    return found


def causes(roots, differences):
    found = attribute(roots, differences, otherwise="the code")
    return [(item.cause, item.text, len(item.decisions)) for item in found]


def test_what_is_equal_is_no_difference_and_what_is_not_says_both_values():
    assert compare_decisions({"k": decision(1, qty=1)}, {"k": decision(1, qty=1)}) == ()
    [found] = compare_decisions({"k": decision(1, qty=1)}, {"k": decision(2, qty=3)})
    assert found.text == "at live 17:01:00.000000, replay 17:02:00.000000; qty: live 1, replay 3"
    [gone] = compare_decisions({"k": decision(1, qty=1)}, {})
    assert gone.text == "live 17:01:00 qty 1, replay none"


def test_an_input_before_it_is_the_cause_and_of_several_that_of_its_own_name():
    meta = Root(at(0), Cause.DATA, "quote of META", frozenset({"META"}))
    other = Root(at(2), Cause.FILL, "fill")
    assert causes([meta, other], [differing(5)]) == [
        (Cause.DATA, "quote of META", 1),
        (Cause.FILL, "fill", 0),
    ]
    assert causes([meta, other], [differing(5, "NVDA")]) == [
        (Cause.DATA, "quote of META", 0),
        (Cause.FILL, "fill", 1),
    ]


def test_without_an_input_before_it_the_code_is_the_cause():
    late = Root(at(9), Cause.DATA, "quote", frozenset({"META"}))
    assert causes([late], [differing(5)]) == [(Cause.CODE, "the code", 1), (Cause.DATA, "quote", 0)]
    assert causes([], []) == []
