"""Counter-based draws: every number is a hash of what it is for, never of what was asked before. Pure."""

import hashlib
import struct
from collections.abc import Sequence
from statistics import NormalDist
from typing import TypeVar

_INVERSE = NormalDist().inv_cdf
_SCALE = 2.0**-52
_SHORT_SCALE = 2.0**-21

Option = TypeVar("Option")


def draw_words(count: int, *cause: object) -> tuple[int, ...]:
    """Give `count` 64-bit words that depend on `cause` (texts, ints, dates) alone.

    A longer draw of the same cause starts with the shorter one.
    """
    text = "\x1f".join(map(str, cause)).encode()
    return struct.unpack(f"<{count}Q", hashlib.shake_256(text).digest(8 * count))


def uniform(word: int) -> float:
    """Map a word to the open interval (0, 1)."""
    return ((word >> 12) + 0.5) * _SCALE


def normal(word: int) -> float:
    """Map a word to a standard normal value."""
    return _INVERSE(((word >> 12) + 0.5) * _SCALE)


def short_normal(word: int) -> float:
    """Map the lowest 21 bits of a word to a standard normal value: three fit into one word."""
    return _INVERSE(((word & 0x1FFFFF) + 0.5) * _SHORT_SCALE)


def draw_uniforms(count: int, *cause: object) -> tuple[float, ...]:
    """Give `count` uniform values of `cause`."""
    return tuple([uniform(word) for word in draw_words(count, *cause)])


def draw_normals(count: int, *cause: object) -> tuple[float, ...]:
    """Give `count` standard normal values of `cause`."""
    return tuple([normal(word) for word in draw_words(count, *cause)])


def choose(options: Sequence[Option], word: int) -> Option:
    """Take the option a word points at."""
    return options[word % len(options)]
