"""Migrations that are interrupted anywhere, repeated and refused, on both databases. Shell."""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from ops_pipeline.adapters.store.connect import open_writer, parse_url
from ops_pipeline.adapters.store.database import Database, Row
from ops_pipeline.adapters.store.migrate import HEAD, REVISIONS, migrate, revision_of
from ops_pipeline.adapters.store.shape import digests_of, fill, rows_of, shape_of
from ops_pipeline.adapters.store.store import maintenance, migrate_url, open_store, read_store
from ops_pipeline.adapters.store.verify import verify
from ops_pipeline.domain.errors import ConfigurationError, LedgerError
from ops_pipeline.verify.cluster import (
    NOT_DURABLE,
    create_database,
    find_binaries,
    start_cluster,
    stop_cluster,
)
from ops_pipeline.verify.crash import open_lab, run_on
from ops_pipeline.verify.databases import HOLDER
from ops_pipeline.verify.fuse import Crash, Fuse
from ops_pipeline.verify.goals import Bench, Goal, Result, Told
from ops_pipeline.verify.market import at
from ops_pipeline.verify.restore_drill import RESTORE_S, Drill, drill
from ops_pipeline.verify.scenarios import SCENARIOS
from ops_pipeline.verify.terms import LabBook

# A life with an entry, a ladder, marks and job runs, so that most tables hold rows.
_SCENARIO = "ladder_and_trailing_stop"
_EMPTY = "empty"
_STARTS = (_EMPTY, *REVISIONS)
_SHOWN = 5
_DRILL_EVENTS, _SHORT_DRILL_EVENTS = 50_000, 1_000

Digests = Mapping[tuple[str, str], str]
Rows = Mapping[str, Sequence[Row]]


