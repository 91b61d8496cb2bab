"""Shares split while options on them are held: contracts change, what was paid does not."""

from datetime import date

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ops_pipeline.domain import events as e
from ops_pipeline.domain import position_fold
from ops_pipeline.domain.instruments import Right, Split, format_occ, parse_occ, split_contract
from ops_pipeline.domain.units import PositionId, to_usd4
from tests.builders_ledger import START, TINY, planned
from tests.builders_market import ACCOUNT, Rig, at, only

MONDAY = date(2014, 6, 9)


def aapl(new, old=1):
    return Split(ticker="AAPL", session=MONDAY, new=new, old=old)


@pytest.mark.parametrize(
    ("symbol", "after"),
    [
        # Apple, 7 for 1: 645/7 = 92.142857, 650/7 = 92.857142, 700/7 = 100.
        ("AAPL140620C00645000", "AAPL140620C00092140"),
        ("AAPL140620C00650000", "AAPL140620C00092860"),
        ("AAPL140718P00700000", "AAPL140718P00100000"),
    ],
)
def test_a_whole_split_multiplies_the_contracts_and_divides_the_strike_to_the_cent(symbol, after):
    contract, for_one = split_contract(parse_occ(symbol), aapl(7))
    assert (contract.occ, for_one, contract.adjusted, contract.multiplier) == (after, 7, False, 100)
    assert contract == parse_occ(after)


@pytest.mark.parametrize(("new", "old"), [(3, 2), (1, 10)])
def test_feature_21_any_other_split_leaves_number_and_strike_and_adjusts_the_contract(new, old):
    contract, for_one = split_contract(parse_occ("MDU261120C00030000"), aapl(new, old))
    assert (contract.occ, for_one, contract.strike) == ("MDU1261120C00030000", 1, to_usd4("30"))
    assert contract.adjusted
    assert parse_occ(contract.occ) == contract


def test_a_split_that_changes_nothing_is_no_split():
    with pytest.raises(ValueError, match="expected another number"):
        aapl(2, 2)


def tomorrow(hour, minute=0):
    return at(hour, minute, day=date(2026, 3, 3))


def split_rig(path, *, new, old=1):
    """A rig that holds ten calls bought at 10.00 and sees META split at the next session's open."""
    rig = Rig(path)
    rig.opened(10, price="10.00")
    rig.run(at(14, 31, 10), at(14, 32))
    rig.market.put_split("META", date(2026, 3, 3), new, old)
    rig.market.put_spot(tomorrow(14, 30), str(500 * old // new))
    return rig


def test_a_position_lives_through_a_split_and_is_sold_at_its_new_stop(tmp_path):
    rig = split_rig(tmp_path, new=2)
    before = only(rig.ledger.positions.values())
    half = "META260417C00250000"
    # Bought at 10.00 a share of old stock: 5.00 of new. At 3.70/3.80 the loss is 25 % exactly, at the mid.
    rig.market.put(tomorrow(14, 30), "3.70", "3.80", occ=half)
    rig.run(tomorrow(14, 30), tomorrow(14, 32))
    after = only(rig.ledger.positions.values())
    assert (after.contract.occ, after.bought, after.original_qty) == (half, 20, 20)
    assert (after.cost, after.peak) == (before.cost, to_usd4("5"))
    assert after.entry_underlying == before.entry_underlying // 2
    assert (after.close_reason, after.qty) == ("option_stop_loss", 0)
    # 20 x 100 x 3.70 = 7400 received for 10 x 100 x 10.00 = 10000 paid.
    assert (after.proceeds, after.cost) == (to_usd4("7400"), to_usd4("10000"))
    assert not rig.ledger.breaks
    adjusted = [
        event.body for event in rig.store.events(ACCOUNT) if isinstance(event.body, e.ContractsAdjusted)
    ]
    assert only(adjusted).for_one == 2
    rig.assert_sound()


def test_a_split_is_booked_once_however_often_it_is_shown(tmp_path):
    rig = split_rig(tmp_path, new=2)
    rig.market.put(tomorrow(14, 30), "4.90", "5.10", occ="META260417C00250000")
    rig.run(tomorrow(14, 30), tomorrow(14, 40))
    assert only(rig.ledger.positions.values()).qty == 20
    assert rig.ledger.held() == {"META260417C00250000": 20}
    rig.assert_sound()


def test_an_adjusted_contract_is_never_rolled_and_still_exits(tmp_path):
    rig = split_rig(tmp_path, new=3, old=2)
    adjusted = "META1260417C00500000"
    rig.market.put(tomorrow(14, 30), "7.00", "7.10", occ=adjusted)
    rig.run(tomorrow(14, 30), tomorrow(14, 32))
    after = only(rig.ledger.positions.values())
    assert (after.contract.occ, after.contract.adjusted, after.bought) == (adjusted, True, 10)
    assert (after.close_reason, after.qty) == ("option_stop_loss", 0)
    rig.assert_sound()


@given(
    strike=st.integers(50, 200_000),
    qty=st.integers(1, 50),
    price=st.integers(1, 500_000),
    ratio=st.integers(2, 20),
)
def test_cost_and_gain_are_the_same_on_both_sides_of_a_split(strike, qty, price, ratio):
    occ = format_occ("AAPL", date(2014, 7, 18), Right.CALL, strike * 100)
    adopted = e.ContractsAdopted(position_id=PositionId("P1"), activity_id="A1", qty=qty, price=price * 100)
    opened = position_fold.start_position(TINY, planned(occ=occ), START)
    before = position_fold.adopt_contracts(opened, adopted)
    assume(strike * 100 >= ratio * 100)
    contract, for_one = split_contract(before.contract, aapl(ratio))
    after = position_fold.adjust_contracts(
        before,
        e.ContractsAdjusted(
            position_id=before.id,
            activity_id="S1",
            contract=contract,
            for_one=for_one,
            shares_new=ratio,
            shares_old=1,
        ),
    )
    assert after.cost == before.cost == qty * price * 100 * 100
    assert after.qty == qty * ratio
    # The peak never falls below the average entry, and exceeds it by less than its last digit.
    assert after.peak * after.qty * 100 >= after.cost
    assert (after.peak - 1) * after.qty * 100 < after.cost
    assert after.entry_underlying == to_usd4("700") // ratio
