"""Every parser of what others wrote. Shell."""

import io
import zipfile
from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl

from ops_pipeline.adapters.calendar.exchange import exchange_calendar
from ops_pipeline.adapters.feeds.parse import FeedError, clean_url, parse_feed
from ops_pipeline.adapters.recorded.factors import FACTOR_FOLDER, read_splits
from ops_pipeline.adapters.recorded.recording import open_recording
from ops_pipeline.adapters.simulator import book as brokerbook
from ops_pipeline.adapters.store.connect import parse_url
from ops_pipeline.adapters.textmodels.finbert import read_labels
from ops_pipeline.adapters.textmodels.lexicon import LexiconModel
from ops_pipeline.domain import events as e
from ops_pipeline.domain.errors import ConfigurationError, MissingDataError
from ops_pipeline.domain.instruments import parse_occ
from ops_pipeline.domain.news import NewsItem
from ops_pipeline.domain.plaintext import to_plain_text
from ops_pipeline.domain.units import to_usd4, usd4_from_float
from ops_pipeline.stages.classifier.rules import classify
from ops_pipeline.stages.classifier.tickers import Universe, build_universe
from ops_pipeline.stages.news_ingest.dedupe import DedupeRules, dedupe
from ops_pipeline.verify import corpus
from ops_pipeline.verify.goals import Parser

Read = Callable[[bytes], Any]

_NOON = datetime(2026, 3, 2, 17, tzinfo=UTC)
_FIRST, _LAST = date(2026, 2, 27), date(2026, 3, 3)


def _text(payload: bytes) -> str:
    return payload.decode("utf-8", "surrogateescape")


def feed(payload: bytes) -> Any:
    """Read a feed."""
    return parse_feed(payload, source="fuzz", seen_at=_NOON)


def markup(payload: bytes) -> Any:
    """Strip markup."""
    return to_plain_text(payload.decode("utf-8", "replace"), limit=4_000)


def address(payload: bytes) -> Any:
    """Clean a link of a feed."""
    return clean_url(_text(payload))


def occ_symbol(payload: bytes) -> Any:
    """Read a contract's symbol."""
    return parse_occ(_text(payload))


def event(payload: bytes) -> Any:
    """Read a stored event: its kind, a line break, its body."""
    kind, _, body = _text(payload).partition("\n")
    return e.decode(kind, body)


def money(payload: bytes) -> Any:
    """Read an amount of dollars."""
    return to_usd4(_text(payload))


def wire_price(payload: bytes) -> Any:
    """Round a recorded price that came as a float."""
    return usd4_from_float(float(payload.decode("ascii", "replace")))


def headline(payload: bytes) -> Any:
    """Classify an item: its headline, a line break, its body."""
    item = _item(payload)
    return classify(item, LexiconModel().score, _universe(), model_version="lexicon")


def duplicates(payload: bytes) -> Any:
    """Link duplicates among the lines of a text."""
    lines = payload.split(b"\n")[:20]
    return dedupe([_item(line, str(index)) for index, line in enumerate(lines)], [], DedupeRules())


def database_url(payload: bytes) -> Any:
    """Read a database's address."""
    return parse_url(_text(payload)).drivername


def broker_book(payload: bytes) -> Any:
    """Read a simulated broker's book."""
    return brokerbook.from_json(_text(payload)).cash


def labels(payload: bytes) -> Any:
    """Read the labels of a text model's configuration."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "config.json"
        file.write_bytes(payload)
        return read_labels(file)


def factor_file(payload: bytes) -> Any:
    """Read a factor file."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / FACTOR_FOLDER / "meta.csv"
        file.parent.mkdir()
        file.write_bytes(payload)
        return read_splits([file], exchange_calendar(), first=_FIRST, last=_LAST)


def table(payload: bytes) -> Any:
    """Read a recorded table and ask the recording for all it has."""
    return _recorded("table.csv", payload)


def typed_table(payload: bytes) -> Any:
    """Read a recorded table that keeps its types, one of its columns floats with NaN among them."""
    try:
        frame = pl.read_csv(io.BytesIO(payload), try_parse_dates=True)
        numbers = [name for name, kind in frame.schema.items() if kind.is_numeric()]
        name = numbers[len(payload) % len(numbers)] if numbers else frame.columns[0]
        third = pl.int_range(pl.len()) % 3 == 0
        wild = pl.when(third).then(float("nan")).otherwise(pl.col(name).cast(pl.Float64()))
        frame = frame.with_columns(wild.alias(name))
    except (pl.exceptions.PolarsError, ValueError):
        raise MissingDataError("no table to begin with") from None
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    return _recorded("table.parquet", buffer.getvalue())


