"""Regulatory fees of option fills by date, each kind rounded up to the cent. Pure.

The broker takes no commission. TAF is charged on sales only; ORF, OCC and CAT on both sides. CAT is
quoted per equivalent share, 100 of which make a contract here. Rounding each kind up per fill is the
broker's worst case: it sums a day's fills before it rounds.
"""

from datetime import date
from typing import NamedTuple

from ops_pipeline.domain.rules import FeeRules
from ops_pipeline.domain.units import ONE_CENT, Contracts, Usd4, kernel


class FeeRow(NamedTuple):
    """Rates from `effective` on, and where they were published."""

    effective: date
    rules: FeeRules
    source: str


# Millionths of a dollar per contract: TAF, ORF, OCC, CAT. Sessions before the first row use it.
FEE_TABLE: tuple[FeeRow, ...] = (
    FeeRow(
        date(2023, 2, 27),
        FeeRules(2_440, 30_250, 20_000, 0),
        "TAF and ORF as brokers published them for 2023 (tigerbrokers.nz); OCC schedule of fees",
    ),
    FeeRow(
        date(2024, 9, 1),
        FeeRules(2_790, 26_850, 20_000, 4_600),
        "docs.alpaca.markets/docs/regulatory-fees; CAT Fee 2024-1 bills from September 2024 (FINRA 6897)",
    ),
    FeeRow(
        date(2025, 2, 14),
        FeeRules(2_790, 26_850, 25_000, 4_600),
        "90 FR 10544: OCC clearing fee 0.02 -> 0.025, trade cap removed",
    ),
    FeeRow(
        date(2025, 3, 3),
        FeeRules(2_790, 28_150, 25_000, 4_600),
        "ibkrguides.com/kb/options-regulatory-fee-orf: total ORF as of 2025-03-03",
    ),
    FeeRow(
        date(2025, 7, 1),
        FeeRules(2_790, 28_150, 25_000, 2_650),
        "alpaca.markets/support/regulatory-fees: CAT 0.0000265 a share with CAT Fee 2025-2 (90 FR 30370)",
    ),
)


def fee_rules_on(session: date) -> FeeRules:
    """Give the rates in force on a session; before the first row, the first row's."""
    rules = FEE_TABLE[0].rules
    for row in FEE_TABLE:
        if row.effective <= session:
            rules = row.rules
    return rules


@kernel
def fill_fees(contracts: int, sells: int, rules: FeeRules) -> int:
    """Give the fees of one fill in Usd4: each kind rounded up to the cent. `sells` 1 or 0."""
    taf = _ceil_cents(contracts * rules.taf_per_contract) if sells == 1 else 0
    cents = taf + _ceil_cents(contracts * rules.orf_per_contract)
    cents += _ceil_cents(contracts * rules.occ_per_contract)
    cents += _ceil_cents(contracts * rules.cat_per_contract)
    return cents * ONE_CENT


@kernel
def _ceil_cents(millionths: int) -> int:
    return -(-millionths // 10_000)


def unit_entry_fees(rules: FeeRules) -> Usd4:
    """Give one bought contract's fees; n times it is never below the fees of n (each rounds up)."""
    return fill_fees(1, 0, rules)


def round_trip_fees(contracts: Contracts, rules: FeeRules) -> Usd4:
    """Give the fees of buying and selling `contracts` in one fill each."""
    return fill_fees(contracts, 0, rules) + fill_fees(contracts, 1, rules)
