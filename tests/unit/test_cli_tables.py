"""How amounts, instants, ids and contracts are written for people."""

import pytest

from ops_pipeline.app.cli import tables


@pytest.mark.parametrize(
    ("value", "signed", "shown"),
    [
        (1234.5, False, "$1,234.50"),
        (-0.07, False, "-$0.07"),
        (12, True, "+$12.00"),
        (0.0, True, "$0.00"),
        (34.2875, False, "$34.2875"),
        (1210.4321, False, "$1,210.43"),
    ],
)
def test_money_has_a_dollar_sign_and_cents(value, signed, shown):
    assert tables.money(value, signed=signed) == shown


def test_times_are_new_yorks_in_winter_and_in_summer():
    assert tables.new_york("2026-01-05T14:31:15Z") == "2026-01-05 09:31:15"
    assert tables.new_york("2026-07-06T13:31:15Z") == "2026-07-06 09:31:15"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("P9a9f21e870c44e7", "P9a9f21e8"),
        ("op1e6d5-e-wploe52s5jqa3eru6-4", "op1e6d5-e-wploe52s"),
        ("A-lab-AAPL201218C00127000", "A-lab-AAPL201218C00127000"),
        ("S1", "S1"),
    ],
)
def test_a_short_id_is_a_beginning_of_the_id(text, shown):
    assert tables.short_id(text) == shown
    assert text.startswith(shown)


def test_a_contract_is_written_as_people_say_it():
    assert tables.contract_name("META260320C00700000") == "META 2026-03-20 C700"
    assert tables.contract_name("F260320P00012500") == "F 2026-03-20 P12.5"
    assert tables.contract_name("not an option") == "not an option"


def test_a_bar_grows_right_for_a_gain_and_left_for_a_loss():
    assert tables.bar(10, 10, width=8).plain == "    │████"
    assert tables.bar(-5, 10, width=8).plain == "  ██│    "
    assert tables.bar(0, 0, width=8).plain == "    │    "


def test_flags_that_ought_to_be_yes_stand_out_when_they_are_not():
    assert (tables.cell("passed", False).plain, tables.cell("armed", False).plain) == ("NO", "no")


def test_a_narrow_terminal_gets_the_same_rows_in_fewer_columns(monkeypatch, capsys):
    from rich.console import Console

    row = {
        "position": "P9a9f21e870c44e7",
        "occ": "META260320C00700000",
        "realised": -12.5,
        "peak": 40.0,
        "opened": "2026-03-02T15:01:00Z",
        "closed": "2026-03-02T17:11:00Z",
    }
    monkeypatch.setattr(tables, "console", lambda: Console(width=62))
    tables.print_table([row], title="Positions")
    shown = capsys.readouterr().out
    assert "META 03-20 C700" in shown
    assert "03-02 10:01:00" in shown
    assert "-$12.50" in shown
    assert "peak" not in shown
    monkeypatch.setattr(tables, "console", lambda: Console(width=120))
    tables.print_table([row], title="Positions")
    assert "META 2026-03-20 C700" in capsys.readouterr().out
