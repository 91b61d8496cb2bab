"""The same services over recorded markets: every fill stands in the data, nothing is known early."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from ops_pipeline.adapters.calendar.exchange import exchange_calendar
from ops_pipeline.adapters.recorded.recording import open_recording
from ops_pipeline.app.cli.main import app
from ops_pipeline.domain.instruments import Right, parse_occ
from ops_pipeline.domain.market import Interval

CONFIG = Path(__file__).resolve().parents[2] / "config"
FIRST, LAST = date(2026, 7, 16), date(2026, 7, 21)
NAMES = ("GOOGL", "SMCI", "PLTR", "TSLA")


def call(*words):
    done = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def replayed(shared_data, tmp_path_factory):
    home = tmp_path_factory.mktemp("replay")
    summary = call(
        "replay", "--config", CONFIG / "e1.toml", "--data", shared_data, "--from", FIRST, "--to", LAST,
        "--symbols", ",".join(NAMES), "--home", home, "--json",
    )  # fmt: skip
    return home, summary


@pytest.fixture(scope="module")
def recording(shared_data):
    calendar = exchange_calendar()
    return open_recording([shared_data], calendar=calendar, symbols=NAMES, first=FIRST, last=LAST)


def quotes_of(shared_data, underlying):
    return pl.read_parquet(shared_data / "options_intraday_2026" / f"{underlying}.parquet")


def test_a_replay_trades_adds_up_and_breaks_nothing(replayed):
    _, summary = replayed
    assert summary["sessions"] == 4
    assert summary["reconciliation"]["breaks"] == 0
    assert summary["positions"]["opened"] >= 1
    for account in summary["accounts"].values():
        total = account["start_equity"] + account["realised"] + account["unrealised"]
        assert account["end_equity"] == pytest.approx(total, abs=1e-9)


def test_every_entry_fills_at_an_ask_and_every_exit_at_a_bid_of_that_instant(replayed, shared_data):
    home, _ = replayed
    fills = call("fills", "--home", home, "--json")
    assert fills
    for fill in fills:
        contract = parse_occ(fill["occ"])
        at = datetime.fromisoformat(fill["at"])
        rows = quotes_of(shared_data, contract.underlying).filter(
            pl.col("asof") == at,
            pl.col("expiry") == contract.expiration,
            pl.col("right") == contract.right.letter,
            pl.col("strike") == contract.strike / 10_000,
        )
        side = "ask" if fill["side"] == "buy" else "bid"
        assert rows[side].to_list() == [fill["price"]]


def test_tiny_says_for_each_refusal_what_bound_it(replayed):
    home, _ = replayed
    rows = call("verdicts", "--home", home, "--account", "tiny", "--limit", "500", "--json")
    assert rows
    assert all(row["reason"] for row in rows if row["verdict"] == "refused")


def test_the_summary_names_per_account_what_it_could_ever_afford(replayed, shared_data):
    _, summary = replayed
    rows = {(row["account"], row["symbol"]): row for row in summary["affordable"]}
    assert set(rows) == {(account, name) for account in ("large", "tiny", "lab") for name in NAMES}
    # 1 % and 25 % of the tiers, 8 % of lab, of what each starts with
    budgets = {"large": 1_210.0, "tiny": 250.0, "lab": 9_680.0}
    windows = {"large": (30, 60), "tiny": (7, 30), "lab": (14, 60)}
    for (account, name), row in rows.items():
        assert row["budget"] == budgets[account]
        assert row["affordable"] == (row["cheapest"] is not None and row["cheapest"] <= row["budget"])
        if row["cheapest"] is None:
            continue
        at = datetime.fromisoformat(row["at"])
        days = (pl.col("expiry") - pl.col("session")).dt.total_days()
        standing = quotes_of(shared_data, name).filter(
            pl.col("asof") <= at, pl.col("session") == at.date(), days.is_between(*windows[account])
        )
        # what it costs is a hundred times an ask that stood there, and some cents of fees
        assert any(0.0 < row["cheapest"] - 100.0 * ask < 0.25 for ask in standing["ask"].to_list())
    assert not rows["tiny", "GOOGL"]["affordable"]
    assert rows["tiny", "SMCI"]["affordable"]


def test_the_same_data_under_other_names_and_in_two_folders_leaves_the_same_ledger(
    replayed, shared_data, tmp_path
):
    _, summary = replayed
    folders = [tmp_path / "one" / "a", tmp_path / "two" / "b"]
    for number, path in enumerate(sorted(shared_data.rglob("*.*"))):
        folder = folders[number % 2] / str(number % 3)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number:04}{path.suffix}").symlink_to(path)
    again = call(
        "replay", "--config", CONFIG / "e1.toml", "--data", tmp_path / "one", "--data", tmp_path / "two",
        "--from", FIRST, "--to", LAST, "--symbols", ",".join(NAMES), "--home", tmp_path / "home", "--json",
    )  # fmt: skip
    assert again["fills"] == summary["fills"] > 0
    assert again["ledger_hash"] == summary["ledger_hash"]


def test_nothing_recorded_is_seen_before_its_time(recording):
    now = recording.next_instant(datetime(2026, 7, 17, 14, 0, tzinfo=UTC))
    for item in recording.fetch(since=now - timedelta(days=3), now=now):
        assert item.published_at <= now
    for name in NAMES:
        chain = recording.chain(name, now=now, first=FIRST, last=date(2026, 12, 31), right=Right.CALL)
        assert chain is not None
        assert all(quote.at <= now for quote in chain.quotes.values())
        days = recording.bars(name, interval=Interval.DAY, after=now - timedelta(days=9), now=now)
        assert max(bar.session for bar in days) == date(2026, 7, 16)
    assert recording.volatility_index(before=date(2026, 7, 17)).session == date(2026, 7, 16)


def test_at_the_close_the_spot_is_the_daily_close(recording, shared_data):
    close = datetime(2026, 7, 16, 20, 0, tzinfo=UTC)
    daily = pl.read_parquet(shared_data / "underlying" / "daily_2024-07_2026-08-07.parquet")
    for name in NAMES:
        row = daily.filter(pl.col("symbol") == name, pl.col("session") == FIRST)
        assert recording.spot(name, now=close).price == round(row["close"][0] * 10_000)


def test_renamed_files_in_a_strange_folder_are_found_by_their_columns(shared_data, tmp_path):
    folder = tmp_path / "anything"
    folder.mkdir()
    quotes_of(shared_data, "SMCI").filter(pl.col("session") == FIRST).write_parquet(folder / "x1.parquet")
    found = open_recording([tmp_path], calendar=exchange_calendar(), symbols=None, first=FIRST, last=LAST)
    assert found.symbols == ("SMCI",)
    assert found.coverage.chains == {"SMCI": 3}
    assert found.coverage.without_daily_bars == ("SMCI",)


def test_exits_are_managed_on_one_real_day_of_five_minute_chains(shared_data, tmp_path):
    summary = call(
        "replay", "--config", CONFIG / "exits-2020-12-17.toml",
        "--data", shared_data / "options_5min_2020-12-17",
        "--from", "2020-12-17", "--to", "2020-12-17", "--home", tmp_path, "--json",
    )  # fmt: skip
    assert summary["positions"]["opened"] == 2
    assert sum(summary["exits"].values()) >= 1
    assert summary["reconciliation"]["breaks"] == 0


def test_apple_in_2014_is_replayed_at_the_minute_over_its_seven_for_one_split(shared_data, tmp_path):
    words = (
        "replay", "--config", CONFIG / "aapl-2014.toml", "--data", shared_data / "lean_2014_2015",
        "--from", "2014-06-06", "--to", "2014-06-09", "--json", "--home",
    )  # fmt: skip
    home = tmp_path / "first"
    summary = call(*words, home)
    assert (summary["sessions"], summary["reconciliation"]["breaks"]) == (2, 0)
    # Bought on the Friday near 650; on the Monday one contract is seven, and 650 is 92.86.
    positions = {row["position"]: row for row in call("positions", "--home", home, "--json")}
    assert {row["occ"] for row in positions.values()} == {"AAPL140620C00092860", "AAPL140718P00092860"}
    assert {row["of"] for row in positions.values()} == {21, 14}
    recording = open_recording(
        [shared_data / "lean_2014_2015"],
        calendar=exchange_calendar(),
        symbols=("AAPL",),
        first=date(2014, 6, 6),
        last=date(2014, 6, 9),
    )
    fills = call("fills", "--home", home, "--json")
    assert fills
    for fill in fills:
        at = datetime.fromisoformat(fill["at"])
        quote = recording.quotes([fill["occ"]], now=at)[fill["occ"]]
        assert fill["price"] == pytest.approx(quote.bid / 10_000)
        assert (fill["side"], fill["qty"]) in (("sell", 21), ("sell", 14))
    assert call(*words, tmp_path / "second")["ledger_hash"] == summary["ledger_hash"]
