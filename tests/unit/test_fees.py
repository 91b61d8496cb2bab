"""Regulatory fees, worked by hand from the published rates."""

from datetime import date

import pytest

from ops_pipeline.domain.fees import FEE_TABLE, fee_rules_on, fill_fees, round_trip_fees, unit_entry_fees
from ops_pipeline.domain.rules import FeeRules
from ops_pipeline.domain.sectors import INDEX, SECTORS, sector_of
from ops_pipeline.domain.units import ONE_CENT
from ops_pipeline.stages.dispatcher.costs import cost_fits, cost_gate
from tests.builders_dispatch import usd

GICS = {
    "Communication Services",
    "Consumer Discretionary",
    "Consumer Staples",
    "Energy",
    "Financials",
    "Health Care",
    "Industrials",
    "Information Technology",
    "Materials",
    "Real Estate",
    "Utilities",
}
NOW_RULES = fee_rules_on(date(2026, 8, 18))


@pytest.mark.parametrize(
    ("contracts", "buy_cents", "sell_cents"),
    [
        # ORF 0.02815, OCC 0.025, CAT 0.00265, TAF 0.00279 on sales; each up to the cent
        (1, 3 + 3 + 1, 3 + 3 + 1 + 1),
        (2, 6 + 5 + 1, 6 + 5 + 1 + 1),
        (4, 12 + 10 + 2, 12 + 10 + 2 + 2),
        (10, 29 + 25 + 3, 29 + 25 + 3 + 3),
        (100, 282 + 250 + 27, 282 + 250 + 27 + 28),
    ],
)
def test_feature_11_fees_of_fills_match_hand_worked_examples(contracts, buy_cents, sell_cents):
    assert fill_fees(contracts, 0, NOW_RULES) == buy_cents * ONE_CENT
    assert fill_fees(contracts, 1, NOW_RULES) == sell_cents * ONE_CENT
    assert round_trip_fees(contracts, NOW_RULES) == (buy_cents + sell_cents) * ONE_CENT


def test_nothing_is_charged_for_nothing_nor_for_a_fee_that_does_not_exist():
    assert fill_fees(0, 1, NOW_RULES) == 0
    assert fill_fees(5, 1, FeeRules(0, 0, 0, 0)) == 0


def test_buying_many_never_costs_more_than_each_by_itself():
    for contracts in range(1, 51):
        assert fill_fees(contracts, 0, NOW_RULES) <= contracts * unit_entry_fees(NOW_RULES)


def test_rates_hold_from_their_date_on():
    assert fee_rules_on(date(2025, 2, 13)).occ_per_contract == 20_000
    assert fee_rules_on(date(2025, 2, 14)).occ_per_contract == 25_000
    assert fee_rules_on(date(2025, 6, 30)).cat_per_contract == 4_600
    assert fee_rules_on(date(2025, 7, 1)).cat_per_contract == 2_650
    assert fee_rules_on(date(2014, 6, 6)) == FEE_TABLE[0].rules
    dates = [row.effective for row in FEE_TABLE]
    assert dates == sorted(dates)
    assert all(row.source for row in FEE_TABLE)


def test_feature_11_a_nickel_wide_cheap_option_is_rejected_for_its_cost():
    # 0.30 x 0.35: buying 0.35 marks -14.3 % at once; fees of the round trip add 0.15 on 35.00
    result = cost_gate(usd("0.30"), usd("0.35"), multiplier=100, fees=NOW_RULES, stop=2_500, share=1 / 3)
    assert not result.passed
    assert result.observed == "14.71 % (spread and fees)"
    assert result.limit.startswith("<= 8.33 %")


def test_feature_11_the_cost_gate_flips_at_one_third_of_the_stop():
    # one contract at 6.00: a third of the 25 % stop is 50.00; a spread of 0.50 without fees is exactly that
    assert cost_fits(usd("5.50"), usd("6.00"), 100, 0, 2_500, 1 / 3)
    assert not cost_fits(usd("5.50"), usd("6.00"), 100, 1, 2_500, 1 / 3)
    assert not cost_fits(usd("5.49"), usd("6.00"), 100, 0, 2_500, 1 / 3)
    assert not cost_fits(0, 0, 100, 0, 2_500, 1 / 3)


def test_sectors_are_gics_funds_are_index_and_a_stranger_is_its_own():
    assert set(SECTORS.values()) == GICS | {INDEX}
    assert len(SECTORS) >= 150
    assert sector_of("AAPL") == sector_of("MSFT") == "Information Technology"
    assert (sector_of("META"), sector_of("TSLA"), sector_of("XOM")) == (
        "Communication Services",
        "Consumer Discretionary",
        "Energy",
    )
    assert sector_of("SPY") == sector_of("QQQ") == INDEX
    assert sector_of("ZZZZ") == "ZZZZ"
