"""Option values and greeks against published tables."""

import csv
from pathlib import Path

import pytest

from ops_pipeline.domain.pricing.american import american_value
from ops_pipeline.domain.pricing.european import (
    european_greeks,
    european_rho,
    european_value,
    european_vega,
)

# Barone-Adesi and Whaley's formula is itself up to 0.04 off a fine tree on these rows; that of
# Bjerksund and Stensland is a lower bound, up to 0.04 below the tree.
WHALEY_ERROR = 0.04
STENSLAND_ERROR = 0.04


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def arguments(row: dict[str, str]) -> tuple:
    names = ("spot", "strike", "t", "r", "q", "vol")
    return (*(float(row[name]) for name in names), 1 if row["type"] == "c" else -1)


def test_european_values_meet_haugs_table(shared_data):
    for row in rows(shared_data / "golden" / "haug_european_bsm.csv"):
        assert european_value(*arguments(row)) == pytest.approx(float(row["value"]), abs=1e-4), row


def test_american_values_meet_the_barone_adesi_whaley_table_within_its_own_error(shared_data):
    for row in rows(shared_data / "golden" / "haug_american_baw.csv"):
        assert american_value(*arguments(row)) == pytest.approx(float(row["value"]), abs=WHALEY_ERROR), row


def test_american_values_lie_above_the_bjerksund_stensland_table_by_its_own_error(shared_data):
    for row in rows(shared_data / "golden" / "haug_american_bjerksund_stensland.csv"):
        # At a volatility of 1000 % the formula misses the precise value, 99.2035, by 4.3.
        error = STENSLAND_ERROR if float(row["vol"]) < 2.0 else 4.4
        above = american_value(*arguments(row)) - float(row["value"])
        assert -1e-4 <= above <= error, row


def test_european_greeks_meet_vollibs_table(shared_data):
    for row in rows(shared_data / "golden" / "vollib_bs_greeks_even.csv"):
        spot, strike, rate, years, volatility = (float(row[name]) for name in "SKRtv")
        terms = (spot, strike, years, rate, 0.0, volatility)
        assert european_vega(*terms) == pytest.approx(float(row["CV"]), rel=1e-6, abs=1e-6)
        for right, letter, price in ((1, "C", "bs_call"), (-1, "P", "bs_put")):
            found = european_greeks(*terms, right)
            rho = european_rho(*terms, right)
            assert found.value == pytest.approx(float(row[price]), abs=1e-6)
            assert found.delta == pytest.approx(float(row[letter + "D"]), abs=1e-6)
            assert found.gamma == pytest.approx(float(row[letter + "G"]), abs=1e-6)
            assert found.theta_per_day * 365.0 == pytest.approx(float(row[letter + "T"]), abs=2e-6)
            assert rho == pytest.approx(float(row[letter + "R"]), abs=2e-6)
            assert found.vega_per_point * 100.0 == pytest.approx(float(row[letter + "V"]), rel=1e-6, abs=1e-6)
