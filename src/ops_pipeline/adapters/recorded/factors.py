"""Reads LEAN factor files, which say how often each name's shares split. Shell."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from ops_pipeline.domain.errors import MissingDataError
from ops_pipeline.domain.instruments import Split
from ops_pipeline.ports import Calendar

# The one layout without a header row: a file per name in a folder of this name.
FACTOR_FOLDER = "factor_files"
_LARGEST = 100


def read_splits(
    paths: Sequence[Path], calendar: Calendar, *, first: date, last: date
) -> Mapping[str, Sequence[Split]]:
    """Give the splits of each name that come into force after `first` and up to `last`, oldest first.

    A row holds the last day of its split factor; where the next row's differs, the shares split at the
    open of the session after. A row that cannot be read raises MissingDataError.
    """
    found = {path.stem.upper(): list(_splits(path, calendar, first, last)) for path in paths}
    return {ticker: splits for ticker, splits in found.items() if splits}


def _splits(path: Path, calendar: Calendar, first: date, last: date) -> Iterator[Split]:
    rows = [_row(path, number, line) for number, line in enumerate(_lines(path), 1) if line]
    for (day, factor), (_, following) in pairwise(rows):
        ratio = (following / factor).limit_denominator(_LARGEST)
        if not ratio:
            raise MissingDataError(
                f"recorded data: {path}: expected factors of splits, was {factor} on {day}"
            )
        if ratio != 1 and first <= day < last:
            session = calendar.following(day).date
            yield Split(ticker=path.stem.upper(), session=session, new=ratio.numerator, old=ratio.denominator)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except ValueError as error:
        raise MissingDataError(f"recorded data: {path}: expected text, was {error}") from error


def _row(path: Path, number: int, line: str) -> tuple[date, Fraction]:
    try:
        day, _, text, *_ = line.split(",")
        factor = Fraction(text)
        if factor <= 0:
            raise ValueError(f"expected a factor > 0, was {text}")
        return datetime.strptime(day, "%Y%m%d").date(), factor  # noqa: DTZ007 - a date, no instant
    except (ValueError, ZeroDivisionError) as error:
        raise MissingDataError(f"recorded data: {path}, line {number}: {error}") from error
