"""The scalar kernels of domain and stages compiled from their own source. Shell.

Importing a module with kernels lists them; `compiled_of` registers whatever is listed by then, so
that a compiled kernel may call any other. No fast-math anywhere: results equal the plain ones bit
for bit. Division by zero follows IEEE here and raises in plain Python; kernels divide by neither.
"""

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType
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


def source_fingerprint(*modules: ModuleType) -> int:
    """Digest the sources in the folders of `modules`, for a compiled loop to close over.

    Numba's cache notices a change of the loop's own file only; a loop that closes over this number
    is compiled anew when a kernel it calls has changed.
    """
    digest = hashlib.sha256()
    for folder in sorted({Path(str(module.__file__)).parent for module in modules}):
        for path in sorted(folder.glob("*.py")):
            digest.update(path.read_bytes())
    return int.from_bytes(digest.digest()[:7], "big")
