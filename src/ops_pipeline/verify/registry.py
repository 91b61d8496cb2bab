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
    Entry("dst", "G3", "Faults of every kind by seed, judged by an all-seeing broker.", "dst", "GOAL"),
    Entry("powerloss", "G5", "The power fails at every unflushed write.", "powerloss", "GOAL"),
    Entry("audit", "G10", "A long ledger is replayed, and every tampering is named.", "audit", "GOAL"),
    Entry("migrate", "G20", "Migrations are interrupted anywhere; a copy is put back.", "migrations", "GOAL"),
    Entry("recover", "G14", "A killed process is back with every exit armed.", "recovery", "GOAL"),
)
