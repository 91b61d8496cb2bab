"""One command, no keys, no network: a market, two accounts, a whole session, and a ledger that adds up."""

import json

import pytest
from typer.testing import CliRunner

from ops_pipeline.app.cli.main import app
from ops_pipeline.app.runs import create_run


def call(*words, code=0):
    done = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == code, done.output
    return done.stdout


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def summary(home):
    return json.loads(call("demo", "--sessions", 1, "--home", home, "--json"))


def test_feature_23_the_demo_goes_from_news_to_exit_for_two_accounts(summary):
    assert summary["sessions"] == 1
    assert summary["news"] == summary["classified"] > 0
    assert summary["signals"] > 0
    assert summary["holds"] > 0
    assert summary["verdicts"]["approved"] >= 1
    assert set(summary["accounts"]) == {"tiny", "large"}
    assert summary["positions"]["opened"] == summary["positions"]["closed"] + summary["positions"]["open"]
    assert summary["exits"]


def test_the_summary_has_every_field_it_promises(summary):
    assert set(summary) >= {
        "sessions", "seed", "news", "classified", "signals", "holds", "verdicts", "orders", "fills",
        "positions", "exits", "partials", "rolls", "accounts", "reconciliation", "events", "ledger_hash",
        "elapsed_s",
    }  # fmt: skip
    assert set(summary["verdicts"]) == {"approved", "refused", "by_gate"}
    assert set(summary["positions"]) == {"opened", "closed", "open"}
    assert set(summary["reconciliation"]) == {"checks", "breaks"}
    promised = {"start_equity", "end_equity", "realised", "unrealised", "fees", "opened"}
    assert all(promised <= set(account) for account in summary["accounts"].values())


def test_realised_profit_is_what_the_fills_left_net_of_their_fees(summary, home):
    fills = json.loads(call("fills", "--home", home, "--json"))
    held = json.loads(call("positions", "--home", home, "--open", "--json"))
    for account, row in summary["accounts"].items():
        own = [fill for fill in fills if fill["account"] == account]
        signed = [(1 if fill["side"] == "sell" else -1) * fill["qty"] * fill["price"] * 100 for fill in own]
        fees = sum(fill["fees"] for fill in own)
        basis = sum(p["entry"] * p["qty"] * 100 for p in held if p["account"] == account)
        assert own
        assert row["fees"] == pytest.approx(fees, abs=1e-6)
        assert row["realised"] == pytest.approx(sum(signed) - fees + basis, abs=1e-6)


def test_feature_23_cash_and_positions_are_equity_to_the_ten_thousandth(summary):
    for account in summary["accounts"].values():
        parts = account["start_equity"] + account["realised"] + account["unrealised"]
        assert round(parts * 10_000) == round(account["end_equity"] * 10_000)
    assert summary["reconciliation"]["checks"] > 0
    assert summary["reconciliation"]["breaks"] == 0


def test_feature_23_the_ledger_verifies(summary, home):
    assert summary["events"] > 0
    assert "fits" in call("db", "--home", home, "verify")


def test_every_bought_position_can_be_explained(summary, home):
    positions = json.loads(call("positions", "--home", home, "--limit", 1000, "--json"))
    assert len(positions) == summary["positions"]["opened"]
    for position in positions[:6]:
        told = json.loads(call("explain", position["position"], "--home", home, "--json"))
        text = json.dumps(told)
        assert position["occ"] in text
        assert "confidence" in text
        assert "premium_at_risk" in text


def test_fills_carry_what_a_reader_of_the_ledger_needs(summary, home):
    fills = json.loads(call("fills", "--home", home, "--json"))
    assert len(fills) == summary["fills"]
    wanted = {"at", "account", "occ", "side", "qty", "price", "fees", "order", "position"}
    assert all(wanted <= set(fill) for fill in fills)


@pytest.mark.usefixtures("summary")
def test_the_checklist_answers_from_evidence(home):
    rows = json.loads(call("checklist", "--home", home, "--json"))
    assert {row["result"] for row in rows} <= {"PASS", "NOT SEEN"}
    assert all(row["evidence"] or row["detail"] for row in rows if row["result"] == "PASS")


@pytest.mark.usefixtures("summary")
def test_jobs_lists_twelve_rows_and_none_is_silent(home):
    rows = json.loads(call("jobs", "--home", home, "--json"))
    assert len(rows) == 12
    assert {row["state"] for row in rows} == {"ok"}


@pytest.mark.usefixtures("summary")
def test_a_plan_sends_nothing(home):
    before = json.loads(call("orders", "--home", home, "--json"))
    plan = json.loads(call("plan", "--home", home, "--json"))
    assert set(plan) == {"entries", "exits"}
    assert json.loads(call("orders", "--home", home, "--json")) == before


def test_reset_asks_before_it_deletes(tmp_path):
    create_run(tmp_path, kind="demo", label="", created_at="2026-01-05T00:00:00Z", settings={})
    done = CliRunner().invoke(app, ["reset", "--home", str(tmp_path)], input="n\n")
    assert done.exit_code != 0
    assert json.loads(call("runs", "--home", tmp_path, "--json"))
    call("reset", "--home", tmp_path, "--yes")
    assert json.loads(call("runs", "--home", tmp_path, "--json")) == []
