"""`ops run` at a broker's own API over loopback: it trades, reconciles, and refuses what does not belong."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ops_pipeline.adapters.alpaca.broker import AlpacaBroker
from ops_pipeline.adapters.calendar.exchange import exchange_calendar
from ops_pipeline.adapters.store.store import read_store
from ops_pipeline.app import live, runs
from ops_pipeline.app.broker_parts import open_broker
from ops_pipeline.app.cli.main import app
from ops_pipeline.app.launch import run_demo
from ops_pipeline.app.parity import compare_with_replay
from ops_pipeline.app.reopen import reopen
from ops_pipeline.app.settings import load_settings
from ops_pipeline.domain.errors import ConfigurationError, MissingDataError
from ops_pipeline.domain.events import FillBooked
from ops_pipeline.domain.records import Failed
from ops_pipeline.domain.units import AccountId
from ops_pipeline.ports import BrokerUnavailable
from ops_pipeline.simserver.files import read_faults
from tests.builders_venue import KEYS, LARGE, TINY, at_venue, serving

# An hour of entries, the last two hours of a session: 140 market minutes in less than a wall minute.
START = datetime(2026, 7, 13, 17, 45, tzinfo=UTC)
SPEED = 240.0
FAST = [replace(own, trading_per_minute=1_000_000, data_per_minute=1_000_000) for own in (LARGE, TINY)]


BAD_DAY = Path(__file__).resolve().parents[2] / "config" / "sim_faults.toml"


def at_work(*, speed=SPEED, start=START, plan=None):
    return serving(accounts=FAST, speed=speed, start=start, first_session=start.date(), plan=plan)


def settings_at(server, *, broker_more=None, **groups):
    host = server.address
    broker = {
        "kind": "alpaca",
        "trading_url": f"http://{host}",
        "data_url": f"http://{host}",
        "stream_url": f"ws://{host}",
        # The calmest of the served names stands in for the market.
        "regime_symbol": "HARW",
        "start_within_s": 0,
    } | (broker_more or {})
    return at_venue(host, **({"broker": broker} | groups))


@pytest.fixture(autouse=True)
def keys(monkeypatch):
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    # A run takes the signals of its process over; a test's process keeps its own.
    monkeypatch.setattr(live, "Stop", lambda _: type("Calm", (), {"wanted": False})())
    monkeypatch.setattr("ops_pipeline.app.brake.EmergencyBrake.listen", lambda _: None)


def books_at(server):
    """Give what the broker itself holds and has, by account number."""
    with server.venue.at_work():
        books = {own.number: server.venue.desk_of(own.key, own.secret).book for own in FAST}
        held = {n: {occ: h.qty for occ, h in book.holdings.items() if h.qty} for n, book in books.items()}
        return held, {number: book.cash for number, book in books.items()}


def ends_equal(outcome, server):
    """Judge that broker and ledger end with the same contracts and the same cash; give the fills booked."""
    held, cash = books_at(server)
    fills = []
    with read_store(outcome.run.database) as store:
        for account, own in (("large", LARGE), ("tiny", TINY)):
            ledger = store.ledger(AccountId(account))
            assert (ledger.broker, ledger.number) == ("alpaca-local", own.number)
            assert ledger.held() == held[own.number]
            assert ledger.cash == cash[own.number]
            assert ledger.live_orders == ()
            # None: the last question of a bad day was not answered.
            assert outcome.summary["accounts"][account]["cash_off"] in (0.0, None)
            fills += [e.body.fill for e in store.events(AccountId(account)) if isinstance(e.body, FillBooked)]
    return fills


def test_a_session_over_the_brokers_api_trades_ends_equal_and_is_reopened_at_the_broker(tmp_path):
    said = []
    with at_work() as server:
        order = live.Order(speed=SPEED, sessions=1, record=True)
        outcome = live.run_live(settings_at(server), tmp_path, order, say=said.append)
        fills = ends_equal(outcome, server)
        with reopen(outcome.run, writable=False) as reopened:
            assert reopened.clock.now() > START
            for account, own in (("large", LARGE), ("tiny", TINY)):
                assert reopened.brokers[AccountId(account)].account().cash == books_at(server)[1][own.number]
    summary = outcome.summary
    assert "2026-07-13 is over" in said
    assert (summary["sessions"], summary["reconciliation"]["breaks"]) == (1, 0)
    assert [own["cash_off"] for own in summary["accounts"].values()] == [0.0, 0.0]
    assert summary["positions"]["opened"] >= 1
    assert len(fills) == summary["fills"] >= 1
    assert all(START <= fill.at <= START + timedelta(hours=3) for fill in fills)
    # With the broker gone nothing simulated stands in for it.
    with pytest.raises(BrokerUnavailable):
        reopen(outcome.run, writable=False)
    # Its recording is replayed without it.
    assert compare_with_replay(outcome.run).divergences == ()


def test_what_reads_of_the_accounts_left_out_is_told_with_what_failed_of_the_news(monkeypatch):
    told = Failed(item="orders of others", error="left out 1, the last one for its limit")
    monkeypatch.setattr(AlpacaBroker, "troubles", lambda _: (told,))
    with (
        at_work() as server,
        open_broker(
            settings_at(server), exchange_calendar(), environment=KEYS, ledgers={}, speed=None
        ) as parts,
    ):
        assert parts.market.news_troubles() == (told, told), "one of each account"


def test_a_session_with_three_bad_calls_in_ten_ends_with_broker_and_ledger_equal(tmp_path):
    drawn = []
    with at_work(speed=120.0, start=START + timedelta(minutes=55), plan=read_faults(BAD_DAY)) as server:
        draw = server.faults.draw
        server.faults.draw = lambda *asked: drawn.append(draw(*asked)) or drawn[-1]
        settings = settings_at(server, broker_more={"start_within_s": 60})
        order = live.Order(speed=120.0, sessions=1, record=True)
        outcome = live.run_live(settings, tmp_path, order, say=lambda _: None)
        ends_equal(outcome, server)
    assert compare_with_replay(outcome.run).divergences == ()
    assert outcome.summary["reconciliation"]["breaks"] == 0
    assert len(drawn) > 300
    assert sum(rule is not None for rule in drawn) > len(drawn) // 5


def test_a_run_is_not_begun_for_an_account_that_is_not_the_pinned_one(tmp_path):
    rows = [{"id": "large", "number": TINY.number, "equity_usd": 121000}]
    with at_work(speed=1.0) as server:
        with pytest.raises(ConfigurationError, match="account large may not trade: number: expected …0002"):
            live.run_live(settings_at(server, accounts=rows), tmp_path, live.Order(), say=print)
        unpinned = [{"id": "large", "equity_usd": 121000}]
        with pytest.raises(ConfigurationError, match="number: expected a pinned number, was …0001"):
            live.run_live(settings_at(server, accounts=unpinned), tmp_path, live.Order(), say=print)
    assert runs.list_runs(tmp_path) == []


def test_a_run_is_not_begun_without_credentials_without_an_answer_or_at_another_speed(tmp_path, monkeypatch):
    with at_work(speed=1.0) as server:
        settings = settings_at(server)
        with pytest.raises(ConfigurationError, match="expected that of the server"):
            live.run_live(settings, tmp_path, live.Order(speed=60.0), say=print)
        monkeypatch.delenv("ALPACA_SECRET_KEY_TINY")
        with pytest.raises(MissingDataError, match="credentials of tiny"):
            live.run_live(settings, tmp_path, live.Order(), say=print)
    monkeypatch.setenv("ALPACA_SECRET_KEY_TINY", TINY.secret)
    with pytest.raises(BrokerUnavailable):
        live.run_live(settings, tmp_path, live.Order(), say=print)
    assert runs.list_runs(tmp_path) == []


def test_a_run_of_one_venue_is_not_gone_on_with_at_another(tmp_path, monkeypatch):
    monkeypatch.setattr(live, "Stop", lambda _: type("AtOnce", (), {"wanted": True})())
    rows = [{"id": "large", "number": LARGE.number, "equity_usd": 121000}]
    plain = load_settings(accounts=rows)

    def begun(settings, home):
        run = live.run_live(settings, home, live.Order(), say=lambda _: None).run
        with read_store(run.database) as store:
            ledger = store.ledger(AccountId("large"))
            return ledger.broker, ledger.seq

    with at_work(speed=1.0) as server:
        broker = settings_at(server, accounts=rows)
        assert begun(plain, tmp_path / "a") == ("simulator", 1)
        with pytest.raises(
            ConfigurationError, match="ledger: expected new, or of alpaca-local, was simulator"
        ):
            begun(broker, tmp_path / "a")
        assert begun(plain, tmp_path / "a") == ("simulator", 1)
        assert begun(broker, tmp_path / "b")[0] == "alpaca-local"
        with pytest.raises(ConfigurationError, match="ledger of simulator, was one of alpaca-local"):
            begun(plain, tmp_path / "b")
        assert begun(broker, tmp_path / "b")[0] == "alpaca-local"


def test_demo_and_replay_take_no_brokers_settings(tmp_path):
    with (
        serving(speed=1.0) as server,
        pytest.raises(ConfigurationError, match=r"demo: expected broker\.kind"),
    ):
        run_demo(settings_at(server), tmp_path, lambda *_: None)


def test_the_shipped_paper_configuration_is_sound_and_needs_only_keys_and_numbers(tmp_path, monkeypatch):
    for name in KEYS:
        monkeypatch.delenv(name)
    checked = CliRunner().invoke(app, ["config", "check", "config/paper.toml", "--json"])
    assert checked.exit_code == 0, checked.output
    monkeypatch.setenv("OPS__ACCOUNTS__LARGE__NUMBER", "PA1")
    monkeypatch.setenv("OPS__ACCOUNTS__TINY__NUMBER", "PA2")
    rows = {row["key"]: row["value"] for row in json.loads(checked.stdout)["settings"]}
    assert rows["broker.kind"] == "alpaca"
    assert rows["broker.mode"] == "paper"
    settings = load_settings(Path("config/paper.toml"))
    assert [own.number for own in settings.accounts] == ["PA1", "PA2"]
    with pytest.raises(MissingDataError, match="credentials of large: expected ALPACA_API_KEY_LARGE"):
        live.run_live(settings, tmp_path, live.Order(), say=print)
