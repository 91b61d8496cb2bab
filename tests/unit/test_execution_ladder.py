"""The entry order's walk from the mid to the ask (RULEBOOK 4)."""

from dataclasses import replace
from datetime import timedelta

import pytest

from ops_pipeline.domain.fees import fee_rules_on
from ops_pipeline.stages.execution.ladder import entry_ceiling, entry_limit, entry_limit_step, first_limit
from tests.builders_dispatch import DAY, NOW, SETTINGS, contract_of, scene_of, usd

RULES = SETTINGS.entry_rules()
FEES = fee_rules_on(DAY)


def step(seconds, bid="1.00", ask="1.12", *, limit="1.06", qty=2, budget="1000", expires_in=3_600):
    intent = replace(
        scene_of().candidate.offer.intent,
        limit=usd(limit),
        qty=qty,
        budget=usd(budget),
        expires_at=NOW + timedelta(seconds=expires_in),
    )
    return entry_limit_step(
        intent,
        contract_of(),
        started_at=NOW,
        now=NOW + timedelta(seconds=seconds),
        bid=None if bid is None else usd(bid),
        ask=None if ask is None else usd(ask),
        rules=RULES,
        fees=FEES,
    )


@pytest.mark.parametrize(
    ("seconds", "limit"), [(0, None), (9, None), (10, "1.08"), (20, "1.10"), (30, "1.11"), (44, "1.11")]
)
def test_the_limit_rises_from_the_mid_in_three_steps_of_ten_seconds(seconds, limit):
    # the ask is 1.12, but the mid x 1.05 is 1.113: the last step stops at 1.11
    assert step(seconds).limit == (None if limit is None else usd(limit))
    assert not step(seconds).cancel


def test_the_last_step_is_the_ask_where_no_bound_is_nearer():
    assert step(30, "2.00", "2.06", limit="2.03").limit == usd("2.06")


def test_a_rising_market_is_followed_no_further_than_the_approved_budget():
    # 2 contracts and 0.14 of fees within 221.00: at most 1.1043 a share
    assert step(30, "1.40", "1.42", budget="221").limit == usd("1.10")
    assert step(30, "1.40", "1.42", limit="1.10", budget="221").limit is None


def test_a_limit_above_its_bounds_comes_down_and_one_below_them_stays():
    assert step(10, "0.90", "0.92", limit="1.06").limit == usd("0.93")
    assert step(0, "1.00", "1.08", limit="1.06").limit is None


def test_an_entry_is_cancelled_after_45_seconds_or_with_its_signal():
    assert step(45).cancel
    assert step(5, expires_in=5).cancel
    assert step(5, expires_in=5).reason == "signal expired"
    assert not step(4, expires_in=5).cancel


@pytest.mark.parametrize(("bid", "ask"), [(None, "1.10"), ("1.00", None), ("1.20", "1.10"), ("0", "1.10")])
def test_without_a_usable_quote_the_limit_stands(bid, ask):
    assert (step(30, bid, ask).limit, step(30, bid, ask).cancel) == (None, False)


def test_an_unaffordable_order_is_cancelled():
    assert step(30, budget="0.10").cancel


def test_bounds_by_hand():
    # ask + tick 4.05 against 3.95 x 1.05 = 4.1475; a nickel-wide 0.30 x 0.35 ends at 0.30
    assert entry_ceiling(usd("3.90"), usd("4.00"), 500, 500, usd(100)) == usd("4.05")
    assert entry_ceiling(usd("0.30"), usd("0.35"), 500, 500, usd(100)) == usd("0.30")
    assert entry_ceiling(usd("3.90"), usd("4.00"), 500, 500, usd("3.99")) == usd("3.95")
    assert entry_limit(usd("1.00"), usd("1.01"), 0, 3, 100, usd(9)) == usd("1.01")


def test_without_steps_an_entry_begins_at_the_ask_and_stays_there():
    at_the_ask = RULES._replace(steps=0)
    assert entry_limit(usd("2.00"), usd("2.06"), 0, 0, 100, usd(9)) == usd("2.06")
    first = first_limit(
        usd("2.00"), usd("2.06"), contract=contract_of(), affordable=usd(100), rules=at_the_ask
    )
    assert first == usd("2.06")
