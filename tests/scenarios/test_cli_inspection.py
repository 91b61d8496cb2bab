"""The commands that look at a run, on a run built from its events."""

import json

import pytest
from typer.testing import CliRunner

from ops_pipeline.app.cli.main import app
from ops_pipeline.domain.errors import ConfigurationError, MissingDataError
from tests.builders_run import make_run

COMMANDS = [
    "status",
    "positions",
    "orders",
    "fills",
    "trades",
    "signals",
    "verdicts",
    "events",
    "news",
    "profit",
]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home with one run."""
    folder = tmp_path_factory.mktemp("home")
    make_run(folder)
    return folder


@pytest.fixture
def ops(home):
    """Runs a command and gives what it printed."""

    def run(*words, code=0):
        done = CliRunner().invoke(app, [*words, "--home", str(home)])
        assert done.exit_code == code, done.output
        return done.output

    return run


@pytest.fixture
def as_json(ops):
    """Runs a command and gives the JSON it printed."""
    return lambda *words: json.loads(ops(*words, "--json"))


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_speaks_to_people_and_to_programs(ops, as_json, command):
    assert ops(command)
    assert as_json(command)


def test_status_values_every_account(as_json):
    found = as_json("status")
    assert found["run"]["id"] == "0001-demo-test"
    tiny = next(row for row in found["accounts"] if row["account"] == "tiny")
    # 121 000 - 10 290 + 17 590 - 0.84, then + 50 of the roll and - 700 for its successor.
    assert (tiny["cash"], tiny["equity"], tiny["open"]) == (127649.16, 128299.16, 1)
    assert tiny["control"] == "NORMAL"
    jobs = {"rows": 12, "silent": [], "failed_items": 0, "notes": [], "as_of": "2026-03-02T15:00:00Z"}
    assert (found["jobs"], found["alerts"]) == (jobs, [])


def test_fills_have_the_columns_programs_read(as_json):
    rows = as_json("fills")
    assert list(rows[0]) == ["at", "account", "occ", "side", "qty", "price", "fees", "order", "position"]
    assert rows[0] == {
        "at": "2026-03-02T15:01:00Z",
        "account": "tiny",
        "occ": "META260320C00700000",
        "side": "buy",
        "qty": 6,
        "price": 17.15,
        "fees": 0.36,
        "order": "op1db1-e-aaaaaaaaaaaa-1",
        "position": "P1",
    }
    assert len(rows) == 7


def test_a_table_shows_new_york_time_dollars_and_short_ids(ops):
    shown = ops("fills")
    assert "2026-03-02 10:01:00" in shown
    assert "META 2026-03-20 C700" in shown
    assert "$17.15" in shown
    assert "op1db1-e-aaaaaaaa " in shown


def test_the_limit_keeps_the_newest_rows_and_says_so(ops, as_json):
    assert [row["position"] for row in as_json("fills", "--limit", "1")] == ["P3"]
    assert "The newest 1 of 7" in ops("fills", "--limit", "1")


def test_open_positions_only(as_json):
    assert [row["position"] for row in as_json("positions", "--open")] == ["P3"]


def test_a_verdict_shows_the_gate_that_refused(as_json):
    row = next(row for row in as_json("verdicts") if row["account"] == "large")
    assert (row["verdict"], row["reason"]) == ("refused", "iv_rank")
    assert row["observed"] == "IV Rank too high: 0.83 > 0.80 (options expensive)"


def test_verdicts_of_one_account(as_json):
    assert [row["account"] for row in as_json("verdicts", "--account", "tiny")] == ["tiny"]


def test_events_of_one_order(as_json):
    rows = as_json("events", "--key", "op1db1-e-aaaaaaaaaaaa-1")
    assert [row["kind"] for row in rows] == ["OrderIntended", "OrderSending", "OrderAnswered", "FillBooked"]


def test_profit_is_what_each_period_made(as_json):
    first, second = as_json("profit", "--account", "tiny")
    assert (first["period"], first["profit"]) == ("2026-03-02", 0.0)
    assert (second["period"], second["profit"], second["realised"]) == ("2026-03-03", 7299.16, 7299.16)
    assert second["fees"] == 0.84
    (month,) = as_json("profit", "--account", "tiny", "--by", "month")
    assert (month["period"], month["profit"]) == ("2026-03", 7299.16)
    assert [row["period"] for row in as_json("profit", "--by", "week")] == ["2026-W10"]


def test_profit_draws_its_bars(ops):
    assert "│██████████" in ops("profit")


def test_an_unknown_account_is_refused_with_those_there_are(home):
    done = CliRunner().invoke(app, ["fills", "--account", "nobody", "--home", str(home)])
    assert isinstance(done.exception, MissingDataError)
    assert "large, tiny" in str(done.exception)


def test_without_a_run_the_way_to_one_is_named(tmp_path):
    done = CliRunner().invoke(app, ["positions", "--home", str(tmp_path)])
    assert isinstance(done.exception, MissingDataError)
    assert "ops demo" in str(done.exception)


def test_an_empty_list_says_what_to_do_next(ops):
    assert "`ops verdicts`" in ops("fills", "--account", "large")


def test_symbols_check_judges_by_the_prices_a_run_saw(as_json):
    (row,) = as_json("symbols", "check", "--run", "1")
    assert row == {
        "account": "tiny",
        "symbol": "META",
        "judged": 1,
        "budget": 1028.5,
        "cheapest": 1715.65,
        "bought": 1,
        "affordable": True,
    }


def test_config_check_lists_what_differs_and_refuses_what_contradicts(tmp_path):
    good = tmp_path / "good.toml"
    good.write_text("[exits]\ntarget_bp = 6000\n")
    done = CliRunner().invoke(app, ["config", "check", str(good), "--changed", "--json"])
    assert done.exit_code == 0
    found = json.loads(done.output)
    assert [row["key"] for row in found["settings"]] == ["exits.target_bp"]
    assert (found["errors"], found["warnings"]) == ([], [])
    bad = tmp_path / "bad.toml"
    bad.write_text("[exits]\nladder_first_part_bp = 8000\n")
    done = CliRunner().invoke(app, ["config", "check", str(bad)])
    assert done.exit_code == 2
    assert "error: exits: the ladder sells 105 %" in done.output


def test_a_key_that_does_not_exist_is_named(tmp_path):
    wrong = tmp_path / "wrong.toml"
    wrong.write_text("[exits]\ntarget = 5000\n")
    done = CliRunner().invoke(app, ["config", "check", str(wrong)])
    assert isinstance(done.exception, ConfigurationError)
    assert "exits.target" in str(done.exception)
