"""A minute of a real process by the wall's clock: what it holds open stays what it is. Shell."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from ops_pipeline.adapters.store.store import read_store
from ops_pipeline.verify.goals import Bench
from ops_pipeline.verify.processes import ended, machine_s, pause
from ops_pipeline.verify.rig import Rig, Running, open_rig
from ops_pipeline.verify.scenario import START
from ops_pipeline.verify.troubles import Climate
from ops_pipeline.verify.workload import workload

_SEED = 1
_LOOKS_EVERY_S = 0.5
# The first part of it is spent on what a process only does once.
_WARM_UP = 0.25
# What is kept of an event, or of a session's verdict; a leak would come with every look, not with every row.
_MOST_BYTES_A_ROW = 8_192
# SQLite keeps so much of the database as it is written.
_PAGE_CACHE_BYTES = 2 * 2**20
_PAGE_BYTES = 4_096


@dataclass(frozen=True, slots=True)
class Look:
    """What a process took at an instant, and the events and verdicts it had stored by then."""

    resident_bytes: int
    files: int
    threads: int
    rows: int


@dataclass(frozen=True, slots=True)
class Minute:
    """What a soak by the wall's clock came to."""

    looks: Sequence[Look]
    violations: Sequence[str]

    @property
    def bytes_a_row(self) -> float:
        """Give how the process grew with what it stored, beyond the database's own cache."""
        first, last = self.looks[0], self.looks[-1]
        grown = last.resident_bytes - first.resident_bytes - _PAGE_CACHE_BYTES
        return max(0, grown) / max(1, last.rows - first.rows)

    def objections(self) -> list[str]:
        """Say what grew, and what the judges of the end object to."""
        found = list(self.violations)
        for what, counts in (
            ("file descriptors", {look.files for look in self.looks}),
            ("threads", {look.threads for look in self.looks}),
        ):
            if len(counts) > 1:
                found.append(f"by the wall's clock: {what} were {sorted(counts)}, expected one number")
        if self.bytes_a_row > _MOST_BYTES_A_ROW:
            found.append(f"by the wall's clock: {self.bytes_a_row:.0f} bytes grew with each row")
        return found


def live_by_the_wall(bench: Bench, seconds: float) -> Minute:
    """Let a process trade at a broker in another one for so long; look at it from outside, judge the end."""
    work = workload(_SEED)
    with TemporaryDirectory(prefix="soak-") as folder:
        rig = open_rig(bench.book, work, f"sqlite:///{Path(folder) / 'ops.sqlite'}", Climate(seed=_SEED))
        try:
            running = _begun(rig)
            looks = _watched(rig, running.process.pid, seconds)
            violations = _stopped(running)
            rig.quieten()
            running = _begun(rig)
            rig.rest()
            violations += [*_stopped(running), *rig.objections(at_rest=True)]
        finally:
            rig.close()
    return Minute(looks, violations)


def _begun(rig: Rig) -> Running:
    running = rig.launch()
    if not running.opened():
        raise TimeoutError("trader: expected it to begin, it did not")
    return running


def _stopped(running: Running) -> list[str]:
    running.process.terminate()
    code = ended(running.process)
    return [f"H14 SIGTERM: expected exit 0, was {code}"] if code else []


def _watched(rig: Rig, pid: int | None, seconds: float) -> list[Look]:
    until = machine_s() + seconds
    pause(seconds * _WARM_UP)
    looks: list[Look] = []
    while machine_s() < until:
        looks.append(_look(rig, pid))
        pause(_LOOKS_EVERY_S)
    return looks


def _look(rig: Rig, pid: int | None) -> Look:
    process = Path(f"/proc/{pid}")
    status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
    return Look(
        resident_bytes=int((process / "statm").read_text().split()[1]) * _PAGE_BYTES,
        files=len(list((process / "fd").iterdir())),
        threads=int(status["Threads"]),
        rows=_rows(rig),
    )


def _rows(rig: Rig) -> int:
    with read_store(rig.database) as store:
        return sum(
            store.ledger(account).seq + len(store.verdicts(account, session=START.date()))
            for account in rig.accounts
        )
