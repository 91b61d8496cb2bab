"""Turns good payloads into bad ones: bytes, tokens, cells and JSON values, by seed. Pure."""

import json
from collections.abc import Sequence
from random import Random
from typing import Any

# What has broken parsers before: numbers that are none, dates that are none, markup, nesting, other scripts.
TOKENS: tuple[bytes, ...] = (
    b"", b"\0", b"NaN", b"nan", b"inf", b"-Infinity", b"-1", b"0", b"-0", b"1e400", b"1e999999999", b"1e-400",
    b"9" * 40, b"-9223372036854775809", b"0.00001", b"true", b"null", b"None", b"{}", b"[]", b'"', b"'", b",",
    b"\n", b"\r\n", b";", b"=", b"%00", b"%s", b"../../x", b"2026-02-30", b"0000-00-00", b"9999-12-31",
    b"10000-01-01", b"2026-03-08T02:30:00", b"2026-11-01T01:30:00-04:00", b"24:00", b"<![CDATA[", b"]]>",
    b"<!--",
    b"&#x110000;", b"&amp;amp;lt;", b"<script>", b"</", b"\xff\xfe", b"\xed\xa0\x80", b"\xf4\x90\x80\x80",
    "\u202e".encode(), "\u200b".encode(), "\u0663\u0661".encode(), "\uff11".encode(), "\u00b2".encode(),
    b"A" * 3_000, b"<a>" * 700, b"[" * 1_500, b"((((" * 200, b"a b " * 700, b"$" * 900,
)  # fmt: skip
_VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 10**30, 1.5, float("nan"), float("inf"), -0.0, "", "x", "NaN", "2026-02-30", [], {},
    [[]], {"a": 1}, "2026-03-02T15:00:00", "2026-03-02T15:00:00+00:00", "META260410C00500000", "\u202e",
    "9" * 50,
)  # fmt: skip
_MOST_BYTES = 20_000


def mutated(corpus: Sequence[bytes], random: Random) -> bytes:
    """Give a payload made from one of the corpus by one to four changes."""
    payload = random.choice(corpus)
    for _ in range(random.randint(1, 4)):
        change = random.choice(_CHANGES)
        payload = (
            _spliced(payload, random.choice(corpus), random) if change is None else change(payload, random)
        )
    return payload[:_MOST_BYTES]


def _flip(payload: bytes, random: Random) -> bytes:
    if not payload:
        return payload
    place = random.randrange(len(payload))
    return payload[:place] + bytes([random.randrange(256)]) + payload[place + 1 :]


def _cut(payload: bytes, random: Random) -> bytes:
    first = random.randint(0, len(payload))
    return payload[:first] + payload[random.randint(first, len(payload)) :]


def _truncate(payload: bytes, random: Random) -> bytes:
    return payload[: random.randint(0, len(payload))]


def _repeat(payload: bytes, random: Random) -> bytes:
    first = random.randint(0, len(payload))
    last = random.randint(first, len(payload))
    return payload[:last] + payload[first:last] * random.choice((1, 2, 9)) + payload[last:]


def _insert(payload: bytes, random: Random) -> bytes:
    place = random.randint(0, len(payload))
    return payload[:place] + random.choice(TOKENS) + payload[place:]


def _spliced(payload: bytes, other: bytes, random: Random) -> bytes:
    return payload[: random.randint(0, len(payload))] + other[random.randint(0, len(other)) :]


def _cell(payload: bytes, random: Random) -> bytes:
    """Replace what stands between two separators."""
    separator = random.choice((b",", b"\n", b" ", b'"', b">", b"="))
    cells = payload.split(separator)
    cells[random.randrange(len(cells))] = random.choice(TOKENS)
    return separator.join(cells)


def _value(payload: bytes, random: Random) -> bytes:
    """Replace, drop or add one value of a JSON document; anything else gets a cell replaced."""
    try:
        tree = json.loads(payload)
    except (ValueError, RecursionError):
        return _cell(payload, random)
    return json.dumps(_changed(tree, random)).encode()


def _changed(tree: Any, random: Random) -> Any:
    if not tree or not isinstance(tree, (dict, list)) or random.random() < 0.2:
        return random.choice(_VALUES)
    if isinstance(tree, dict):
        key = random.choice(list(tree))
        match random.randrange(8):
            case 0:
                return {name: value for name, value in tree.items() if name != key}
            case 1:
                return {**tree, random.choice(("x", "kind", "")): random.choice(_VALUES)}
            case _:
                return {**tree, key: _changed(tree[key], random)}
    place = random.randrange(len(tree))
    return [*tree[:place], _changed(tree[place], random), *tree[place + 1 :]]


# None: a splice with another payload of the corpus.
_CHANGES = (_flip, _cut, _truncate, _repeat, _insert, None, _cell, _cell, _value, _value)
