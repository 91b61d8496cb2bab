"""Writes values as JSON text by their declared types, without a tree in between. Pure."""

import json
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import lru_cache
from typing import Any, get_args, get_origin, get_type_hints

from ops_pipeline.domain.codec import encode

Writer = Callable[[Any], str]

_REMEMBERED = 8192

_JSON = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)
_text: Writer = json.encoder.encode_basestring_ascii


def dumps(value: Any) -> str:
    """Write a domain value as JSON with sorted keys and no spaces."""
    return _JSON.encode(encode(value))


def writer_of(hint: Any) -> Writer:
    """Give what writes values of one declared type, character for character as `dumps` would.

    Texts, flags, tuples and dataclasses are written directly; every other type goes through `dumps`.
    """
    hint = getattr(hint, "__supertype__", hint)
    if hint in _LEAVES:
        return _LEAVES[hint]
    if _is_plain(hint):
        return _plain
    if get_origin(hint) is tuple:
        return _tuple_writer(get_args(hint))
    if isinstance(hint, type) and is_dataclass(hint):
        return _record_writer(hint)
    return dumps


def _is_plain(hint: Any) -> bool:
    """Tell whether a type is made of tuples, texts, flags and floats alone: JSON writes it as it stands."""
    if get_origin(hint) is tuple:
        return all(item is Ellipsis or _is_plain(item) for item in get_args(hint))
    return hint in (str, bool, float)


def _plain(value: Any) -> str:
    try:
        return _JSON.encode(value)
    except ValueError as error:
        raise ValueError(f"JSON: expected finite numbers, was {value}") from error


def _tuple_writer(items: tuple[Any, ...]) -> Writer:
    if len(items) == 2 and items[1] is Ellipsis:
        each = writer_of(items[0])
        return lambda value: f"[{','.join(map(each, value))}]"
    writers = [writer_of(item) for item in items]
    return lambda value: f"[{','.join(write(part) for write, part in zip(writers, value, strict=True))}]"


def _record_writer(kind: type) -> Writer:
    hints = get_type_hints(kind)
    names = sorted(field.name for field in fields(kind))
    parts = [(f'"{name}":', name, writer_of(hints[name])) for name in names]

    def write(value: Any) -> str:
        found = [f"{label}{write_part(getattr(value, name))}" for label, name, write_part in parts]
        return f"{{{','.join(found)}}}"

    # Checks repeat from verdict to verdict; texts and flags are equal only where their JSON is.
    repeats = all(hints[name] in (str, bool) for name in names)
    return lru_cache(maxsize=_REMEMBERED)(write) if repeats else write


def _flag(value: Any) -> str:
    return "true" if value else "false"


_LEAVES: dict[Any, Writer] = {str: _text, bool: _flag}
