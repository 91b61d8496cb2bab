"""The chain is filtered whole, scored, and the best contract taken (RULEBOOK 7)."""

import time
from dataclasses import replace
from datetime import timedelta

import pytest

from ops_pipeline.domain.fees import fee_rules_on
from ops_pipeline.domain.instruments import Right
from ops_pipeline.domain.market import Feed
from ops_pipeline.stages.dispatcher.contracts import ChoiceTerms, Filter, Rejection, select_contract
from ops_pipeline.stages.dispatcher.filters import ContractNumbers, contract_score, elapsed_share, volume_fits
from tests.builders_dispatch import DAY, NOW, SESSION, SETTINGS, chain_of, contract_of, quote_of, usd

RULES = SETTINGS.contract_rules()
QUOTES = SETTINGS.quote_rules()


def terms_of(**changes):
    terms = ChoiceTerms(
        right=Right.CALL,
        first=DAY + timedelta(days=1),
        last=DAY + timedelta(days=5),
        session=DAY,
        now=NOW,
        elapsed=elapsed_share(SESSION, NOW),
        budget=usd(960),
        stop=2_500,
    )
    return terms._replace(**changes)


def choose(*quotes, rules=RULES, terms=None, delta_of=None, spot="200"):
    return select_contract(
        chain_of(*quotes, spot=spot),
        terms or terms_of(),
        rules=rules,
        quotes=QUOTES,
        fees=fee_rules_on(DAY),
        delta_of=delta_of or {},
    )


def pair(strike="200", bid="3.90", ask="4.00", *, days=3, right=Right.CALL, **quote):
    contract = contract_of(strike, days=days, right=right)
    return contract, quote_of(contract, bid, ask, **quote)


def numbers(**changes):
    base = ContractNumbers(
        bid=9_854,
        ask=10_146,
        volume=850,
        previous_volume=-1,
        open_interest=500,
        delta=0.40,
        strike=usd("200.40"),
        target=usd(200),
        multiplier=100,
        elapsed=1.0,
        unit_cost=0,
        trip_fees=0,
    )
    return base._replace(**changes)


def test_the_golden_score_is_85_1():
    # spread 292 / 10 000 = 2.92 %: 28.32; volume 850: 27.1875; delta 20; strike 0.2 % off: 9.6
    assert contract_score(numbers(), 1_000) == pytest.approx(85.1, abs=0.05)
    assert contract_score(numbers(), 1_000) == pytest.approx(28.32 + 27.1875 + 20 + 9.6, abs=1e-9)


@pytest.mark.parametrize(
    ("changes", "points"),
    [
        ({"volume": 199}, -27.1875),
        ({"volume": 200}, 15 - 27.1875),
        ({"volume": 1_000}, 30 - 27.1875),
        ({"volume": 425, "elapsed": 0.5}, 0.0),
        ({"volume": -1}, -27.1875),
        ({"delta": 0.30}, 0.0),
        ({"delta": 0.29}, -5.0),
        ({"delta": 0.60}, -5.0),
        ({"delta": 0.61}, -10.0),
        ({"delta": 0.71}, -15.0),
        ({"strike": usd(200)}, 0.4),
        ({"strike": usd(210)}, -9.6),
        ({"strike": usd(190)}, -9.6),
    ],
)
def test_each_part_of_the_score_has_its_steps(changes, points):
    gained = contract_score(numbers(**changes), 1_000) - contract_score(numbers(), 1_000)
    assert gained == pytest.approx(points, abs=1e-9)


@pytest.mark.parametrize(
    ("changed", "code", "text"),
    [
        (pair(days=6), Filter.DTE, "dte 6 > 5"),
        (pair(days=0), Filter.DTE, "dte 0 < 1"),
        (pair(bid=None), Filter.QUOTE, "quote zero_bid"),
        (pair(at=NOW - timedelta(minutes=16)), Filter.QUOTE, "quote stale"),
        (pair(feed=Feed.INDICATIVE), Filter.QUOTE, "quote delayed"),
        (pair(bid="3.55", ask="4.00"), Filter.SPREAD, "spread 11.92 % > 10.00 %"),
        (pair(bid="0.28", ask="0.30"), Filter.MID, "mid $0.290 < $0.30"),
        (pair(volume=61), Filter.VOLUME, "volume 61 < 61.5385"),
        (pair(volume=None), Filter.VOLUME, "volume missing"),
        (pair(open_interest=99), Filter.OPEN_INTEREST, "open interest 99 < 100"),
        (pair(open_interest=None), Filter.OPEN_INTEREST, "open interest missing"),
        (pair(delta=0.24), Filter.DELTA, "delta 0.24 < 0.25"),
        (pair(delta=0.71), Filter.DELTA, "delta 0.71 > 0.7"),
        (pair(delta=None), Filter.DELTA, "delta missing"),
        (pair(bid="9.70", ask="9.80"), Filter.BUDGET, "one contract costs $980.07 > $960.00"),
    ],
)
def test_every_rejected_contract_keeps_its_first_reason(changed, code, text):
    choice = choose(changed)
    assert choice.best is None
    assert [row.filter for row in choice.rejected] == [code]
    assert choice.rejected[0].text == text


