"""Every goal that can be measured; another one is a module and a line here. Light to import. Pure."""

from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ops_pipeline.verify.goals import Goal


class Entry(NamedTuple):
    """A goal by its command: its number, what it is about, and the module and name that define it."""

    command: str
    number: str
    about: str
    module: str
    name: str

    def load(self) -> "Goal":
        """Import the goal."""
        goal: Goal = getattr(import_module(f"ops_pipeline.verify.{self.module}"), self.name)
        return goal


ENTRIES: tuple[Entry, ...] = (
    Entry("crash", "G1", "The process dies at every point around its effects.", "crash", "SINGLE"),
    Entry("crash-double", "G2", "The process dies again while it recovers.", "crash", "DOUBLE"),
    Entry("kill", "G17", "The kill level rises at any instant, also just before the socket.", "kill", "GOAL"),
    Entry("dst", "G3", "Faults of every kind by seed, judged by an all-seeing broker.", "dst", "GOAL"),
    Entry("latency", "G13", "How long a decided exit waits for the broker.", "latency", "GOAL"),
    Entry("determinism", "G9", "Seeds run twice, in surroundings that differ.", "determinism", "GOAL"),
    Entry("mutants", "G7", "The code broken on purpose, each time noticed.", "mutants", "GOAL"),
    Entry("audit", "G10", "A long ledger is replayed, and every tampering is named.", "audit", "GOAL"),
    Entry("burst", "G12", "Fifty exits at once through a limited number of requests.", "burst", "GOAL"),
    Entry("fuzz", "G8", "Wrong payloads for every parser.", "fuzz", "GOAL"),
    Entry("soak", "G15", "A year of sessions, with what a year has.", "soak", "GOAL"),
    Entry("powerloss", "G5", "The power fails at every unflushed write.", "powerloss", "GOAL"),
    Entry("migrate", "G20", "Migrations are interrupted anywhere; a copy is put back.", "migrations", "GOAL"),
    Entry("linear", "G19", "Two processes at one broker are told one history of every id.", "linear", "GOAL"),
    Entry("lease", "G16", "Two processes at one account: only one of them writes.", "lease", "GOAL"),
    Entry("kill9", "G4", "A real process is killed while it trades, again and again.", "kill9", "GOAL"),
    Entry("recon", "G18", "Differences of every cause are named and settled.", "recon", "GOAL"),
    Entry("recover", "G14", "A killed process is back with every exit armed.", "recovery", "GOAL"),
)
