"""Power losses: the disk images that a power failure may leave of the real store's database. Shell."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from ops_pipeline.adapters.store.store import open_store
from ops_pipeline.adapters.store.verify import verify
from ops_pipeline.domain.errors import MissingDataError, OpsError
from ops_pipeline.verify.crash import open_lab, run_on
from ops_pipeline.verify.databases import FILE, empty_database
from ops_pipeline.verify.disk import Disk, Promise, Step
from ops_pipeline.verify.fuse import Fuse
from ops_pipeline.verify.goals import Bench, Goal, Result, Told
from ops_pipeline.verify.market import at
from ops_pipeline.verify.parallel import spread
from ops_pipeline.verify.scenarios import SCENARIOS
from ops_pipeline.verify.terms import LabBook

_LEAST = 20_000
_PRODUCT, _CONTROL = "FULL", "NORMAL"
# The control fails in every second image: a tenth as many show it.
_CONTROL_SHARE = 10
_SHOWN = 5
_STRETCH = 40

# A process makes the recording of a scenario once; they are alike in every process.
_RECORDED: dict[tuple[str, str], Sequence[Step]] = {}
_RISKY: dict[tuple[str, str], Sequence[int]] = {}


@dataclass(frozen=True, slots=True)
class Image:
    """One image: the power fails after so many steps of a scenario; the seed says what survives."""

    synchronous: str
    scenario: str
    point: int
    seed: int

    def __str__(self) -> str:
        return f"{self.synchronous}:{self.scenario}:{self.point}:{self.seed}"


@dataclass(frozen=True, slots=True)
class Stretch:
    """Images of one scenario, in the order of its steps."""

    images: tuple[Image, ...]


@dataclass(frozen=True, slots=True)
class Judged:
    """What an image came to: a digest of it, and what is wrong with it ("": nothing)."""

    image: Image
    digest: str
    problem: str


def measure(bench: Bench, size: int) -> Result:
    """Judge `size` images of the product's setting over all scenarios, and a tenth of the control's."""
    began = perf_counter()
    _require_apsw()
    judged = _judge_all(bench, _PRODUCT, size)
    control = _judge_all(bench, _CONTROL, max(size // _CONTROL_SHARE, 1))
    bad = [found for found in judged if found.problem]
    lost = sum(bool(found.problem) for found in control)
    distinct = len({found.digest for found in judged})
    return Result(
        goal=GOAL.number,
        value=f"{len(bad)} bad of {len(judged):,} images ({distinct:,} distinct); "
        f"control: {lost} of {len(control):,}",
        target=GOAL.target,
        passed=not bad and lost > 0,
        seeds=len(judged),
        seconds=perf_counter() - began,
        failures=[
            f"{found.problem}; ops verify powerloss --case {found.image} --trace" for found in bad[:_SHOWN]
        ],
        details={"distinct": distinct, "control_lost": lost, "control": len(control)},
    )


def _require_apsw() -> None:
    if find_spec("apsw") is None:
        raise MissingDataError("powerloss: expected the package apsw, found none; run `make setup`")


def _judge_all(bench: Bench, synchronous: str, size: int) -> list[Judged]:
    names = tuple(SCENARIOS)
    shares = [size * (place + 1) // len(names) - size * place // len(names) for place in range(len(names))]
    points = spread(count_points, [(synchronous, name) for name in names], bench, label="recordings")
    stretches = [
        stretch
        for name, share, count in zip(names, shares, points, strict=True)
        for stretch in _stretches(synchronous, name, share, count)
    ]
    label = f"images ({synchronous})"
    return [
        found for part in spread(judge_stretch, stretches, bench, label=label, at_once=1) for found in part
    ]


def _stretches(synchronous: str, scenario: str, share: int, points: int) -> list[Stretch]:
    images = [Image(synchronous, scenario, 1 + seed * points // share, seed) for seed in range(share)]
    return [Stretch(tuple(images[first : first + _STRETCH])) for first in range(0, share, _STRETCH)]


def count_points(book: LabBook, case: tuple[str, str]) -> int:
    """Count the instants of a scenario at which something waits for a flush."""
    return len(_risky(book, *case))


def judge_stretch(book: LabBook, stretch: Stretch) -> list[Judged]:
    """Roll the disk forward through a scenario and judge each image on the way."""
    first = stretch.images[0]
    steps = _recorded(book, first.synchronous, first.scenario)
    risky = _risky(book, first.synchronous, first.scenario)
    disk, taken, judged = _new_disk(), 0, []
    with TemporaryDirectory() as folder:
        for image in stretch.images:
            until = risky[image.point - 1]
            for step in steps[taken:until]:
                disk.take(step)
            taken = until
            files = disk.image(Random(str(image)))
            judged.append(Judged(image, _digest(files), _judge(files, disk.promised, Path(folder))))
    return judged


def _new_disk() -> Disk:
    return Disk({FILE: bytearray(empty_database())})


def _digest(files: Mapping[str, bytes]) -> str:
    return sha256(b"".join(files[name] for name in sorted(files))).hexdigest()


def _judge(files: Mapping[str, bytes], promised: Promise | None, folder: Path) -> str:
    """Start as the product starts on these files; say what is corrupt or lost."""
    for left in folder.iterdir():
        left.unlink()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    try:
        with open_store(
            f"sqlite:///{folder}/{FILE}",
            durable=False,
            database_id="0" * 32,
            holder="after",
            clock=lambda: at(14),
        ) as store:
            findings = verify(store.database)
            if findings:
                return f"corrupt: {findings[0]}"
            return _lost(store.database.connection, promised) if promised else ""
    except OpsError as error:
        return f"corrupt: {error}"


def _lost(connection: Any, promised: Promise) -> str:
    for account, (seq, head) in promised.heads.items():
        query = "SELECT hash FROM event WHERE account = ? AND seq = ?"
        if connection.execute(query, (account, seq)).fetchone() != (head,):
            return f"lost: event {seq} of {account}"
    for table, rows in promised.rows.items():
        found = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608 - our tables
        if found < rows:
            return f"lost: {rows - found} rows of {table}"
    return ""


def _risky(book: LabBook, synchronous: str, scenario: str) -> Sequence[int]:
    """Give the numbers of the steps after which something waits for a flush."""
    key = (synchronous, scenario)
    if key not in _RISKY:
        disk, found = _new_disk(), []
        for number, step in enumerate(_recorded(book, synchronous, scenario), start=1):
            disk.take(step)
            if disk.is_risky():
                found.append(number)
        _RISKY[key] = found
    return _RISKY[key]


def _recorded(book: LabBook, synchronous: str, scenario: str) -> Sequence[Step]:
    """Run a scenario with the real services and store; give every write, flush and promise."""
    key = (synchronous, scenario)
    if key not in _RECORDED:
        recorder = import_module("ops_pipeline.verify.recorder").Recorder(synchronous)
        plan = SCENARIOS[scenario]()
        with TemporaryDirectory() as folder:
            lab = open_lab(plan, book, Path(folder), Fuse(), opener=recorder.open_database)
            run_on(lab, plan)
            _RECORDED[key] = tuple(recorder.steps)
            recorder.end()
            lab.close()
    return _RECORDED[key]


def replay(bench: Bench, case: str) -> Told:
    """Judge one image again, and tell the steps before it."""
    _require_apsw()
    synchronous, scenario, point, seed = case.split(":")
    image = Image(synchronous, scenario, int(point), int(seed))
    (judged,) = judge_stretch(bench.book, Stretch((image,)))
    number = _risky(bench.book, synchronous, scenario)[image.point - 1]
    steps = _recorded(bench.book, synchronous, scenario)[:number]
    return Told([_told(step) for step in steps], [judged.problem] if judged.problem else [])


def _told(step: Step) -> str:
    text = str(step) if isinstance(step, Promise) else f"{type(step).__name__} {step.file}"
    offset, size = getattr(step, "offset", None), len(getattr(step, "data", b""))
    return text if offset is None else f"{text} {offset}+{size}"


GOAL = Goal(
    number="G5",
    target=f"0 bad of >= {_LEAST:,} images; the control ({_CONTROL}) must lose commits",
    short=700,
    full=_LEAST,
    measure=measure,
    replay=replay,
)
