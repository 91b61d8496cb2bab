"""Serves changed source to a fresh process and has it work on that; no installed file changes. Shell."""

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from multiprocessing import get_context
from multiprocessing.connection import Connection
from types import ModuleType
from typing import Any


class _Finder:
    """Finds the modules that have another source than their file."""

    def __init__(self, sources: Mapping[str, str]) -> None:
        self._sources = sources

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in self._sources:
            return None
        found = PathFinder.find_spec(name, path, target)
        origin = found.origin if found is not None else None
        return ModuleSpec(name, _Loader(self._sources[name], str(origin)), origin=origin)  # type: ignore[arg-type] # a loader by its methods


class _Loader:
    """Runs a module's changed source."""

    def __init__(self, source: str, origin: str) -> None:
        self._code = compile(source, origin, "exec")

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        del spec  # the usual module will do
        return None

    def exec_module(self, module: ModuleType) -> None:
        exec(self._code, module.__dict__)  # noqa: S102 - running a module is what a loader is for


def graft(sources: Mapping[str, str]) -> None:
    """Let modules by name, none of them imported yet, be imported from other source."""
    for name in sources:
        if name in sys.modules:
            raise ImportError(f"graft: expected {name} not to be imported yet, it was")
    sys.meta_path.insert(0, _Finder(sources))


def work_on(
    sources: Mapping[str, str], work: Callable[..., Any], arguments: Sequence[Any], *, within_s: float
) -> Any:
    """Do `work` in a process in which `sources` stand in for modules; give what it returns.

    An error in the process is given as it is; TimeoutError where it takes longer than `within_s`.
    """
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs,), daemon=True)
    process.start()
    theirs.close()
    try:
        # Two messages: the second one is read, and so its modules imported, after the first took effect.
        ours.send(dict(sources))
        ours.send((work, tuple(arguments)))
        if not ours.poll(within_s):
            return TimeoutError(f"expected an end within {within_s:g} s, there was none")
        return ours.recv()
    except (EOFError, BrokenPipeError) as error:
        return error
    finally:
        process.kill()
        process.join()
        ours.close()


def _forget() -> None:
    """Let everything of ours but this module be imported anew: starting the process imported some of it."""
    package = __name__.partition(".")[0]
    for name in [name for name in sys.modules if name.startswith(f"{package}.") and name != __name__]:
        del sys.modules[name]


def _serve(pipe: Connection) -> None:
    try:
        _forget()
        graft(pipe.recv())
        work, arguments = pipe.recv()
        pipe.send(work(*arguments))
    except Exception as error:  # noqa: BLE001 - whatever changed source leads to is the answer
        pipe.send(RuntimeError(f"{type(error).__name__}: {error}"))
