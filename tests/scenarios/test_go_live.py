"""What live is judged by: the report, the paper sessions, the broker's guards, a person's word."""

import json
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ops_pipeline.adapters.calendar.exchange import exchange_calendar
from ops_pipeline.adapters.store.store import open_store
from ops_pipeline.app import go_live, live, runs
from ops_pipeline.app.alpaca_side import AlpacaSide, open_lines
from ops_pipeline.app.cli.main import app
from ops_pipeline.app.clock import WallClock
from ops_pipeline.app.compose import begin_ledgers, prepare, simulated_clock, simulated_market
from ops_pipeline.app.confirmation import Confirmation, confirmed_by
from ops_pipeline.app.credentials import load_credentials
from ops_pipeline.app.interlocks import Guards, Identity, Report
from ops_pipeline.app.process import build_hash
from ops_pipeline.app.settings import load_settings
from ops_pipeline.domain.accounts import ControlLevel, Mode, Tier
from ops_pipeline.domain.breaks import BreakFound, Cause
from ops_pipeline.domain.errors import ConfigurationError
from ops_pipeline.domain.events import AccountOpened
from ops_pipeline.domain.records import AccountSnapshot
from ops_pipeline.domain.units import AccountId
from tests.builders_venue import KEYS, LARGE, at_venue, served

ACCOUNT = AccountId("large")
BUILD = "b" * 64
AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
EXAMPLE = Path(__file__).resolve().parents[2] / "config" / "live.toml.example"
IDENTITY = Identity(
    account=ACCOUNT,
    mode="live",
    host="api.alpaca.markets",
    key_prefix="AK",
    number="123456789",
    broker_number="123456789",
    blocked=False,
    ledger_venue="",
)


def measured(goal, *, build=BUILD, passed=True, at=AT):
    return json.dumps({"goal": goal, "pass": passed, "commit": build, "at": at.isoformat(), "value": "0"})


def test_a_report_is_the_newest_line_of_each_goal_of_this_code(tmp_path):
    path = tmp_path / "reliability.jsonl"
    lines = [
        measured("G1", passed=False, at=AT - timedelta(days=1)),
        measured("G1"),
        measured("G3", at=AT - timedelta(days=2)),
        measured("G2", build="other", at=AT + timedelta(days=1)),
        "progress: not a line of JSON",
        '{"goal": "G9", "pass": true}',
        '{"goal": "G9", "pass": true, "commit": "b", "at": "2026-11-20T12:00:00"}',
    ]
    path.write_text("\n".join(lines))
    assert go_live.read_report(path, build=BUILD) == Report(
        build=BUILD, at=AT - timedelta(days=2), passed=frozenset({"G1", "G3"}), missed=frozenset()
    )
    path.write_text("\n".join([*lines, measured("G3", passed=False)]))
    assert go_live.read_report(path, build=BUILD).missed == {"G3"}
    assert go_live.read_report(path, build="nobody's").build == BUILD
    assert go_live.read_report(tmp_path / "none", build=BUILD) is None


def test_verify_writes_lines_that_a_report_is_read_from(tmp_path):
    told = CliRunner().invoke(app, ["verify", "burst", "--short", "--workers", "1", "--json"])
    assert told.exit_code == 0, told.output
    path = tmp_path / "reliability.jsonl"
    path.write_text(told.stdout)
    report = go_live.read_report(path, build=build_hash())
    assert (report.build, report.passed) == (build_hash(), {"G12"})
    assert WallClock().now() - report.at < timedelta(minutes=5)


def snapshot(day):
    return AccountSnapshot(
        account=ACCOUNT,
        at=datetime(2026, 11, day, 21, tzinfo=UTC),
        session=date(2026, 11, day),
        tier=Tier.LARGE,
        control=ControlLevel.NORMAL,
        cash=0,
        positions_value=0,
        positions_at_bid=0,
        equity=0,
        realised=0,
        unrealised=0,
        fees=0,
        open_positions=0,
    )


