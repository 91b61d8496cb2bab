"""A split the broker has not told of yet: nobody judges the old contract by the new one's price."""

from datetime import date

from ops_pipeline.adapters.simulator.broker import Fault
from ops_pipeline.domain import events as e
from tests.builders_market import ACCOUNT, CALL, Rig, at, only

SPLIT_DAY = date(2026, 3, 3)
HALF = "META260417C00250000"


def on_the_split_day(hour, minute=0, second=0):
    return at(hour, minute, second, day=SPLIT_DAY)


def test_feature_21_nothing_is_decided_on_the_old_symbol_before_the_split_is_booked(tmp_path):
    rig = Rig(tmp_path)
    rig.opened(10, price="10.00")
    rig.market.put_split("META", SPLIT_DAY, 2)
    opening = on_the_split_day(14, 30)
    rig.market.put_spot(opening, "250")
    # The 500 strike is listed still, as an option on the halved shares: worth next to nothing.
    rig.market.put(opening, "0.05", "0.10")
    rig.market.put(opening, "4.95", "5.05", occ=HALF)
    rig.faults.plan["activities"] = [Fault.READ_FAILED] * 8
    rig.run(opening, on_the_split_day(14, 31))
    unbooked = only(rig.ledger.positions.values())
    assert (unbooked.contract.occ, unbooked.exit, unbooked.qty) == (CALL, None, 10)
    assert any("split" in failed.error for report in rig.reports for failed in report.failed)
    rig.run(on_the_split_day(14, 35), on_the_split_day(14, 36))
    booked = only(rig.ledger.positions.values())
    assert (booked.contract.occ, booked.exit, booked.qty) == (HALF, None, 20)
    decided = [event for event in rig.store.events(ACCOUNT) if isinstance(event.body, e.ExitDecided)]
    assert decided == []
    rig.assert_sound()