@dataclass(frozen=True, slots=True)
class Place:
    """Where databases are made: in a folder or on a server; `shapes` are those of straight migrations."""

    name: str
    new_url: Callable[[], str]
    shapes: dict[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Point:
    """A process that migrates from a revision dies at one of its points."""

    place: str
    start: str
    number: int

    def __str__(self) -> str:
        return f"{self.place}:{self.start}:{self.number}"


def measure(bench: Bench, size: int) -> Result:
    """Die at every point of every migration (`size`: at so many of each start), then run the drills."""
    began = perf_counter()
    rows = _lived(bench.book)
    bad: list[str] = []
    points = 0
    with ExitStack() as stack:
        places = list(_places(stack))
        for place in places:
            _learn_shapes(place)
            for start in _STARTS:
                count = _count_points(place, start, rows)
                for number in _sample(count, size):
                    points += 1
                    bad += _judged(place, Point(place.name, start, number), rows)
                bench.say(f"{place.name} from {start}: {count} points")
            bad += _refusals(place)
        bad += _copies_before(places[0], rows)
    done = drill(_SHORT_DRILL_EVENTS if size else _DRILL_EVENTS)
    skipped = "" if len(places) > 1 else "; PostgreSQL NOT RUN: no server found"
    return _result(bad, points, done, skipped, perf_counter() - began)


def _result(bad: Sequence[str], points: int, done: Drill, skipped: str, seconds: float) -> Result:
    return Result(
        goal=GOAL.number,
        value=f"{len(bad)} bad of {points:,} crash points; {done.events:,} events restored in "
        f"{done.seconds:.1f} s, {'equal' if done.equal else 'DIFFERENT'}{skipped}",
        target=GOAL.target,
        passed=not bad and done.equal and done.seconds <= RESTORE_S,
        seeds=points,
        seconds=seconds,
        failures=list(bad[:_SHOWN]),
        details={"restore_s": round(done.seconds, 1), "postgresql": not skipped},
    )


def _places(stack: ExitStack) -> Iterator[Place]:
    folder = Path(stack.enter_context(TemporaryDirectory()))
    numbers = iter(range(1_000_000))
    yield Place("sqlite", lambda: f"sqlite:///{folder}/{next(numbers)}.sqlite")
    if find_binaries() is not None:
        root = Path(stack.enter_context(TemporaryDirectory()))
        stack.callback(stop_cluster, root)
        address = start_cluster(root, NOT_DURABLE)
        yield Place("postgresql", lambda: create_database(address, f"verify_{next(numbers)}"))


def _sample(count: int, size: int) -> Sequence[int]:
    if not size or size >= count:
        return range(1, count + 1)
    return [1 + index * count // size for index in range(size)]


def _lived(book: LabBook) -> Rows:
    """Give the rows of a database in which something happened."""
    plan = SCENARIOS[_SCENARIO]()
    with TemporaryDirectory() as folder:
        lab = open_lab(plan, book, Path(folder), Fuse())
        run_on(lab, plan)
        rows = rows_of(lab.store.database)
        lab.close()
    return rows


def _opened(url: str) -> Database:
    parsed = parse_url(url)
    return Database(open_writer(parsed, durable=False), parsed, writable=True)


def _learn_shapes(place: Place) -> None:
    with closing(_opened(place.new_url())) as database:
        place.shapes[_EMPTY] = shape_of(database)
        for revision in REVISIONS:
            migrate(database, target=revision)
            place.shapes[revision] = shape_of(database)


def _begun(place: Place, start: str, rows: Rows) -> str:
    """Make a database of a revision that holds what fits into it."""
    url = place.new_url()
    with closing(_opened(url)) as database:
        if start != _EMPTY:
            migrate(database, target=start)
            fill(database, rows)
    return url


def _count_points(place: Place, start: str, rows: Rows) -> int:
    fuse = Fuse()
    with closing(_opened(_begun(place, start, rows))) as database:
        migrate(database, watch=fuse.point)
    return fuse.points + 1  # and after the last of them


def _judged(place: Place, point: Point, rows: Rows) -> list[str]:
    url = _begun(place, point.start, rows)
    with closing(_opened(url)) as database:
        before = digests_of(rows_of(database))
    with closing(_opened(_interrupted(place, url, point.number))) as database:
        problems = list(_problems(place, database, point.start, before))
    return [f"{point}: {problem}; ops verify migrate --case {point}" for problem in problems]


def _interrupted(place: Place, url: str, number: int) -> str:
    """Migrate a database until the process dies; give the database as it was left.

    Of a SQLite file the bytes are taken at that instant, before anything can tidy up.
    """
    fuse, left = Fuse(number), url

    def watch(what: str) -> None:
        nonlocal left
        try:
            fuse.point(what)
        except Crash:
            left = _as_it_is(place, url)
            raise

    database = _opened(url)
    try:
        migrate(database, watch=watch)
    except Crash:
        return left  # a process that dies closes nothing; the connection is gone all the same
    database.close()
    return left


def _as_it_is(place: Place, url: str) -> str:
    if place.name != "sqlite":
        return url
    copy = place.new_url()
    for ending in ("", "-wal"):
        with suppress(FileNotFoundError):
            shutil.copyfile(_file(url) + ending, _file(copy) + ending)
    return copy


def _file(url: str) -> str:
    return str(parse_url(url).database)


def _problems(place: Place, database: Database, start: str, before: Digests) -> Iterator[str]:
    """Say what is wrong with an interrupted database, and with its migration begun again."""
    revision = revision_of(database) or _EMPTY
    reached = _STARTS[_STARTS.index(start) :]
    if revision not in reached:
        yield f"expected a revision of {reached}, was {revision}"
        return
    if revision != _EMPTY and shape_of(database) != place.shapes[revision]:
        yield f"half a migration: the tables are not those of {revision}"
    try:
        migrate(database)
    except LedgerError as error:
        yield f"the second try failed: {error}"
        return
    if shape_of(database) != place.shapes[HEAD]:
        yield f"after the second try the tables are not those of {HEAD}"
    held = digests_of(rows_of(database))
    lost = [".".join(column) for column, digest in before.items() if held.get(column) != digest]
    if lost:
        yield f"rows are not what they were: {', '.join(lost)}"
    if migrate(database):
        yield "the third try ran a revision again"
    yield from map(str, verify(database))


def _refusals(place: Place) -> Iterator[str]:
    """Say what does not refuse a database of newer code."""
    url = place.new_url()
    with maintenance(url, any_revision=True) as database:
        migrate(database)
        database.connection.execute("UPDATE alembic_version SET version_num = '9999'")
    for open_it in (read_store, migrate_url, _reopened):
        try:
            open_it(url)
        except ConfigurationError:
            continue
        yield f"{place.name}: {open_it.__name__} took a database of newer code; ops verify migrate"


def _reopened(url: str) -> None:
    open_store(url, durable=False, database_id="0" * 32, holder=HOLDER, clock=lambda: at(14)).close()


def _copies_before(place: Place, rows: Rows) -> Iterator[str]:
    """Say where a migration did not keep the file as it was."""
    for start in REVISIONS[:-1]:
        url = _begun(place, start, rows)
        with closing(_opened(url)) as database:
            before = digests_of(rows_of(database))
        migrate_url(url)
        with closing(_opened(f"{url}.before-{HEAD}")) as copy:
            if revision_of(copy) != start or digests_of(rows_of(copy)) != before:
                yield f"the copy before a migration from {start} is another; ops verify migrate"


def replay(bench: Bench, case: str) -> Told:
    """Interrupt one migration again."""
    name, start, number = case.split(":")
    rows = _lived(bench.book)
    with ExitStack() as stack:
        for place in _places(stack):
            if place.name == name:
                _learn_shapes(place)
                heard: list[str] = []
                with closing(_opened(_begun(place, start, rows))) as database:
                    migrate(database, watch=heard.append)
                return Told(heard[: int(number)], _judged(place, Point(name, start, int(number)), rows))
    return Told([], [f"{name}: expected a database of this kind, found none"])


GOAL = Goal(
    number="G20",
    target=f"0 bad at every point of every migration; restored equal in <= {RESTORE_S:.0f} s",
    short=4,
    full=0,
    measure=measure,
    replay=replay,
)