def kept_run(home, venue, days, broken=()):
    run = runs.create_run(home, kind="run", label="", created_at=AT.isoformat(), settings={})
    opened = AccountOpened(number="PA1", broker=venue, mode=Mode.TRADE, cash=0, tier=Tier.LARGE)
    with open_store(run.database, durable=False, database_id="ab12", holder="test", build_hash="b") as store:
        store.commit(ACCOUNT, [opened], at=AT)
        for place, (day, confirmed, proof) in enumerate(broken):
            at = datetime(2026, 11, day, 15, tzinfo=UTC)
            found = BreakFound(
                symbol=f"AAPL261218C0020{place}000",
                ledger_qty=1,
                broker_qty=0,
                confirmed=confirmed,
                cause=Cause.UNKNOWN,
                evidence=proof,
                seen_at=at,
            )
            store.commit(ACCOUNT, [found], at=at)
        store.add_snapshots([snapshot(day) for day in days])
    return run


def test_paper_sessions_are_those_of_paper_ledgers_with_their_mismatches(tmp_path):
    kept_run(tmp_path, "simulator", [2, 3])
    kept_run(tmp_path, "alpaca-local", [4])
    # Neither what was seen once nor what an activity explains is a mismatch.
    broken = [(16, False, ""), (17, True, ""), (18, True, "OPEXP-1")]
    kept_run(tmp_path, "alpaca-paper", [16, 17, 18], broken=broken)
    kept_run(tmp_path, "alpaca-paper", [18, 19])
    sessions = go_live.paper_sessions(tmp_path, ACCOUNT)
    assert [(session.date.day, session.mismatches) for session in sessions] == [
        (16, 0),
        (17, 1),
        (18, 0),
        (19, 0),
    ]
    assert go_live.paper_sessions(tmp_path, AccountId("tiny")) == []


def test_guards_are_set_tried_and_read_again_at_the_broker():
    with served() as (venue, host):
        own = at_venue(host).accounts[0]
        keys = load_credentials(own, environment=KEYS)
        with closing(open_lines(at_venue(host).broker, keys, clock=WallClock())) as lines:
            side = AlpacaSide(lines, clock=WallClock())
            assert go_live.set_guards(side, most_level=2) == Guards(
                no_shorting=True, most_options_level=2, suspend_tested=True
            )
            desk = venue.desk_of(LARGE.key, LARGE.secret)
            assert desk.configuration.no_shorting is True
            assert desk.configuration.max_options_trading_level == 2
            assert desk.configuration.suspend_trade is False
            assert side.account().options_level == 2
    with closing(open_lines(at_venue(host).broker, keys, clock=WallClock())) as lines:
        assert go_live.set_guards(AlpacaSide(lines, clock=WallClock()), most_level=2) is None


def account_of(identity=IDENTITY, key=b"secret"):
    return go_live.LiveAccount(identity=identity, side=None, signing_key=key)


def evidence(tmp_path, **person):
    run = kept_run(tmp_path, "alpaca-live", [])
    return go_live.Evidence(
        home=tmp_path, run=run, environment={}, wall=WallClock(), person=go_live.Person(**person)
    )


def test_only_the_words_typed_in_a_terminal_or_a_signed_token_are_a_persons_word(tmp_path):
    def word(**person):
        return go_live._confirmed(account_of(), evidence(tmp_path, **person), build=BUILD)

    assert go_live.asked_word(IDENTITY) == "LIVE 6789"
    asked = []
    assert word(ask=lambda q: asked.append(q) or "LIVE 6789") is Confirmation.TYPED
    assert "will trade real money" in asked[0]
    assert "123456789" not in asked[0]
    for said in ("", "y", "LIVE", "live 6789", "LIVE 1234"):
        assert word(ask=lambda _, said=said: said) is Confirmation.NONE
    assert word(ask=None) is Confirmation.NONE
    assert word(ask=lambda _: "LIVE 6789", token="forged") is Confirmation.NONE


