"""Compares a kernel as written with the same kernel compiled, on random inputs. Pure."""

import math
import random
from collections.abc import Callable
from typing import Any

from ops_pipeline.compiled.kernels import compiled_of

Generator = Callable[[random.Random], tuple[Any, ...]]

DRAWS = 100_000


def assert_parity(
    kernel: Callable[..., Any], generator: Generator, *, draws: int = DRAWS, part: int = 0
) -> None:
    """Assert that `kernel` gives equal results, to the last bit, on `draws` argument tuples.

    `generator` draws one argument tuple of floats, ints and NamedTuples from a seeded Random. A kernel
    dear enough to be spread over several tests draws a different sequence in each `part`.
    """
    compiled = compiled_of(kernel)
    source = random.Random(f"{kernel.__qualname__} {part}")
    for _ in range(draws):
        arguments = generator(source)
        plain, fast = kernel(*arguments), compiled(*arguments)
        if plain != fast and not same(plain, fast):
            raise AssertionError(f"{kernel.__qualname__}{arguments}: plain {plain!r}, compiled {fast!r}")


def same(left: Any, right: Any) -> bool:
    """Tell whether two results are equal throughout; NaN equals NaN."""
    if isinstance(left, tuple):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, float) and math.isnan(left):
        return isinstance(right, float) and math.isnan(right)
    return bool(left == right)
