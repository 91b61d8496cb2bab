"""What a run was told of its market becomes tables that are replayed under other settings."""

import json
import shlex
from datetime import date, datetime

import polars as pl
import pytest
from typer.testing import CliRunner

from ops_pipeline.adapters.calendar.exchange import exchange_calendar
from ops_pipeline.adapters.recorded.recording import open_recording
from ops_pipeline.adapters.tape.forms import QUOTE_FIELDS
from ops_pipeline.app import runs
from ops_pipeline.app.cli.main import app
from ops_pipeline.app.taping import FOLDER
from ops_pipeline.domain.errors import ConfigurationError, MissingDataError
from ops_pipeline.domain.market import Interval
from tests.builders_recording import CONFIG, chain_quotes, cut, lines_of, told_by, write_recording

DAY = date(2026, 1, 5)
FASTEST = 1_000_000.0


def call(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """Record one session whole; give the home, the run and what the command said."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ops_pipeline.app.brake.EmergencyBrake.listen", lambda _: None)
        done = call(
            "record", "--config", CONFIG, "--speed", FASTEST, "--sessions", 1, "--home", home, "--json"
        )
    assert done.exit_code == 0, done.output
    [run] = runs.list_runs(home)
    return home, run, json.loads(done.stdout)


@pytest.fixture(scope="module")
def lines(recorded):
    return lines_of(recorded[1].path / FOLDER)


@pytest.fixture(scope="module")
def reread(recorded):
    folder = recorded[1].path / "market"
    return open_recording([folder], calendar=exchange_calendar(), symbols=None, first=DAY, last=DAY)


def test_record_ends_with_tables_whose_rows_are_what_the_tape_told(recorded, lines):
    _, run, said = recorded
    market = said["market"]
    assert (market["folder"], market["cut_short"]) == (str(run.path / "market"), False)
    assert (market["first"], market["last"]) == (str(DAY), str(DAY))
    assert market["rows"]["chains"] == sum(len(quotes) for quotes in chain_quotes(lines).values())
    bars = {
        (bar["ticker"], bar["interval"], bar["end_at"])
        for _, _, told in told_by(lines, "market", "bars")
        for bar in told
    }
    assert market["rows"]["minute_bars"] == sum(bar[1] == Interval.MINUTE for bar in bars)
    assert market["rows"]["daily_bars"] == sum(bar[1] == Interval.DAY for bar in bars)
    ivs = {
        (row["ticker"], row["session"])
        for _, _, told in told_by(lines, "market", "iv_history")
        for row in told
    }
    assert market["rows"]["iv_history"] == len(ivs)
    files = list((run.path / "market").iterdir())
    assert market["bytes"] == sum(path.stat().st_size for path in files)


def test_every_quote_reads_back_as_it_was_told_at_the_instant_it_was_told(lines, reread):
    told = chain_quotes(lines)
    instants = sorted({at for at, _ in told})
    for at in (instants[0], instants[len(instants) // 2], instants[-1]):
        for (when, name), quotes in told.items():
            if when != at:
                continue
            chain = reread.chain(name, now=at, first=date(2026, 1, 1), last=date(2027, 1, 1))
            assert {occ: (q.bid, q.ask) for occ, q in chain.quotes.items()} == quotes
            assert {quote.at for quote in chain.quotes.values()} == {at}
            some = list(quotes)[:3]
            single = reread.quotes(some, now=at)
            assert {occ: (q.bid, q.ask) for occ, q in single.items()} == {occ: quotes[occ] for occ in some}
        assert any(when == at for when, _ in told)


def test_sizes_greeks_spots_and_ivs_read_back_too(lines, reread):
    at, _, chain = next(iter(told_by(lines, "market", "chain")))
    read = reread.chain(chain["underlying"], now=at, first=date(2026, 1, 1), last=date(2027, 1, 1))
    assert read.spot == chain["spot"]
    for row in chain["quotes"]:
        told = dict(zip(QUOTE_FIELDS, row, strict=True))
        quote = read.quotes[told["occ"]]
        for name in ("bid_size", "ask_size", "volume", "open_interest", "iv", "delta", "theta_per_day"):
            assert getattr(quote, name) == told[name], name


def test_bars_iv_history_the_index_and_the_rate_are_those_told(lines, reread):
    end = datetime.fromisoformat("2026-01-05T21:00:00+00:00")
    told = {}
    for _, _, answer in told_by(lines, "market", "bars"):
        told |= {(bar["ticker"], bar["interval"], bar["end_at"]): bar for bar in answer}
    for interval in Interval:
        bars = [bar for name in reread.symbols for bar in reread.bars(
            name, interval=interval, after=datetime.fromisoformat("2024-01-01T00:00:00+00:00"), now=end
        )]  # fmt: skip
        assert bars
        for bar in bars:
            row = told.pop((bar.ticker, interval.value, bar.end_at.isoformat()))
            prices = (bar.open, bar.high, bar.low, bar.close, bar.volume)
            assert prices == tuple(row[name] for name in ("open", "high", "low", "close", "volume"))
    # The reader keeps daily bars of 500 days; whatever else was told is read.
    assert {interval for _, interval, _ in told} <= {Interval.DAY.value}
    _, about, readings = next(iter(told_by(lines, "market", "iv_history")))
    read = reread.iv_history(about[0], before=date.fromisoformat(about[1]), limit=about[2])
    assert [(r.session.isoformat(), r.iv) for r in read] == [(r["session"], r["iv"]) for r in readings]
    _, about, index = next(iter(told_by(lines, "market", "volatility_index")))
    found = reread.volatility_index(before=date.fromisoformat(about[0]))
    assert (found.session.isoformat(), found.value) == (index["session"], index["value"])
    _, about, rate = next(iter(told_by(lines, "market", "rate")))
    assert reread.rate(date.fromisoformat(about[0])) == pytest.approx(rate, abs=1e-12)


def test_headlines_are_seen_when_the_run_first_saw_them_whether_or_not_they_name_a_ticker(lines, reread):
    told = {item["news_id"]: item for _, _, items in told_by(lines, "news", "fetch") for item in items}
    since = datetime.fromisoformat("2025-12-01T00:00:00+00:00")
    read = reread.fetch(since=since, now=datetime.fromisoformat("2026-01-05T22:00:00+00:00"))
    assert {item.news_id for item in read} == set(told)
    for item in read:
        row = told[item.news_id]
        assert (item.headline, item.body, list(item.tickers)) == (
            row["headline"],
            row["body"],
            row["tickers"],
        )
        assert item.first_seen_at.isoformat() == row["first_seen_at"]
        assert item.published_at.isoformat() == row["published_at"]
        just_before = reread.fetch(since=since, now=item.published_at)
        assert item.first_seen_at == item.published_at or item not in just_before


def test_the_recorded_session_is_traded_under_other_settings(recorded, tmp_path):
    _, run, _ = recorded
    done = call(
        "replay", "--config", CONFIG, "--data", run.path / "market", "--from", DAY, "--to", DAY,
        "--home", tmp_path, "--json",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    summary = json.loads(done.stdout)
    data = summary["data"]
    assert data["ignored_files"] == []
    assert data["refused_rows"] == {}
    assert data["quote_sizes"]
    assert all(data["chains"].values())
    assert len(data["chains"]) == 10
    assert data["minutes"] > 0
    assert data["without_daily_bars"] == []
    assert all(data["iv_readings_before"].values())
    assert data["news_items"] > 0
    assert summary["news"] > 0
    assert summary["signals"] > 0
    assert summary["reconciliation"]["breaks"] == 0
    assert summary["positions"]["opened"] >= 1
    rows = json.loads(call("verdicts", "--limit", 500, "--home", tmp_path, "--json").stdout)
    assert all(row["reason"] for row in rows if row["verdict"] == "refused")
    fills = json.loads(call("fills", "--home", tmp_path, "--json").stdout)
    told = chain_quotes(lines_of(run.path / FOLDER))
    for fill in fills:
        at = datetime.fromisoformat(fill["at"])
        bid, ask = next(
            quotes[fill["occ"]] for (when, _), quotes in told.items() if when == at and fill["occ"] in quotes
        )
        assert round(fill["price"] * 10_000) == (ask if fill["side"] == "buy" else bid)


def test_any_recording_gives_tables_and_one_cut_short_says_so(recorded, tmp_path):
    home, run, _ = recorded
    short = cut(run.path / FOLDER, tmp_path / "cut", 0.4)
    until = max(at for at, _ in chain_quotes(lines_of(short)))
    target = tmp_path / "tables"
    done = call("recording", "tables", run.id, "--recording", short, "--to", target, "--home", home)
    assert done.exit_code == 0, done.output
    assert "the recording was cut short at 2026-01-05" in done.stdout
    [command] = [line for line in done.stdout.splitlines() if line.startswith("ops replay ")]
    done = call(*shlex.split(command)[1:], "--home", tmp_path / "home", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["verdicts"]["approved"] >= 1
    rows = pl.read_parquet(target / f"chains-{DAY}.parquet")
    assert rows["quote_asof"].max() == until
    with pytest.raises(ConfigurationError, match="expected a new or empty folder"):
        again(home, short, target)


def test_record_that_is_stopped_early_writes_what_it_was_told_by_then(tmp_path, monkeypatch):
    class Stopping:
        looks = 0

        def __init__(self, _brake):
            pass

        @property
        def wanted(self):
            Stopping.looks += 1
            return Stopping.looks > 400

    monkeypatch.setattr("ops_pipeline.app.live.Stop", Stopping)
    monkeypatch.setattr("ops_pipeline.app.brake.EmergencyBrake.listen", lambda _: None)
    done = call("record", "--config", CONFIG, "--speed", FASTEST, "--home", tmp_path, "--json")
    assert done.exit_code == 0, done.output
    [run] = runs.list_runs(tmp_path)
    market = json.loads(done.stdout)["market"]
    told = chain_quotes(lines_of(run.path / FOLDER))
    assert market["rows"]["chains"] == sum(len(quotes) for quotes in told.values()) > 0
    assert not market["cut_short"]


def again(home, recording, target):
    done = call("recording", "tables", "--recording", recording, "--to", target, "--home", home)
    raise done.exception


def test_no_recording_and_one_that_told_nothing_are_missing_data(recorded, tmp_path):
    home, run, _ = recorded
    with pytest.raises(MissingDataError, match="expected parts"):
        again(home, tmp_path, tmp_path / "tables")
    header = lines_of(run.path / FOLDER)[0]
    bare = write_recording(tmp_path / "bare", [header, ["at", "tick", "2026-01-05T14:30:00+00:00"]])
    with pytest.raises(MissingDataError, match="expected a price or a headline"):
        again(home, bare, tmp_path / "tables")
    assert list(tmp_path.iterdir()) == [tmp_path / "bare"]


def test_a_quote_told_twice_is_one_row_and_a_changed_line_is_left_out(recorded, tmp_path):
    home, run, _ = recorded
    header = lines_of(run.path / FOLDER)[0]
    occ = "AAPL260220C00150000"
    at = "2026-01-05T15:00:00+00:00"
    quote = dict.fromkeys(QUOTE_FIELDS) | {
        "occ": occ, "bid": 12_300, "ask": 12_700, "bid_size": 5, "ask_size": 6, "at": at,
        "confirmed_at": at, "feed": "opra", "computed": False,
    }  # fmt: skip
    row = list(quote.values())
    adjusted = list((quote | {"occ": "AAPL1260220C00150000"}).values())
    moments = [
        header,
        ["at", "tick", at],
        ["told", "market", "quotes", [occ], {"is": [row]}],
        ["again", "market", "quotes", [occ]],
        ["told", "market", "quotes", [occ, "AAPL1260220C00150000"], {"is": [row, adjusted]}],
        ["told", "market", "quotes", ["X"], {"is": [["damaged"]]}],
    ]
    made = write_recording(tmp_path / "made", moments)
    done = call("recording", "tables", "--recording", made, "--to", tmp_path / "t", "--home", home, "--json")
    said = json.loads(done.stdout)
    assert (said["rows"], said["unread_answers"], said["adjusted_contracts"]) == ({"chains": 1}, 1, 1)
    [read] = pl.read_parquet(tmp_path / "t" / f"chains-{DAY}.parquet").to_dicts()
    assert (read["underlying"], read["bid"], read["ask"], read["spot"]) == ("AAPL", 1.23, 1.27, None)
    assert read["quote_asof"] == datetime.fromisoformat(at)
    foreign = write_recording(tmp_path / "foreign", moments[1:2], true_sums=False)
    with pytest.raises(ConfigurationError, match="expected a recording of version"):
        again(home, foreign, tmp_path / "other")
