"""Domain values as plain JSON values, and back. Pure."""

import json
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime
from enum import Enum
from math import isfinite
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

_PLAIN = frozenset({str, int, float, bool, NoneType})
# What building a value from text that does not fit may raise, however deep it breaks.
MISFITS = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
_FIELDS: dict[type, tuple[str, ...]] = {}


def encode(value: Any) -> Any:
    """Turn a domain value into plain JSON values."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    names = _FIELDS.get(kind)
    if names is None and is_dataclass(kind):
        names = _FIELDS[kind] = tuple(field.name for field in fields(kind))
    if names is not None:
        # Leaves are taken as they are: rows of gates are mostly text, and there are many of them.
        return {
            name: entry if type(entry) in _PLAIN else encode(entry)
            for name, entry in [(name, getattr(value, name)) for name in names]
        }
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, (tuple, list)):
        return [encode(item) for item in value]
    return value


def read_json(text: str) -> Any:
    """Read JSON; a number that is not finite raises ValueError."""
    return json.loads(text, parse_constant=_finite, parse_float=_finite)


def _finite(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise ValueError(f"expected a finite number, was {text}")
    return number


_HINTS: dict[type, dict[str, Any]] = {}


def build(target: Any, value: Any) -> Any:
    """Build `target` (a dataclass, enum, date, tuple or plain type) from JSON values."""
    origin = get_origin(target)
    if origin in (Union, UnionType):
        options = [option for option in get_args(target) if option is not NoneType]
        return None if value is None else build(options[0], value)
    if origin is tuple:
        item = get_args(target)[0]
        return tuple(build(item, entry) for entry in value)
    target = getattr(target, "__supertype__", target)
    if is_dataclass(target) and isinstance(target, type):
        hints = _HINTS.get(target)
        if hints is None:
            hints = _HINTS[target] = get_type_hints(target)
        return target(**{name: build(hints[name], entry) for name, entry in value.items()})
    if isinstance(target, type) and issubclass(target, Enum):
        return target(value)
    if target is datetime:
        return datetime.fromisoformat(value)
    if target is date:
        return date.fromisoformat(value)
    return value
