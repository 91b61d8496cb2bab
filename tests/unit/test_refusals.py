"""What cannot be read is refused by name, or read as unknown: found by `ops verify fuzz`."""

import io
from datetime import UTC, date, datetime

import polars as pl
import pytest

from ops_pipeline.adapters.calendar.exchange import exchange_calendar
from ops_pipeline.adapters.feeds.parse import FeedError, clean_url, parse_feed
from ops_pipeline.adapters.recorded.factors import FACTOR_FOLDER, read_splits
from ops_pipeline.adapters.recorded.recording import open_recording
from ops_pipeline.adapters.simulator.book import from_json
from ops_pipeline.adapters.store.connect import parse_url
from ops_pipeline.app.settings import load_settings
from ops_pipeline.domain import events as e
from ops_pipeline.domain.errors import ConfigurationError, MissingDataError
from ops_pipeline.domain.instruments import parse_occ
from ops_pipeline.domain.plaintext import to_plain_text
from ops_pipeline.domain.units import to_usd4, usd4_from_float
from ops_pipeline.verify import corpus

NOON = datetime(2026, 3, 2, 17, tzinfo=UTC)
FIRST, LAST = date(2026, 2, 27), date(2026, 3, 3)


def test_text_before_a_marked_section_that_is_none_is_kept():
    assert to_plain_text("<p>Meta rises</p><![CDATApt x", limit=100) == "Meta rises"


def test_a_feed_that_its_reader_stumbles_over_is_no_feed():
    with pytest.raises(FeedError, match="cannot be read"):
        parse_feed(corpus.FEEDS[0].replace(b"Meta", b"&#x110000;"), source="wire", seen_at=NOON)


def test_a_link_with_half_of_a_surrogate_pair_is_left_out():
    assert clean_url("https://news.example/a?id=\ud800") is None


@pytest.mark.parametrize("text", ["1e999999999", "1e400", "NaN", "Infinity", "x", "0.00001"])
def test_an_amount_that_cannot_be_is_a_value_error(text):
    with pytest.raises(ValueError, match="amount"):
        to_usd4(text)


@pytest.mark.parametrize("dollars", [float("nan"), float("inf")])
def test_a_recorded_price_that_is_no_number_is_a_value_error(dollars):
    with pytest.raises(ValueError, match="finite"):
        usd4_from_float(dollars)


def test_digits_of_other_scripts_make_no_contract():
    with pytest.raises(ValueError, match="OCC symbol"):
        parse_occ("META26041\u0660C00500000")


@pytest.mark.parametrize("body", ["3", "null", "[" * 100_000, '{"level": NaN}', '{"level": 1e999}'])
def test_an_event_whose_body_does_not_fit_is_a_value_error(body):
    with pytest.raises(ValueError, match="ControlChanged"):
        e.decode("ControlChanged", body)


@pytest.mark.parametrize("text", ["", "{}", "[]", "[" * 100_000])
def test_a_damaged_book_of_the_simulated_broker_names_itself(text):
    with pytest.raises(MissingDataError, match="broker's book"):
        from_json(text)


def test_a_database_address_with_a_port_that_is_none_is_a_configuration_error():
    with pytest.raises(ConfigurationError, match="database URL"):
        parse_url("postgresql://ops@localhost:54x/ops")


@pytest.mark.parametrize("content", [b"a = ", b"\xff", b"a = " + b"[" * 5_000])
def test_a_settings_file_that_is_no_toml_is_a_configuration_error(tmp_path, content):
    file = tmp_path / "run.toml"
    file.write_bytes(content)
    with pytest.raises(ConfigurationError, match="TOML"):
        load_settings(file)


@pytest.mark.parametrize(
    "rows", [b"\xff", b"20260227,1,0,5\n", b"20260227,1,1/0,5\n", b"20260227,1,1,5\n20260302,1,1e-9,5\n"]
)
def test_a_factor_file_without_factors_is_missing_data(tmp_path, rows):
    file = tmp_path / FACTOR_FOLDER / "meta.csv"
    file.parent.mkdir()
    file.write_bytes(rows)
    with pytest.raises(MissingDataError, match=r"factor|text|Fraction"):
        read_splits([file], exchange_calendar(), first=FIRST, last=LAST)


def recorded(folder, payload):
    (folder / "table.parquet").write_bytes(payload)
    return open_recording([folder], calendar=exchange_calendar(), symbols=None, first=FIRST, last=LAST)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
@pytest.mark.parametrize("column", ["iv", "delta"])
def test_a_recorded_volatility_or_delta_that_is_no_number_is_unknown(tmp_path, column, number):
    frame = pl.read_csv(io.BytesIO(corpus.TABLES[0]), try_parse_dates=True)
    buffer = io.BytesIO()
    frame.with_columns(pl.lit(number).alias(column)).write_parquet(buffer)
    market = recorded(tmp_path, buffer.getvalue())
    at = datetime(2026, 3, 2, 20, tzinfo=UTC)
    chain = market.chain("META", now=at, first=FIRST, last=date(2026, 12, 31))
    assert [getattr(quote, column) for quote in chain.quotes.values()] == [None, None]


def test_a_table_damaged_behind_its_head_is_missing_data(tmp_path):
    good = corpus.parquet()[0]
    broken = good[:60] + b"\xff" * 40 + good[100:]
    with pytest.raises(MissingDataError, match="recorded data"):
        recorded(tmp_path, broken)
