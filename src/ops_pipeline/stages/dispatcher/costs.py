"""What a round trip costs against the stop: the spread, and every fee both ways. Pure."""

from ops_pipeline.domain.fees import round_trip_fees
from ops_pipeline.domain.orders import GateResult
from ops_pipeline.domain.rules import FeeRules
from ops_pipeline.domain.units import Bp, Usd4, kernel

COST = "cost"


@kernel
def cost_fits(bid: int, ask: int, multiplier: int, fees: int, stop: int, share: float) -> bool:
    """Tell whether spread and fees of one contract are at most `share` of the stop's distance.

    `fees` for the round trip in Usd4, `stop` in bp of the premium, positive. Compared as products.
    """
    if ask <= 0 or not share > 0.0:
        return False
    cost = (ask - bid) * multiplier + fees
    return cost * 10_000 / share <= float(stop * ask * multiplier)


def cost_gate(bid: Usd4, ask: Usd4, *, multiplier: int, fees: FeeRules, stop: Bp, share: float) -> GateResult:
    """Judge one contract's round trip; the text shows it in percent of the premium paid."""
    trip = round_trip_fees(1, fees)
    passed = cost_fits(bid, ask, multiplier, trip, stop, share)
    cost = ((ask - bid) * multiplier + trip) / (ask * multiplier) if ask > 0 else 1.0
    limit = f"<= {share * stop / 100:.2f} % of the premium ({share:.2f} of the stop at {stop / 100:g} %)"
    return GateResult(COST, passed, f"{cost * 100:.2f} % (spread and fees)", limit)
