"""How close the simulated chains are to recorded ones, measured on both sides in the same run."""

from datetime import date

import pytest

from ops_pipeline.adapters.calendar.exchange import exchange_calendar
from ops_pipeline.app.closeness import closeness, main, recorded_shape, report_lines, simulated_shape

NAMES = ("AAPL", "AMZN", "META", "MSTR", "NVDA", "PLTR", "SMCI", "TSLA")
FIRST, LAST = date(2026, 7, 16), date(2026, 7, 24)


@pytest.fixture(scope="module")
def shapes(shared_data):
    """Recorded at about 10:15 and 14:15 New York time, simulated at the same times of day."""
    calendar = exchange_calendar()
    folder = shared_data / "options_intraday_2026"
    recorded, offsets = recorded_shape([folder], NAMES, calendar, first=FIRST, last=LAST)
    few = (offsets[0], offsets[-1])
    return recorded, simulated_shape(calendar, few, first=FIRST, seed=1)


def ratios(shapes, table):
    recorded, simulated = shapes
    found = {
        row: closeness(recorded[title, row], simulated[title, row])
        for title, row in recorded
        if title.startswith(table) and (title, row) in simulated
    }
    assert found
    return found


@pytest.mark.parametrize(
    ("table", "rows", "factor"),
    [
        ("spread over mid", 20, 2.0),
        ("smile", 7, 1.1),
        ("term structure", 4, 1.25),
    ],
)
def test_prices_have_the_shape_of_recorded_ones(shapes, table, rows, factor):
    found = ratios(shapes, table)
    assert len(found) >= rows
    far = {row: ratio for row, ratio in found.items() if not 1 / factor <= ratio <= factor}
    assert far == {}


def test_volume_and_open_interest_lie_around_the_money_as_recorded(shapes):
    for table in ("share of volume", "share of open interest"):
        found = ratios(shapes, table)
        for row in ("|delta| 0.10-0.25", "|delta| 0.25-0.40", "|delta| 0.40-0.60"):
            assert 0.5 <= found[row] <= 2.0, (table, row)
        assert 0.5 <= found["the busiest tenth of the contracts"] <= 1.0
    assert 0.5 <= ratios(shapes, "median volume")["1-5 days"] <= 2.0


def test_the_report_sets_both_beside_each_other_and_marks_what_is_far():
    recorded = {
        ("spread", "near"): 0.04,
        ("spread", "wing"): 0.02,
        ("volume", "none"): 0.0,
        ("volume", "median"): 1_000,
        ("x", "y"): 1.0,
    }
    simulated = {
        ("spread", "near"): 0.06,
        ("spread", "wing"): 0.05,
        ("volume", "none"): 0.25,
        ("volume", "median"): 2_001,
    }
    rows = [line.split() for line in report_lines(recorded, simulated) if line]
    assert rows == [
        ["spread", "recorded", "simulated", "ratio"],
        ["near", "0.040", "0.060", "1.50"],
        ["wing", "0.020", "0.050", "2.50", "far"],
        ["volume", "recorded", "simulated", "ratio"],
        ["none", "0.000", "0.250"],
        ["median", "1,000", "2,001", "2.00", "far"],
    ]


def test_the_command_prints_stillness_where_chains_lie_five_minutes_apart(shared_data, capsys):
    folder = shared_data / "options_5min_2020-12-17"
    day = ["--from", "2020-12-17", "--to", "2020-12-17"]
    main(["--data", str(folder), *day, "--symbols", "AAL", "--seed", "3"])
    told = capsys.readouterr().out
    assert told.startswith("spread over mid, median")
    assert "unchanged after five minutes" in told
