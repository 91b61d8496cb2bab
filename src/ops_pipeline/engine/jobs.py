"""The declared jobs: cadence, session window and longest silence; one registry for every driver. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from ops_pipeline.domain.market import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One scheduler row. Seconds throughout.

    `idle_cadence_s` applies while an account holds nothing (0: always `cadence_s`). The window runs
    from open + `from_open_s` to close + `to_close_s`. `once` jobs run one time a session. Of jobs due
    together those that reduce risk (`reduces`) run first: a slow source of data keeps no exit waiting.
    """

    name: str
    cadence_s: int
    from_open_s: int
    to_close_s: int
    silence_s: int
    per_account: bool = False
    reduces: bool = False
    idle_cadence_s: int = 0
    once: bool = False


# In data-flow order, reductions before openings.
REGISTRY: tuple[Job, ...] = (
    Job(name="news_ingest", cadence_s=60, from_open_s=-3_600, to_close_s=0, silence_s=300),
    Job(name="classifier", cadence_s=30, from_open_s=-3_600, to_close_s=0, silence_s=300),
    Job(name="telemetry", cadence_s=60, from_open_s=0, to_close_s=60, silence_s=180),
    Job(name="feature_computer", cadence_s=60, from_open_s=0, to_close_s=0, silence_s=180),
    Job(name="watchlist_engine", cadence_s=300, from_open_s=0, to_close_s=0, silence_s=900),
    Job(name="signal_engine", cadence_s=60, from_open_s=0, to_close_s=0, silence_s=180),
    Job(
        name="position_manager",
        cadence_s=15,
        idle_cadence_s=300,
        from_open_s=0,
        to_close_s=300,
        silence_s=600,
        per_account=True,
        reduces=True,
    ),
    Job(name="dispatcher", cadence_s=60, from_open_s=0, to_close_s=0, silence_s=180, per_account=True),
    Job(name="learning", cadence_s=86_400, from_open_s=0, to_close_s=3_600, silence_s=90_000, once=True),
    Job(name="health", cadence_s=60, from_open_s=-3_600, to_close_s=1_800, silence_s=180),
)


@dataclass(frozen=True, slots=True)
class Row:
    """A job of one account, or of all ("")."""

    job: Job
    account: str

    @property
    def key(self) -> tuple[str, str]:
        """Name the row."""
        return (self.job.name, self.account)


def rows_for(accounts: tuple[str, ...], registry: tuple[Job, ...] = REGISTRY) -> tuple[Row, ...]:
    """Spread the registry over the accounts: twelve rows for two."""
    return tuple(
        Row(job, account) for job in registry for account in (accounts if job.per_account else ("",))
    )


def window(job: Job, session: Session) -> tuple[datetime, datetime]:
    """Give the span in which the job runs; a once-a-session job starts 5 minutes after the close."""
    start = session.open_at + timedelta(seconds=job.from_open_s)
    if job.once:
        start = session.close_at + timedelta(minutes=5)
    return start, session.close_at + timedelta(seconds=job.to_close_s)


def cadence(job: Job, *, busy: bool) -> timedelta:
    """Give the time between runs; `busy`: the account holds or works something."""
    seconds = job.cadence_s if busy or not job.idle_cadence_s else job.idle_cadence_s
    return timedelta(seconds=seconds)


def due_at(job: Job, *, session: Session, last: datetime | None, busy: bool) -> datetime | None:
    """Give the next instant of this session at which the job is due; None: no more in this session."""
    start, end = window(job, session)
    if last is None or last < start:
        return start
    if job.once:
        return None
    # Due times stay on the grid of the window's start, so a late run does not shift the later ones.
    step = cadence(job, busy=busy)
    passed = (last - start) // step
    due = start + (passed + 1) * step
    return due if due <= end else None


def is_silent(job: Job, *, session: Session, last: datetime | None, now: datetime) -> bool:
    """Tell whether the job has been silent too long inside its window."""
    start, end = window(job, session)
    if job.once or not start <= now <= end:
        return False
    return (now - max(last or start, start)).total_seconds() > job.silence_s
