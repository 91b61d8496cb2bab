"""Replays a recorded run and tells what it decided otherwise, with the cause of each divergence. Shell."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ops_pipeline.adapters.store import reports
from ops_pipeline.adapters.store.store import SqlStore, read_store
from ops_pipeline.adapters.tape.player import Moment, read_moments
from ops_pipeline.app.divergence import Decision, Divergence, attribute, compare_decisions
from ops_pipeline.app.playback import Played, play
from ops_pipeline.app.process import build_hash
from ops_pipeline.app.runs import Run
from ops_pipeline.app.tape_differences import changed_lines, compare_recordings, never_told, one_a_moment
from ops_pipeline.app.taping import FOLDER
from ops_pipeline.domain.codec import encode
from ops_pipeline.domain.errors import ConfigurationError
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.units import ClientOrderId, PositionId

# Which writer held the lease is not decided, and a replay's is another one.
_NOT_DECIDED = ("epoch",)

_Decisions = dict[str, Decision]


@dataclass(frozen=True, slots=True)
class Parity:
    """The divergences, and how many decisions were compared up to when; `torn`: the recording was cut."""

    divergences: tuple[Divergence, ...]
    compared: int
    until: datetime | None
    torn: bool


def compare_with_replay(
    run: Run, recording: Path | None = None, *, progress: Callable[[Moment], None] = lambda _: None
) -> Parity:
    """Play a run's own recording, or another of it, and compare; the replay leaves nothing behind."""
    own = run.path / FOLDER
    folder = recording or own
    _refuse_other(run, folder)
    with TemporaryDirectory() as scratch:
        database = f"sqlite:///{Path(scratch) / 'replay.sqlite'}"
        played = play(folder, database=database, progress=progress)
        with read_store(run.database) as live, read_store(database) as replayed:
            before, after = _decisions(live, replayed, played)
    differences = compare_decisions(before, after)
    roots = [] if folder == own else compare_recordings(read_moments(own), read_moments(folder))
    roots = one_a_moment([*roots, *changed_lines(played.changed)])
    if played.missing:
        first = never_told(played.missing[0])
        known = [root.at for root in roots] + [difference.at for difference in differences]
        if all(first.at < at for at in known):
            roots = [first, *roots]
    return Parity(
        divergences=attribute(roots, differences, otherwise=_otherwise(played)),
        compared=len(before),
        until=played.last_at,
        torn=played.torn,
    )


def _refuse_other(run: Run, folder: Path) -> None:
    """Raise ConfigurationError where a recording is not one of the run."""
    first = next(iter(read_moments(folder)), None)
    recorded = first.header["run"] if first is not None else "nothing"
    if recorded != run.id:
        raise ConfigurationError(f"recording {folder}: expected one of {run.id}, was one of {recorded}")


def _otherwise(played: Played) -> str:
    """Say why a decision may differ although every input is the same."""
    builds = {header["build"][:12] for header in played.headers}
    now = build_hash()[:12]
    if builds != {now}:
        return f"recorded by build {', '.join(sorted(builds))}, replayed by {now}"
    return "no input differs: the ledger was changed from elsewhere, or the code is not repeatable"


def _decisions(live: SqlStore, replayed: SqlStore, played: Played) -> tuple[_Decisions, _Decisions]:
    """Give what the two stores hold of decisions, up to where the recording goes.

    What the run judged anew after that is left out of both: its store keeps the newest verdict alone.
    """
    until = played.last_at
    before, after = (dict((*_judged(store), *_events(store))) for store in (live, replayed))
    later = {key for key, decision in before.items() if not _reached(decision, until, torn=played.torn)}
    kept = {key: decision for key, decision in before.items() if key not in later}
    return kept, {
        key: decision
        for key, decision in after.items()
        if key not in later and _reached(decision, until, torn=played.torn)
    }


def _reached(decision: Decision, until: datetime | None, *, torn: bool) -> bool:
    return until is not None and (decision.at < until or (decision.at == until and not torn))


def _judged(store: SqlStore) -> Iterator[tuple[str, Decision]]:
    """Give signals, holds and verdicts, each verdict gate by gate."""
    for kind, rows in (("signal", reports.signals(store)), ("hold", reports.holds(store))):
        for row in rows:
            value = encode(row)
            yield f"decided {row.id}", Decision(row.as_of, "", f"{kind} {row.id}", row.ticker, value)
    for verdict in reports.verdicts(store):
        value = {name: entry for name, entry in encode(verdict).items() if name not in ("gates", "numbers")}
        value |= {f"gate {gate.name}": encode(gate) for gate in verdict.gates}
        value |= {f"number {name}": number for name, number in verdict.numbers}
        what = f"verdict {verdict.signal_id}"
        yield f"{verdict.account} {what}", Decision(verdict.at, verdict.account, what, verdict.ticker, value)


def _events(store: SqlStore) -> Iterator[tuple[str, Decision]]:
    """Give each event of the ledgers, by its kind, what it is about and how many such came before it."""
    for account in store.accounts():
        ledger, seen = store.ledger(account), Counter[str]()
        for event in store.events(account):
            name = f"{event.kind} {event.key}".strip()
            seen[name] += 1
            value: dict[str, Any] = encode(event.body)
            value = {field: entry for field, entry in value.items() if field not in _NOT_DECIDED}
            ticker = _ticker(ledger, event.key, value)
            yield f"{account} {name} {seen[name]}", Decision(event.at, account, name, ticker, value)


def _ticker(ledger: Ledger, key: str, value: dict[str, Any]) -> str:
    order = ledger.orders.get(ClientOrderId(key))
    owner = order.intent.position_id if order is not None else value.get("position_id", "")
    position = ledger.positions.get(PositionId(owner))
    return position.contract.underlying if position is not None else ""
