"""Domain values as plain JSON values, and back. Pure."""

import json
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime
from enum import Enum
from functools import cache
from math import isfinite
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

Read = Callable[[Any], Any]
Write = Callable[[Any], Any]

_PLAIN = frozenset({str, int, float, bool, NoneType})
_WRITERS: dict[type, Write] = {}
# What building a value from text that does not fit may raise, however deep it breaks.
MISFITS = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


def encode(value: Any) -> Any:
    """Turn a domain value into plain JSON values."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    write = _WRITERS.get(kind)
    if write is None:
        write = _WRITERS[kind] = _writer_of(kind)
    return write(value)


def _writer_of(kind: type) -> Write:
    """Give what turns values of one type into JSON values."""
    if is_dataclass(kind):
        return _record_writer(tuple(field.name for field in fields(kind)))
    if issubclass(kind, Enum):
        return lambda value: value.value
    if issubclass(kind, datetime):
        return lambda value: value.astimezone(UTC).isoformat()
    if issubclass(kind, date):
        return lambda value: value.isoformat()
    if issubclass(kind, (tuple, list)):
        return lambda value: [encode(item) for item in value]
    return lambda value: value


def _record_writer(names: tuple[str, ...]) -> Write:
    def write(value: Any) -> dict[str, Any]:
        # Leaves are taken as they are: rows of gates are mostly text, and there are many of them.
        return {
            name: entry if type(entry) in _PLAIN else encode(entry)
            for name, entry in [(name, getattr(value, name)) for name in names]
        }

    return write


def read_json(text: str) -> Any:
    """Read JSON; a number that is not finite raises ValueError."""
    return json.loads(text, parse_constant=_finite, parse_float=_finite)


def _finite(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise ValueError(f"expected a finite number, was {text}")
    return number


def build(target: Any, value: Any) -> Any:
    """Build `target` (a dataclass, enum, date, tuple or plain type) from JSON values."""
    read = _reader_of(target)
    return value if read is None else read(value)


@cache
def _reader_of(target: Any) -> Read | None:
    """Give what builds one declared type, worked out once; None: JSON's own value is it."""
    origin = get_origin(target)
    if origin in (Union, UnionType):
        option = next(option for option in get_args(target) if option is not NoneType)
        return _or_none(_reader_of(option))
    if origin is tuple:
        return _tuple_reader(_reader_of(get_args(target)[0]))
    target = getattr(target, "__supertype__", target)
    if is_dataclass(target) and isinstance(target, type):
        return _record_reader(target)
    if isinstance(target, type) and issubclass(target, Enum):
        return _enum_reader(target)
    if target is datetime:
        return datetime.fromisoformat
    return date.fromisoformat if target is date else None


def _or_none(read: Read | None) -> Read | None:
    return None if read is None else lambda value: None if value is None else read(value)


def _tuple_reader(read: Read | None) -> Read:
    return tuple if read is None else lambda value: tuple([read(entry) for entry in value])


def _enum_reader(target: type[Enum]) -> Read:
    members = {member.value: member for member in target}

    def read(value: Any) -> Enum:
        known = members.get(value)
        return target(value) if known is None else known

    return read


def _record_reader(target: type) -> Read:
    hints = get_type_hints(target)
    parts = [(name, read) for name, hint in hints.items() if (read := _reader_of(hint)) is not None]

    def build_record(value: Any) -> Any:
        built = dict(value)
        for name, read in parts:
            if name in built:
                built[name] = read(built[name])
        return target(**built)

    return build_record
