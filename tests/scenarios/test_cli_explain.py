"""`ops explain` tells a trade from headline to result, from rows only."""

import json

import pytest
from typer.testing import CliRunner

from ops_pipeline.app.cli.main import app
from ops_pipeline.domain.errors import ConfigurationError
from tests.builders_run import make_run


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home with one run."""
    folder = tmp_path_factory.mktemp("home")
    make_run(folder)
    return folder


@pytest.fixture
def story(home):
    """Explains an id and gives the JSON with its sections by title."""

    def run(wanted):
        done = CliRunner().invoke(app, ["explain", wanted, "--json", "--home", str(home)])
        assert done.exit_code == 0, done.output
        found = json.loads(done.output)
        found["sections"] = {section["title"]: section["rows"] for section in found["sections"]}
        return found

    return run


def test_a_position_is_told_from_headline_to_result(story):
    sections = story("P1")["sections"]
    assert list(sections) == [
        "Position",
        "News known then",
        "Features then",
        "Signal",
        "Because",
        "Verdict of tiny: approved; 3 of 3 gates passed, judged once",
        "Sizing and contract choice, tiny",
        "Orders",
        "Fills",
        "Peak, trailing stop and confirmations",
        "Market seen (sampled)",
        "Exits decided",
        "Sales",
        "Result",
        "Related",
    ]
    assert sections["News known then"][0]["headline"] == "Meta raises its guidance"
    assert [row["state"] for row in sections["Orders"]] == ["FILLED"] * 4


def test_the_profit_of_the_story_is_what_the_fills_amount_to(story):
    (result,) = story("P1")["sections"]["Result"]
    # 3 x 2 580 + 3 010 + 2 x 3 420 - 6 x 1 715 - 0.84
    assert (result["cost"], result["proceeds"], result["fees"]) == (10290.0, 17590.0, 0.84)
    assert (result["pnl"], result["pnl_pct"], result["agrees"]) == (7299.16, 70.93, True)


def test_the_ladder_and_the_trailing_stop_are_told_sale_by_sale(story):
    sales = story("P1")["sections"]["Sales"]
    assert [(row["reason"], row["qty"], row["left"]) for row in sales] == [
        ("first_profit_target", 3, 3),
        ("second_profit_target", 1, 2),
        ("trailing_stop", 2, 0),
    ]
    # 25.80 over 17.15 is 50.4373 %.
    assert sales[0]["gain_pct"] == 50.44


def test_an_exit_shows_its_level_what_was_observed_and_the_distance(story):
    decided = story("P1")["sections"]["Exits decided"][-1]
    assert (decided["level"], decided["observed"], decided["distance"]) == ("$34.29", "$34.28", "-$0.01")
    assert decided["message"] == "Trailed from peak $40.00, stop $34.29"


def test_a_signal_shows_every_accounts_verdict(story):
    found = story("S1")
    titles = [title for title in found["sections"] if title.startswith("Verdict of")]
    assert titles[0].startswith("Verdict of large: refused by iv_rank")
    assert titles[1].startswith("Verdict of tiny: approved")
    (gate,) = [row for row in found["sections"][titles[0]] if not row["passed"]]
    assert (gate["gate"], gate["limit"]) == ("iv_rank", "0.80")
    assert "P1" in [row["position"] for row in found["sections"]["Positions it led to"]]


def test_the_beginning_of_an_order_id_is_enough(story):
    found = story("op1db1-x")
    assert (found["kind"], found["id"]) == ("order", "op1db1-x-dddddddddddd-1")
    happened = [row["what"] for row in found["sections"]["What happened to it"]]
    assert happened == ["OrderIntended", "OrderSending", "OrderAnswered", "FillBooked"]
    assert found["sections"]["Position"][0]["position"] == "P1"


def test_a_ticker_stands_for_its_newest_signal(story):
    found = story("meta")
    assert (found["kind"], found["id"]) == ("signal", "S1")


def test_a_hold_is_explained_too(story):
    found = story("Shold")
    assert (found["kind"], found["sections"]["Hold"][0]["reason"]) == ("hold", "chop")


def test_rolled_positions_name_each_other(story):
    old, new = story("P2"), story("P3")
    assert {"what": "rolled to", "id": "P3"} in old["sections"]["Related"]
    assert {"what": "rolled from", "id": "P2"} in new["sections"]["Related"]
    for found in (old, new):
        (roll,) = found["sections"]["Rolls"]
        assert (roll["states"], roll["pnl_locked"]) == ("planned -> done", 50.0)


def test_people_get_it_in_new_yorks_time(home):
    done = CliRunner().invoke(app, ["explain", "P1", "--home", str(home)])
    assert done.exit_code == 0, done.output
    assert "+$7,299.16" in done.output
    assert "2026-03-02 12:11:00" in done.output
    assert "IV Rank: 0.33 (OK)" in done.output


def test_an_unknown_id_names_what_is_near(home):
    done = CliRunner().invoke(app, ["explain", "P11", "--home", str(home)])
    assert isinstance(done.exception, ConfigurationError)
    assert "near: P1" in str(done.exception)


def test_a_beginning_of_several_ids_names_them(home):
    done = CliRunner().invoke(app, ["explain", "op1db1-t", "--home", str(home)])
    assert isinstance(done.exception, ConfigurationError)
    assert "op1db1-t-bbbbbbbbbbbb-1, op1db1-t-cccccccccccc-1" in str(done.exception)
