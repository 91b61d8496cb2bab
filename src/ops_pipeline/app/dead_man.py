"""Ends a run whose loop stands still, so that another one takes its exits up. Shell."""

import faulthandler
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread

from ops_pipeline.app.brake import leave_kill_file
from ops_pipeline.app.clock import elapsed_s
from ops_pipeline.domain.accounts import ControlLevel

# Nothing of the process can be trusted to end in order: the code is the one for a failure inside.
EXIT_CODE = 70
TRACES = "dead-man.txt"
_LOOKS_A_LIMIT = 10


class DeadMan:
    """A timer that the loop puts off; where nobody does for `limit_s` seconds it ends the process at once.

    What every thread was doing is left in the run's folder. A KILL file lets the next start reduce only: why
    the loop stood still is for a person to find out. One that stands there already stays.
    """

    def __init__(
        self,
        home: Path,
        folder: Path,
        *,
        limit_s: float,
        end: Callable[[int], object] = os._exit,
    ) -> None:
        """Watch from `start` on; 0 seconds: never."""
        self._home = home
        self._traces = folder / TRACES
        self._limit_s = limit_s
        self._end = end
        self._beaten_s = elapsed_s()
        self._over = Event()
        self._thread = Thread(target=self._watch, name="dead-man", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        if self._limit_s:
            self._beaten_s = elapsed_s()
            self._thread.start()

    def beat(self) -> None:
        """Say that the loop goes round."""
        self._beaten_s = elapsed_s()

    def stop(self) -> None:
        """Watch no more: the run is ending in order."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(self._limit_s / _LOOKS_A_LIMIT):
            if elapsed_s() - self._beaten_s > self._limit_s:
                # What cannot be left behind keeps no exit waiting: the process ends.
                for leave in (self._leave_traces, self._leave_level):
                    with suppress(OSError):
                        leave()
                self._end(EXIT_CODE)
                return

    def _leave_traces(self) -> None:
        with self._traces.open("w", encoding="utf-8") as file:
            faulthandler.dump_traceback(file, all_threads=True)

    def _leave_level(self) -> None:
        leave_kill_file(
            self._home,
            ControlLevel.REDUCE_ONLY,
            f"dead-man: no tick for {self._limit_s:g} s, see {self._traces.name}",
        )
