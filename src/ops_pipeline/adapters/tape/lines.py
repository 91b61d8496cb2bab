"""The lines of a recording on disk: compressed parts that a killed process leaves readable. Shell."""

import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from io import BufferedWriter
from pathlib import Path
from typing import Any

from ops_pipeline.domain.errors import ConfigurationError, MissingDataError

VERSION = 1
_GZIP = 31
_READ = 1 << 16
_SUFFIX = ".jsonl.gz"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a recording; not `whole`: its text is not the one its checksum was made of."""

    values: list[Any]
    whole: bool


class LineWriter:
    """Appends the lines of one process's life, a part for each day; each part begins with the header."""

    def __init__(self, folder: Path, header: dict[str, Any]) -> None:
        """Begin another life in `folder`, which is made where it is not there."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._life = 1 + max((_life_of(path) for path in parts_of(folder)), default=0)
        self._header = {"version": VERSION, "life": self._life} | header
        self._day: date | None = None
        self._part = 0
        self._file: BufferedWriter | None = None
        self._packer = zlib.compressobj(wbits=_GZIP)

    def turn_to(self, at: datetime) -> None:
        """Begin another part where `at` lies in another day than the last line."""
        if at.date() == self._day:
            return
        self.close()
        self._day, self._part = at.date(), self._part + 1
        self._packer = zlib.compressobj(wbits=_GZIP)
        self._file = (self._folder / f"{self._life:04d}-{self._part:04d}{_SUFFIX}").open("xb")
        self.write(["open", self._header])

    def write(self, values: list[Any]) -> None:
        """Take a line; it is on its way to the file once `flush` was called."""
        if self._file is not None:
            self._file.write(self._packer.compress(line_of(values)))

    def flush(self) -> None:
        """Hand every line so far to the system, so that the end of this process loses none."""
        if self._file is not None:
            self._file.write(self._packer.flush(zlib.Z_SYNC_FLUSH))
            self._file.flush()

    def close(self) -> None:
        """End the part that is open."""
        if self._file is not None:
            file, self._file = self._file, None
            with file:
                file.write(self._packer.flush())


def line_of(values: list[Any]) -> bytes:
    """Write a line: the checksum of its text, then the text."""
    text = json.dumps(values, separators=(",", ":")).encode()
    return b"%08x %b\n" % (zlib.crc32(text), text)


def parts_of(folder: Path) -> list[Path]:
    """Give the parts of a recording in the order they were written."""
    return sorted(folder.glob(f"[0-9]*-[0-9]*{_SUFFIX}"))


def read_lines(folder: Path) -> Iterator[Line]:
    """Read a recording up to the last whole line of each part.

    MissingDataError where there is none, ConfigurationError for one of another version.
    """
    found = parts_of(folder) if folder.is_dir() else []
    if not found:
        raise MissingDataError(
            f"recording: expected parts *{_SUFFIX} in {folder}, was none (`ops run --record` makes one)"
        )
    for path in found:
        for number, text in enumerate(_texts(path)):
            line = _read(text)
            if not number:
                _refuse_other(line, path)
            yield line


def _life_of(path: Path) -> int:
    return int(path.name.split("-")[0])


def _texts(path: Path) -> Iterator[bytes]:
    """Unpack a part line by line; what follows the last whole line, or cannot be unpacked, is left out."""
    unpacker, rest = zlib.decompressobj(wbits=_GZIP), b""
    with path.open("rb") as file:
        while packed := file.read(_READ):
            try:
                rest += unpacker.decompress(packed)
            except zlib.error:
                return
            *whole, rest = rest.split(b"\n")
            yield from whole


def _read(text: bytes) -> Line:
    checksum, _, body = text.partition(b" ")
    try:
        values = json.loads(body)
    except ValueError:
        return Line(["damaged"], whole=False)
    return Line(values, whole=checksum == b"%08x" % zlib.crc32(body))


def _refuse_other(line: Line, path: Path) -> None:
    header = line.values[1] if line.values[0] == "open" else {}
    if header.get("version") != VERSION:
        raise ConfigurationError(
            f"{path}: expected a recording of version {VERSION}, was {header.get('version', 'none')}"
        )
