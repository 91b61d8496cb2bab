"""Recordings for tests: a run of part of a market, and copies in which something was changed."""

import zlib
from datetime import datetime
from pathlib import Path

from ops_pipeline.adapters.simulator.names import DEFAULT_NAMES
from ops_pipeline.adapters.tape.forms import QUOTE_FIELDS
from ops_pipeline.adapters.tape.lines import line_of, parts_of, read_lines
from ops_pipeline.app.settings import load_settings

CONFIG = Path(__file__).resolve().parents[1] / "config" / "demo.toml"


def market_settings(**more):
    """Give the demo's accounts, which watch four names."""
    return load_settings(CONFIG, symbols=[name.ticker for name in DEFAULT_NAMES[:4]], **more)


def lines_of(folder):
    """Give every line of a recording of one part, as lists."""
    return [line.values for line in read_lines(folder)]


def write_recording(folder, lines, *, true_sums=True):
    """Write a recording of one part; without true sums its lines look as if an editor had changed them."""
    folder.mkdir(parents=True)
    texts = [line_of(values) for values in lines]
    if not true_sums:
        texts = [b"00000000" + text[8:] for text in texts]
    (folder / "0001-0001.jsonl.gz").write_bytes(zlib.compress(b"".join(texts), wbits=31))
    return folder


def cut(folder, target, share):
    """Copy a recording of one part as a process leaves it that was killed: so much of it is there."""
    target.mkdir()
    [part] = parts_of(folder)
    data = part.read_bytes()
    (target / part.name).write_bytes(data[: int(len(data) * share)])
    return target


def quoted(lines):
    """Give (instant, row) of each option quote that was told, in order; a row can be changed in place."""
    at = None
    for values in lines:
        if values[0] == "at":
            at = datetime.fromisoformat(values[2])
        elif values[:3] == ["told", "market", "quotes"]:
            yield from ((at, row) for row in values[4]["is"])


def chain_quotes(lines):
    """Give {(instant, underlying): {occ: (bid, ask)}} in Usd4 of every chain that was told."""
    found, at = {}, None
    for values in lines:
        if values[0] == "at":
            at = datetime.fromisoformat(values[2])
        elif values[:3] == ["told", "market", "chain"] and values[4].get("is"):
            chain = values[4]["is"]
            rows = (dict(zip(QUOTE_FIELDS, row, strict=True)) for row in chain["quotes"])
            quotes = found.setdefault((at, chain["underlying"]), {})
            quotes |= {row["occ"]: (row["bid"], row["ask"]) for row in rows}
    return found


def told_by(lines, port, call):
    """Give (instant, question, answer) of each answer to `call` that was told and is not None."""
    at = None
    for values in lines:
        if values[0] == "at":
            at = datetime.fromisoformat(values[2])
        elif values[:3] == ["told", port, call] and values[4].get("is") is not None:
            yield at, values[3], values[4]["is"]