def test_the_command_signs_a_token_that_stands_for_the_words(monkeypatch):
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("OPS__ACCOUNTS__LARGE__NUMBER", "123456789")
    told = CliRunner().invoke(app, ["live-token", "--account", "large", "--hours", "2"])
    assert told.exit_code == 0, told.output
    token = told.stdout.strip()
    now = WallClock().now()
    assert confirmed_by(token, LARGE.secret.encode(), number="123456789", build=build_hash(), now=now)
    assert LARGE.secret not in told.stdout
    refused = CliRunner().invoke(app, ["live-token", "--account", "tiny"])
    assert isinstance(refused.exception, ConfigurationError)


def test_a_live_account_begins_with_a_quarter_of_its_own_caps_until_five_sessions_are_over(tmp_path):
    settings = load_settings(EXAMPLE)
    first = go_live.ramped_settings(settings, None, today=date(2026, 11, 20)).accounts[0].override
    assert (first.at_risk_bp, first.premium_day_bp, first.contracts) == (125, 125, 1)
    assert (first.positions, first.day_loss_bp) == (1, 25)
    run = kept_run(tmp_path, "alpaca-live", [])
    # Begun on Friday 2026-11-20; Thanksgiving is closed: the fifth session after it is Monday the 30th.
    for today, contracts in ((date(2026, 11, 27), 1), (date(2026, 11, 30), 4)):
        caps = go_live.ramped_settings(settings, run, today=today).accounts[0].override
        assert caps.contracts == contracts
    paper = kept_run(tmp_path, "alpaca-paper", [])
    assert (
        go_live.ramped_settings(settings, paper, today=date(2027, 1, 4)).accounts[0].override.contracts == 1
    )


def test_nothing_trades_where_facts_are_missing_and_each_is_named(tmp_path):
    settings = load_settings(accounts=[{"id": "large", "number": "123456789", "equity_usd": 121000}])
    calendar = exchange_calendar()
    run = runs.create_run(tmp_path, kind="run", label="", created_at="", settings={})
    clock = simulated_clock(calendar, date(2026, 1, 5))
    assembly = prepare(
        settings, simulated_market(settings, calendar), database=run.database, clock=clock, label="x"
    )
    with served() as (_, host), assembly.store:
        keys = load_credentials(at_venue(host).accounts[0], environment=KEYS)
        with closing(open_lines(at_venue(host).broker, keys, clock=WallClock())) as lines:
            side = AlpacaSide(lines, clock=WallClock())
            account = replace(account_of(), side=side)
            known = go_live.Evidence(
                home=tmp_path,
                run=run,
                environment={"OPS_ALLOW_LIVE": "987654321, 123456789"},
                wall=WallClock(),
                person=go_live.Person(ask=lambda _: "LIVE 6789"),
            )
            begin_ledgers(assembly, clock.now())
            with pytest.raises(ConfigurationError) as refused:
                go_live.refuse_live(assembly, {ACCOUNT: account}, known)
    said = str(refused.value)
    # The served market lives in July: its clock is far off, and that is told as well.
    for name in ("own_caps", "report", "paper_sessions", "clock"):
        assert f"{name}: expected" in said
    for name in ("OPS_ALLOW_LIVE", "confirmation", "lease", "backup", "guards", "ramp", "number"):
        assert f"{name}: expected" not in said


def test_the_shipped_example_is_live_and_refused_without_a_number(tmp_path, monkeypatch):
    monkeypatch.setattr("ops_pipeline.app.brake.EmergencyBrake.listen", lambda _: None)
    settings = load_settings(EXAMPLE)
    assert (settings.broker.mode, settings.broker.trading_address) == ("live", "https://api.alpaca.markets")
    with pytest.raises(Exception, match="credentials of large"):
        live.run_live(settings, tmp_path, live.Order(), say=print)
    assert runs.list_runs(tmp_path) == []
