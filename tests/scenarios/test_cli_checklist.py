"""`ops checklist` answers from the run's rows, each item with its evidence."""

import json
import sqlite3

import pytest
from typer.testing import CliRunner

from ops_pipeline.adapters.store.store import open_store
from ops_pipeline.app.cli.main import app
from ops_pipeline.app.runs import create_run, find_run
from tests.builders_ledger import START
from tests.builders_run import job_run, make_run


def answers(home, *, code=0):
    done = CliRunner().invoke(app, ["checklist", "--json", "--home", str(home)])
    assert done.exit_code == code, done.output
    return {(row["part"], row["item"]): row for row in json.loads(done.output)}


@pytest.fixture
def home(tmp_path):
    """A home with one run."""
    make_run(tmp_path)
    return tmp_path


def test_each_item_names_the_id_that_shows_it(home):
    found = answers(home)
    shown = {item: row["evidence"] for (part, item), row in found.items() if part != "success"}
    assert shown["Trailing stops working"] == "P1"
    assert shown["IV Rank calculated"] == "S1"
    assert shown["META position exited correctly"] == "P1"
    assert shown["Partial exits triggered"] == "op1db1-t-bbbbbbbbbbbb-1"
    assert shown["Rolling logic ready"] == "R1"
    assert shown["News -> Signal -> Execute -> Monitor -> Exit"] == "P1"
    filtering = found["success", "IV Rank filtering active"]
    assert filtering["detail"] == "IV Rank too high: 0.83 > 0.80 (options expensive)"


def test_what_the_run_did_not_meet_is_not_seen_and_counts_against_the_grade(home):
    found = answers(home)
    unseen = [item for (_, item), row in found.items() if row["result"] == "NOT SEEN"]
    assert unseen == ["Both accounts trading", "Kelly criterion benchmarked", "Grade: A+ (95 %+)"]
    assert found["success", "Grade: A+ (95 %+)"]["detail"] == "19 of 21 items, 90 %"


def test_a_failed_item_of_any_job_run_fails_it_even_if_later_runs_were_well(home):
    with open_store(
        find_run(home, None).database, durable=False, database_id=None, holder="test", clock=lambda: START
    ) as store:
        store.add_job_runs([job_run("telemetry", "", failed=2, minute=1, detail="META: no chain")])
        store.add_job_runs([job_run("telemetry", "", minute=2)])
    row = answers(home, code=1)["system", "No errors in any service"]
    assert (row["result"], row["evidence"]) == ("FAIL", "telemetry")
    assert row["detail"].startswith("2 failed items")
    assert row["detail"].endswith("META: no chain")


def test_a_row_that_the_events_do_not_explain_fails_it(home):
    path = find_run(home, None).database.removeprefix("sqlite:///")
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE trades SET pnl = pnl + 1 WHERE position_id = 'P1'")
    connection.close()
    found = answers(home, code=1)
    row = found["end to end", "All data flows working"]
    assert (row["result"], row["evidence"]) == ("FAIL", "P1")
    assert found["success", "Grade: A+ (95 %+)"]["result"] == "FAIL"
    # A trade whose profit its fills do not give is no evidence; the rolled position's is.
    assert found["end to end", "Verified with real trade"]["evidence"] == "P2"


def test_a_scheduler_that_never_ran_is_named(home):
    path = find_run(home, None).database.removeprefix("sqlite:///")
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM job_runs WHERE job = 'dispatcher' AND account = 'large'")
    connection.close()
    row = answers(home, code=1)["system", "All 10 schedulers ENABLED"]
    assert (row["result"], row["evidence"]) == ("FAIL", "dispatcher/large")


def test_an_empty_run_has_shown_nothing(tmp_path):
    run = create_run(tmp_path, kind="demo", label="", created_at=START.isoformat(), settings={})
    open_store(run.database, durable=False, database_id="db1", holder="test", clock=lambda: START).close()
    assert {row["result"] for row in answers(tmp_path).values()} == {"NOT SEEN"}


def test_people_get_a_count_of_the_answers(home):
    done = CliRunner().invoke(app, ["checklist", "--home", str(home)])
    assert "19 PASS, 0 FAIL, 3 NOT SEEN" in done.output
