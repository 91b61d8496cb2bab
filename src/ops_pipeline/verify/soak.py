"""A year of sessions in one process: nothing breaks, and nothing grows but the database. Shell."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from ops_pipeline.adapters.calendar.exchange import exchange_calendar
from ops_pipeline.domain.instruments import Right
from ops_pipeline.domain.market import Session
from ops_pipeline.engine.adoption import Holding
from ops_pipeline.verify.goals import Bench, Goal, Result
from ops_pipeline.verify.lab import Act, Lab
from ops_pipeline.verify.market import LabMarket
from ops_pipeline.verify.scenario import LARGE
from ops_pipeline.verify.soak_wall import live_by_the_wall
from ops_pipeline.verify.terms import LabBook, Terms

_YEAR = 252
_FIRST = date(2026, 3, 2)
# A trade every third session, for the ledger keeps every order and what it keeps is not what leaks; an
# expiry every 25 sessions, a split twice a year, a new process every 6 of the first half: in a year 84,
# 10, 2 and 21 of them.
_TRADE_EVERY = 3
_NAMES = ("META", "XOM", "NVDA")
_EXPIRING, _EXPIRY_EVERY, _EXPIRY_AT = "AMD", 25, 3
_SPLITTING, _SPLIT_EVERY, _SPLIT_AT = "GOOG", 125, 6
_RESTART_EVERY, _RESTART_AT = 6, 5
_LEAST_RESTARTS, _LEAST_DST_CHANGES = 20, 2
_MOST_SLOPE_MIB = 0.5
_PER_SESSIONS = 20
# Growth is judged over the second half: the life of one process. Here a restart leaves its allocations in the
# allocator of the process that goes on; in reality nothing of it is left.
_WARM_UP = _YEAR // 2
# The second half's bytes a session, in percent of the first half's.
_LINEAR = (50, 150)
_WALL_S, _SHORT_WALL_S = 60.0, 6.0
_SHOWN = 5
_PAGE_MIB = 4_096 / 2**20


@dataclass(frozen=True, slots=True)
class Sample:
    """What the process and its database took after a session."""

    resident_mib: float
    files: int
    threads: int
    database_bytes: int


@dataclass(frozen=True, slots=True)
class Year:
    """What a soak came to."""

    samples: Sequence[Sample]
    violations: Sequence[str]
    trades: int
    expired: int
    adjusted: int
    restarts: int
    early_closes: int
    dst_changes: int


def live_through(bench: Bench, size: int, folder: Path) -> Year:
    """Run `size` sessions of the real services one after the other."""
    calendar = exchange_calendar()
    sessions = calendar.between(_FIRST, _FIRST + timedelta(days=size * 2 + 10))[: size + 1]
    lab = _laboratory(bench.book, sessions, folder)
    samples: list[Sample] = []
    restarts = 0
    for index, session in enumerate(sessions[:size]):
        acts = _acts(index, sessions)
        if index < _WARM_UP and index % _RESTART_EVERY == _RESTART_AT:
            restarts += 1
            acts.append(Act(at=session.open_at + timedelta(minutes=45), do=Lab.restart))
        lab.clock.move_to(max(lab.clock.now(), session.open_at - timedelta(minutes=5)))
        lab.live(acts, session.close_at + timedelta(minutes=10))
        for heard in lab.heard.values():
            heard.positions.clear()  # the laboratory's own notes are no growth of the process
        samples.append(_sample(folder))
        if index % 10 == 9:
            bench.say(f"sessions: {index + 1} of {size}, {samples[-1].resident_mib:.0f} MiB")
    lab.judge_rest()
    ledger = lab.ledger(LARGE.id)
    closed = [position.close_reason for position in ledger.positions.values() if not position.is_open]
    year = Year(
        samples=samples,
        violations=[str(found) for found in lab.violations],
        trades=len(closed),
        expired=sum(reason in ("expired", "exercised", "expiry_cutoff") for reason in closed),
        adjusted=sum(p.contract.underlying == _SPLITTING for p in ledger.positions.values()),
        restarts=restarts,
        early_closes=sum(s.close_at - s.open_at < timedelta(hours=6) for s in sessions[:size]),
        dst_changes=_clock_changes(sessions[:size]),
    )
    lab.close()
    return year


def _laboratory(book: LabBook, sessions: Sequence[Session], folder: Path) -> Lab:
    market = LabMarket()
    for index in range(len(sessions) - 1):
        if index % _TRADE_EVERY == 0:
            _quote_trade(market, index // _TRADE_EVERY, sessions[index])
        if index % _EXPIRY_EVERY == _EXPIRY_AT:
            _quote_expiry(market, index // _EXPIRY_EVERY, sessions[index], sessions[index + 1])
        if index % _SPLIT_EVERY == _SPLIT_AT:
            _quote_split(market, sessions[index], sessions[index + 1])
    start = sessions[0].open_at - timedelta(minutes=5)
    terms = Terms(book=book, market=market, accounts=(LARGE,), start=start, calendar=exchange_calendar())
    return Lab(folder, terms)


def _ticker(number: int) -> str:
    return _NAMES[number % len(_NAMES)]


def _friday(after: date, days: int) -> date:
    """Give the first Friday at least so many days after a day."""
    day = after + timedelta(days=days)
    return day + timedelta(days=(4 - day.weekday()) % 7)


def _quote_trade(market: LabMarket, number: int, session: Session) -> None:
    """Quote the session's trade: it climbs the ladder two times of three, else it is stopped."""
    occ = f"{_ticker(number)}{_friday(session.date, 37):%y%m%d}C00500000"
    put = partial(market.put, occ=occ)
    put(session.open_at - timedelta(minutes=5), "1.20", "1.20")
    after = session.open_at + timedelta(minutes=60)
    if number % 3 == 2:
        put(after, "0.85", "0.87")
        return
    put(after, "1.85", "1.87")
    put(after + timedelta(minutes=1), "2.20", "2.22")
    put(after + timedelta(minutes=2), "1.55", "1.57")


