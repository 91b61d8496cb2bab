"""The scalar kernels of domain and stages compiled from their own source. Pure.

Importing a module with kernels lists them; `compiled_of` registers whatever is listed by then, so
that a compiled kernel may call any other. No fast-math anywhere: results equal the plain ones bit
for bit. Division by zero follows IEEE here and raises in plain Python; kernels divide by neither.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

from numba import njit
from numba.extending import register_jitable

from ops_pipeline.domain.units import KERNELS

_registered: set[int] = set()


def register_kernels() -> None:
    """Let every listed kernel be called from compiled code."""
    for function in KERNELS:
        if id(function) not in _registered:
            register_jitable(error_model="numpy")(function)
            _registered.add(id(function))


@cache
def compiled_of(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a listed kernel; arguments are floats, ints and NamedTuples of them.

    A function that is not listed raises ValueError: its callees could not be told apart.
    """
    if function not in KERNELS:
        raise ValueError(f"kernel {function.__qualname__}: expected one listed by @kernel, was not")
    register_kernels()
    compiled: Callable[..., Any] = njit(error_model="numpy")(function)
    return compiled