def parquet_bytes(payload: bytes) -> Any:
    """Read a table whose bytes are damaged."""
    return _recorded("table.parquet", payload)


def zipped(payload: bytes) -> Any:
    """Read a zip of minute bars."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("20260302_meta_minute_trade.csv", payload)
    return _recorded("20260302_trade.zip", buffer.getvalue())


def damaged_zip(payload: bytes) -> Any:
    """Read a zip whose bytes are damaged."""
    return _recorded("20260302_trade.zip", payload)


def _recorded(name: str, payload: bytes) -> Any:
    with TemporaryDirectory() as folder:
        (Path(folder) / name).write_bytes(payload)
        found = open_recording(
            [Path(folder)], calendar=exchange_calendar(), symbols=None, first=_FIRST, last=_LAST
        )
        now = datetime(2026, 3, 2, 20, 30, tzinfo=UTC)
        far = date(2027, 1, 1)
        chains = [found.chain(ticker, now=now, first=_FIRST, last=far) for ticker in found.symbols]
        spots = [found.spot(ticker, now=now) for ticker in found.symbols]
        ivs = [found.iv_history(ticker, before=_LAST, limit=10) for ticker in found.symbols]
        index = found.volatility_index(before=_LAST)
        quotes = [tuple(chain.quotes.values()) for chain in chains if chain is not None]
        return quotes, spots, ivs, index, found.rate(_LAST), found.fetch(since=_NOON, now=now)


@cache
def _universe() -> Universe:
    return build_universe({"META": "Meta Platforms, Inc.", "XOM": "Exxon Mobil Corporation", "F": "Ford"})


def _item(payload: bytes, name: str = "") -> NewsItem:
    first, _, rest = payload.decode("utf-8", "replace").partition("\n")
    return NewsItem(
        news_id=f"N{name}",
        source="fuzz",
        url=f"https://news.example/{name}",
        published_at=_NOON,
        first_seen_at=_NOON,
        headline=first[:300],
        body=rest[:4_000],
    )


_BAD_DATA = (MissingDataError,)
_BAD_VALUE = (ValueError,)


def _parser(
    name: str, share: int, read: Read, refuses: tuple[type[Exception], ...], *payloads: bytes
) -> Parser:
    return Parser(name=name, read=read, refuses=refuses, corpus=payloads, share=share)


PARSERS: tuple[Parser, ...] = (
    _parser("feed", 40, feed, (FeedError,), *corpus.FEEDS),
    _parser("html", 120, markup, (), corpus.PAGE),
    _parser("link", 80, address, (), corpus.LINK),
    _parser("occ symbol", 150, occ_symbol, _BAD_VALUE, *corpus.SYMBOLS),
    _parser("event", 140, event, _BAD_VALUE, *corpus.events()),
    _parser("amount", 90, money, _BAD_VALUE, *corpus.AMOUNTS),
    _parser("wire price", 60, wire_price, _BAD_VALUE, *corpus.AMOUNTS),
    _parser("headline", 50, headline, (), *corpus.HEADLINES),
    _parser("duplicates", 30, duplicates, (), *corpus.HEADLINES),
    _parser("database URL", 60, database_url, (ConfigurationError,), *corpus.DATABASES),
    _parser("broker book", 40, broker_book, _BAD_DATA, corpus.book()),
    _parser("model labels", 10, labels, (ConfigurationError, MissingDataError), corpus.LABELS),
    _parser("factor file", 10, factor_file, _BAD_DATA, corpus.FACTORS),
    _parser("recorded table", 3, table, _BAD_DATA, *corpus.TABLES),
    _parser("typed table", 4, typed_table, _BAD_DATA, *corpus.TABLES),
    _parser("damaged table", 1, parquet_bytes, _BAD_DATA, *corpus.parquet()),
    _parser("minute bars", 1, zipped, _BAD_DATA, corpus.MINUTES),
    _parser("damaged zip", 1, damaged_zip, _BAD_DATA, corpus.archive()),
)