def _quote_expiry(market: LabMarket, number: int, session: Session, last: Session) -> None:
    """Quote a contract that expires the next session: sold before, worthless, or exercised."""
    put = partial(market.put, occ=f"{_EXPIRING}{last.date:%y%m%d}C00100000")
    put(session.open_at, "1.20", "1.20")
    market.put_spot(session.open_at, "100", ticker=_EXPIRING)
    spot, bid, ask = (("101", "1.30", "1.32"), ("80", None, "0.05"), ("110", None, None))[number % 3]
    put(last.open_at, bid, ask)
    market.put_spot(last.open_at, spot, ticker=_EXPIRING)


def _quote_split(market: LabMarket, session: Session, following: Session) -> None:
    """Quote what is held through a split of two for one, and stopped after it."""
    expiry = _friday(session.date, 37)
    market.put(session.open_at, "1.20", "1.20", occ=f"{_SPLITTING}{expiry:%y%m%d}C00500000")
    market.put_spot(session.open_at, "500", ticker=_SPLITTING)
    market.put_spot(following.open_at, "250", ticker=_SPLITTING)
    market.put_split(_SPLITTING, following.date, new=2)
    after = partial(market.put, occ=f"{_SPLITTING}{expiry:%y%m%d}C00250000")
    after(following.open_at, "0.60", "0.60")
    after(following.open_at + timedelta(minutes=5), "0.40", "0.41")


