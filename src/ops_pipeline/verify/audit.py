"""The audit: a long ledger replayed to the same tables, and every tampering named. Shell."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time

from ops_pipeline.adapters.store.store import SqlStore, read_store
from ops_pipeline.adapters.store.verify import verify
from ops_pipeline.domain.events import EventBody
from ops_pipeline.domain.units import ONE_DOLLAR, AccountId
from ops_pipeline.verify.databases import DATABASE_ID, HOLDER, open_database
from ops_pipeline.verify.goals import Bench, Goal, Result, Told
from ops_pipeline.verify.lives import Lives
from ops_pipeline.verify.market import at
from ops_pipeline.verify.parallel import spread
from ops_pipeline.verify.tamper import is_named, try_case
from ops_pipeline.verify.terms import LabAccount, LabBook

_EVENTS = 1_000_000
_REPLAY_S = 60.0
# One tampering is tried for so many events of the long ledger.
_EVENTS_A_TAMPERING = 1_000
_TAMPERED_EVENTS = 90
_ACCOUNTS = ("large", "small")
_BATCH = 2_000
_CASH = 1_000_000_000 * ONE_DOLLAR
_SHOWN = 5
_START = at(14)


@dataclass(frozen=True, slots=True)
class Part:
    """One account's ledger in a database of its own: where it is, whose, how many events."""

    folder: str
    account: str
    events: int


@dataclass(frozen=True, slots=True)
class Replayed:
    """What differed in a replay, and the seconds it took its processor."""

    amiss: Sequence[str]
    cpu_s: float


def measure(bench: Bench, size: int) -> Result:
    """Replay `size` events, an account a process; then tamper once for every thousand of them."""
    began = perf_counter()
    with TemporaryDirectory() as folder:
        parts = [Part(folder, account, size // len(_ACCOUNTS)) for account in _ACCOUNTS]
        events = sum(spread(write_part, parts, bench, label="ledgers written", at_once=1))
        replay_began = perf_counter()
        replays = spread(replay_part, parts, bench, label="ledgers replayed", at_once=1)
        replay_s = perf_counter() - replay_began
    amiss = [problem for replay in replays for problem in replay.amiss]
    seeds = range(max(size // _EVENTS_A_TAMPERING, 1))
    missed = [told for told in spread(tamper_case, seeds, bench, label="tamperings") if told]
    return Result(
        goal=GOAL.number,
        value=f"{events:,} events in {replay_s:.1f} s, {len(amiss)} differ; "
        f"{len(missed)} of {len(seeds):,} tamperings missed",
        target=GOAL.target,
        passed=not (amiss or missed) and replay_s <= _REPLAY_S,
        seeds=len(seeds),
        seconds=perf_counter() - began,
        failures=[*amiss[:_SHOWN], *missed[:_SHOWN]],
        details={"replay_s": round(replay_s, 1), "cpu_s": [round(replay.cpu_s, 1) for replay in replays]},
    )


def write_part(_: LabBook, part: Part) -> int:
    """Commit an account's invented lives through the store; give how many events they came to."""
    folder = Path(part.folder) / part.account
    folder.mkdir()
    with open_database(folder, HOLDER, lambda: at(14)) as store:
        write_lives(store, part.account, part.events, seed=_ACCOUNTS.index(part.account))
        return store.ledger(AccountId(part.account)).seq


def write_lives(store: SqlStore, account: str, events: int, *, seed: int, start: datetime = _START) -> None:
    """Commit at least `events` events, one whole life after another, in batches."""
    lives = Lives(LabAccount(id=AccountId(account), cash=_CASH), DATABASE_ID, seed=seed, start=start)
    store.commit(AccountId(account), [lives.opened()], at=start)
    written = 1
    while written < events:
        bodies: list[EventBody] = []
        while len(bodies) < min(_BATCH, events - written):
            bodies += lives.whole()
        store.commit(AccountId(account), bodies, at=start)
        written += len(bodies)


def replay_part(_: LabBook, part: Part) -> Replayed:
    """Fold an account's chain anew, checking every hash, and compare every row."""
    began = process_time()
    with read_store(f"sqlite:///{part.folder}/{part.account}/lab.sqlite") as store:
        amiss = [str(found) for found in verify(store.database)]
    return Replayed(amiss, process_time() - began)


@cache
def _small_ledger() -> bytes:
    with TemporaryDirectory() as folder:
        with open_database(Path(folder), HOLDER, lambda: at(14)) as store:
            write_lives(store, "small", _TAMPERED_EVENTS, seed=7)
        return (Path(folder) / "lab.sqlite").read_bytes()


def tamper_case(_: LabBook, seed: int) -> str:
    """Tamper by a seed; give what was missed, "" where it was named."""
    tampering, findings = try_case(_small_ledger(), seed)
    if is_named(tampering, findings):
        return ""
    return f"{tampering.what}: found {[str(f) for f in findings[:2]]}; ops verify audit --case {seed} --trace"


def replay(bench: Bench, case: str) -> Told:
    """Tamper once more by a seed."""
    tampering, findings = try_case(_small_ledger(), int(case))
    missed = tamper_case(bench.book, int(case))
    return Told([tampering.what, *map(str, findings)], [missed] if missed else [])


GOAL = Goal(
    number="G10",
    target=f"{_EVENTS:,} events <= {_REPLAY_S:.0f} s to equal tables; every tampering named",
    short=20_000,
    full=_EVENTS,
    measure=measure,
    replay=replay,
)