def test_score_and_cost_reject_too():
    weak = choose(pair("209", volume=70, bid="3.70", ask="4.00"))  # 9.7 + 15.4 + 20 + 1: far below 60
    assert weak.rejected[0].filter is Filter.SCORE
    dear = choose(pair(), rules=RULES._replace(cost_max_of_stop=0.05))
    assert dear.rejected[0].filter is Filter.COST
    assert dear.rejected[0].text == "cost 2.54 % > 1.25 %"


def test_feature_21_an_adjusted_contract_is_never_chosen():
    contract, quote = pair()
    choice = choose((replace(contract, adjusted=True), quote))
    assert choice.best is None
    assert choice.rejected[0].text == "adjusted deliverable: close-only"


def test_a_contract_without_any_quote_is_rejected_and_named():
    contract, quote = pair()
    chain = chain_of((contract, quote))
    bare = replace(chain, quotes={})
    choice = select_contract(
        bare, terms_of(), rules=RULES, quotes=QUOTES, fees=fee_rules_on(DAY), delta_of={}
    )
    assert choice.rejected == (Rejection(contract.occ, Filter.QUOTE, -1.0, 0.0),)
    assert choice.rejected[0].text == "quote missing"


def test_missing_volume_and_open_interest_may_be_allowed_by_policy():
    allowed = RULES._replace(missing_volume_allow=1, missing_open_interest_allow=1)
    choice = choose(pair(bid="3.98", volume=None, previous_volume=None, open_interest=None), rules=allowed)
    assert choice.best is not None


def test_volume_counts_by_the_hour_or_by_the_previous_session():
    assert volume_fits(20, -1, 0.01, RULES)
    assert not volume_fits(19, -1, 0.01, RULES)
    assert volume_fits(100, -1, 0.5, RULES)
    assert not volume_fits(99, -1, 0.5, RULES)
    assert volume_fits(0, 200, 0.5, RULES)
    assert not volume_fits(0, 199, 0.5, RULES)
    assert volume_fits(-1, 200, 0.5, RULES)


def test_the_elapsed_share_is_clamped():
    assert elapsed_share(SESSION, SESSION.open_at) == 0.01
    assert elapsed_share(SESSION, SESSION.close_at + timedelta(hours=1)) == 1.0
    assert elapsed_share(SESSION, SESSION.open_at + timedelta(minutes=195)) == pytest.approx(0.5)


def test_a_delta_the_feed_left_out_is_taken_from_the_computed_ones():
    contract, quote = pair(delta=None)
    choice = choose((contract, quote), delta_of={contract.occ: 0.44})
    assert choice.best is not None
    assert choice.best.delta == 0.44


def test_put_deltas_count_by_size():
    choice = choose(pair(right=Right.PUT, delta=-0.42), terms=terms_of(right=Right.PUT))
    assert choice.best is not None
    assert choice.best.delta == 0.42


def test_the_highest_score_wins_whatever_the_order_of_the_chain():
    good, better = pair("204"), pair("200")
    for quotes in ((good, better), (better, good)):
        choice = choose(*quotes)
        assert choice.best is not None
        assert choice.best.contract.occ == better[0].occ
        assert choice.passed == 2


def test_equal_scores_go_to_the_tighter_spread_and_then_to_the_symbol():
    flat = RULES._replace(spread_max=10**9)  # the spread's points become equal to within nothing
    lower, upper = pair("198", "3.90", "4.00"), pair("202", "3.90", "4.00")
    for quotes in ((lower, upper), (upper, lower)):
        best = choose(*quotes, rules=flat).best
        assert best is not None
        assert best.contract.occ == min(lower[0].occ, upper[0].occ)


def test_the_other_right_is_not_considered():
    choice = choose(pair(), pair(right=Right.PUT, delta=-0.4))
    assert choice.passed + len(choice.rejected) == 1


def test_a_chain_of_two_thousand_contracts_is_judged_quickly():
    quotes = [pair(f"{150 + n * 0.1:.1f}", days=1 + n % 5) for n in range(2_000)]
    chain = chain_of(*quotes)
    began = time.perf_counter()
    choice = select_contract(
        chain, terms_of(), rules=RULES, quotes=QUOTES, fees=fee_rules_on(DAY), delta_of={}
    )
    elapsed = time.perf_counter() - began
    assert choice.passed + len(choice.rejected) == 2_000
    assert elapsed < 0.5  # measured 0.02 s; generous, since the machine is shared