def _acts(index: int, sessions: Sequence[Session]) -> list[Act]:
    session = sessions[index]
    acts: list[Act] = []
    if index % _TRADE_EVERY == 0:
        ticker = _ticker(index // _TRADE_EVERY)
        acts.append(Act(at=session.open_at + timedelta(minutes=35), do=lambda lab: lab.signal(ticker)))
    # Held only over the end of the session: an account that holds is looked at every 15 s.
    late = session.close_at - timedelta(minutes=20)
    if index % _EXPIRY_EVERY == _EXPIRY_AT:
        acts.append(_held(late, _EXPIRING, dte_min=1))
    if index % _SPLIT_EVERY == _SPLIT_AT:
        acts.append(_held(late, _SPLITTING, dte_min=30))
    return acts


def _held(when: datetime, ticker: str, *, dte_min: int) -> Act:
    holding = Holding(account=LARGE.id, ticker=ticker, right=Right.CALL, qty=2, dte_min=dte_min)
    return Act(at=when, do=lambda lab: lab.hold(holding))


def _clock_changes(sessions: Sequence[Session]) -> int:
    hours = [session.open_at.hour for session in sessions]
    return sum(one != other for one, other in pairwise(hours))


def _sample(folder: Path) -> Sample:
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return Sample(
        resident_mib=int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_MIB,
        files=len(list(Path("/proc/self/fd").iterdir())),
        threads=int(status["Threads"]),
        database_bytes=sum(file.stat().st_size for file in folder.iterdir()),
    )


def slope(values: Sequence[float]) -> float:
    """Give the least-squares slope of equidistant values, a step; 0 of fewer than two."""
    count = len(values)
    if count < 2:
        return 0.0
    middle, mean = (count - 1) / 2, sum(values) / count
    over = sum((index - middle) * (value - mean) for index, value in enumerate(values))
    return over / sum((index - middle) ** 2 for index in range(count))


def objections(year: Year, size: int) -> list[str]:
    """Say what a year of `size` sessions grew or lacked; memory is judged behind the warm-up."""
    found = list(year.violations)
    warm = year.samples[_WARM_UP:]
    if warm:
        grown = slope([sample.resident_mib for sample in warm]) * _PER_SESSIONS
        if grown > _MOST_SLOPE_MIB:
            found.append(f"memory grows by {grown:.2f} MiB in {_PER_SESSIONS} sessions")
        ratio = _second_half_percent([sample.database_bytes for sample in year.samples])
        if not _LINEAR[0] <= ratio <= _LINEAR[1]:
            found.append(f"the database grows by {ratio} % of its first half's bytes in the second")
    settled = year.samples[min(_WARM_UP, 2) :]
    for what, counts in (
        ("file descriptors", {sample.files for sample in settled}),
        ("threads", {sample.threads for sample in settled}),
    ):
        if len(counts) > 1:
            found.append(f"{what}: expected a constant number, was {sorted(counts)}")
    if size >= _YEAR:
        found += _lacking(year)
    if year.trades < size // _TRADE_EVERY:
        found.append(f"expected a trade every {_TRADE_EVERY} sessions, was {year.trades} in {size}")
    return found


def _second_half_percent(sizes: Sequence[int]) -> int:
    middle = len(sizes) // 2
    first, second = sizes[middle] - sizes[0], sizes[-1] - sizes[middle]
    return 100 * second * max(1, middle) // max(1, first * (len(sizes) - 1 - middle))


def _lacking(year: Year) -> list[str]:
    wanted = (
        ("changes of the clocks", year.dst_changes, _LEAST_DST_CHANGES),
        ("restarts", year.restarts, _LEAST_RESTARTS),
        ("early closes", year.early_closes, 1),
        ("expiries", year.expired, 3),
        ("splits", year.adjusted, 2),
    )
    return [f"{what}: expected >= {least}, was {count}" for what, count, least in wanted if count < least]


def measure(bench: Bench, size: int) -> Result:
    """Live through `size` sessions, then a while by the wall's clock; judge what the process took."""
    began = perf_counter()
    with TemporaryDirectory() as folder:
        year = live_through(bench, size, Path(folder))
    minute = live_by_the_wall(bench, _WALL_S if size >= _YEAR else _SHORT_WALL_S)
    found = [*objections(year, size), *minute.objections()]
    warm = year.samples[_WARM_UP:]
    grown = slope([sample.resident_mib for sample in warm]) * _PER_SESSIONS
    last = year.samples[-1]
    return Result(
        goal=GOAL.number,
        value=f"{len(found)} objections in {size} sessions; {grown:+.2f} MiB in {_PER_SESSIONS}",
        target=GOAL.target,
        passed=not found,
        seeds=size,
        seconds=perf_counter() - began,
        failures=[f"{what}; ops verify soak --n {size}" for what in found[:_SHOWN]],
        details={
            "trades": year.trades,
            "expiries": year.expired,
            "splits": year.adjusted,
            "restarts": year.restarts,
            "early closes": year.early_closes,
            "changes of the clocks": year.dst_changes,
            "resident, MiB": round(last.resident_mib, 1),
            "file descriptors": last.files,
            "threads": last.threads,
            "by the wall's clock, bytes a row": round(minute.bytes_a_row),
            "database, bytes a session": last.database_bytes // size,
            "second half's bytes, % of the first's": (
                _second_half_percent([sample.database_bytes for sample in warm]) if len(warm) > 2 else None
            ),
        },
    )


GOAL = Goal(
    number="G15",
    target=f"{_YEAR} sessions and {_WALL_S:.0f} s, 0 objections, <= {_MOST_SLOPE_MIB} MiB in {_PER_SESSIONS}",
    short=10,
    full=_YEAR,
    measure=measure,
)
