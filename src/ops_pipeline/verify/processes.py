"""Starts processes of this program, and tells the one time that all of them share. Shell."""

from collections.abc import Callable
from datetime import datetime, timedelta
from multiprocessing import get_context
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from threading import Event
from time import monotonic
from typing import Any

from ops_pipeline.verify.terms import LabBook

_STOPS_WITHIN_S = 30.0


class MachineClock:
    """Market time that runs `speed` times as fast as the machine's own clock, which every process reads.

    `base_s` is the machine's clock at `start`. It cannot be set back, and goes on while a process is stopped.
    """

    def __init__(self, start: datetime, *, base_s: float, speed: float) -> None:
        """Stand at `start` when the machine stood at `base_s`."""
        self._start = start
        self._base_s = base_s
        self._speed = speed

    def now(self) -> datetime:
        """Give the market's instant."""
        return self._start + timedelta(seconds=(monotonic() - self._base_s) * self._speed)

    def seconds_to(self, instant: datetime) -> float:
        """Give the machine's seconds until `instant`, at least 0."""
        return max(0.0, (instant - self.now()).total_seconds() / self._speed)


def machine_s() -> float:
    """Give the machine's clock, in seconds: the same in every process."""
    return monotonic()


def pause(seconds: float) -> None:
    """Wait."""
    Event().wait(seconds)


def processes() -> ForkServerContext:
    """Give what starts processes: each is forked from one that has imported what they need.

    So a start costs as little as a fork, and none inherits a thread, a lock or a connection.
    """
    return get_context("forkserver")


def prepare(book: LabBook) -> None:
    """Let the process that others are forked from import what they need; its first start counts."""
    modules = ["ops_pipeline.verify.trader", "ops_pipeline.verify.brokerserver", type(book).__module__]
    processes().set_forkserver_preload(["__main__", *modules])


def start(target: Callable[..., None], *args: Any) -> BaseProcess:
    """Start a process; it ends with this one."""
    process = processes().Process(target=target, args=args, daemon=True)
    process.start()
    return process


def ended(process: BaseProcess, *, within_s: float = _STOPS_WITHIN_S) -> int:
    """Wait for a process to end, and give its exit code; one that does not end is killed."""
    process.join(within_s)
    if process.exitcode is None:
        process.kill()
        process.join()
        raise TimeoutError(f"process {process.pid}: expected its end within {within_s:g} s")
    return process.exitcode
