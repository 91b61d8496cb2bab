"""Runs what is due and says when to come back: the one driver of live, demo, replay and verify. Shell."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from ops_pipeline.domain.errors import StoreUnavailableError
from ops_pipeline.domain.market import Session
from ops_pipeline.domain.records import Failed, JobRun, StepReport
from ops_pipeline.engine.jobs import Row, due_at, is_silent, window
from ops_pipeline.ports import BrokerUnavailable, Calendar, Store

Runner = Callable[[datetime, str], StepReport]

# Updates come in bursts; a broker is read once for all that came within so long.
_TOLD_PACE = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Machinery:
    """What a tick drives: rows of the registry, a runner per job, and the order pulse of each account.

    `pulse_s`: seconds between reconciliations while an account's orders live, `idle_s` where it holds
    nothing; in between its position manager reconciles. `listen` tells whether a broker pushed something
    that is to be read now. `silences` collects the rows that ran again after too long a silence, for the
    health job to take.
    """

    rows: tuple[Row, ...]
    runners: Mapping[str, Runner]
    pulse: Runner
    accounts: tuple[str, ...]
    store: Store
    calendar: Calendar
    pulse_s: int
    idle_s: int
    listen: Callable[[datetime, str], bool] = lambda _now, _account: False
    silences: dict[tuple[str, str], timedelta] = field(default_factory=dict)
    flush_s: int = 300


@dataclass(slots=True)
class _Slot:
    """A row of the registry with when it is due next in a session, at a pace; `session` None: unknown.

    `again`: when its last run asked to be run, ahead of the pace.
    """

    row: Row
    key: tuple[str, str]
    session: date | None = None
    busy: bool = False
    due: datetime | None = None
    again: datetime | None = None


class Engine:
    """Remembers when each row last ran, across restarts by the store."""

    def __init__(self, machinery: Machinery) -> None:
        """Take up where the stored job runs ended."""
        self._machinery = machinery
        self._last: dict[tuple[str, str], datetime] = {
            key: run.at for key, run in machinery.store.last_job_runs().items()
        }
        self._slots = [_Slot(row, row.key) for row in machinery.rows]
        self._urgent_first = sorted(self._slots, key=lambda slot: not slot.row.job.reduces)
        self.before_job: Callable[[], None] = lambda: None
        self._pulsed: dict[str, datetime] = {}
        self._pulse_again: dict[str, datetime | None] = {}
        self._woken: set[str] = set()
        self._levels: dict[str, int] = {}
        self._pending: dict[tuple[str, str], JobRun] = {}
        self._flushed: datetime | None = None

    def run_due(self, now: datetime) -> Sequence[StepReport]:
        """Run every row due at `now`, what reduces risk first, then the pulse of accounts that want it."""
        session = self._machinery.calendar.session_at(now)
        if session is None:
            return ()
        self._machinery.store.catch_up()
        self._woken |= {name for name in self._machinery.accounts if self._machinery.listen(now, name)}
        reports: list[StepReport] = []
        for slot in self._urgent_first:
            due = self._due(slot, session)
            if due is not None and due <= now <= _window_end(slot.row, session):
                self._note_silence(slot, now, session)
                reports.append(self._run(slot, now, session))
        reports += self._pulse(now, sent=_senders(reports))
        self._flush(now)
        return reports

    def run_all(self, now: datetime) -> Sequence[StepReport]:
        """Run every row once at a recorded instant, wherever its cadence stands, then settle its orders."""
        session = self._machinery.calendar.session_at(now)
        if session is None:
            return ()
        reports: list[StepReport] = []
        for slot in self._slots:
            if not slot.row.job.once or now >= session.close_at:
                report = self._run(slot, now, session)
                reports += [report, *self._pulse(now, sent=_senders([report]))]
        self._flush(now)
        return reports

    def settle(self, now: datetime) -> None:
        """Run execution once for every account: what the close did is booked."""
        for account in self._machinery.accounts:
            self._machinery.pulse(now, account)

    def next_due(self, now: datetime) -> datetime | None:
        """Give the next instant after `now` at which something is due; None: not in this session any more."""
        session = self._machinery.calendar.session_at(now)
        if session is None:
            return None
        dues = [due for slot in self._slots if (due := self._due(slot, session)) is not None]
        accounts = self._machinery.accounts
        dues += [self._pulse_due(account, now) for account in accounts if self._is_pulsed(account)]
        # What is due already and did not run is tried again in a second.
        return min((due if due > now else now + timedelta(seconds=1) for due in dues), default=None)

    def flush(self, now: datetime) -> None:
        """Store the job runs not stored yet; where the database takes no write they wait."""
        self._flushed = now
        try:
            self._machinery.store.add_job_runs(list(self._pending.values()))
        except StoreUnavailableError:
            return
        self._pending.clear()

    def _due(self, slot: "_Slot", session: Session) -> datetime | None:
        """Give when a row is due; worked out anew after it ran, in another session or at another pace."""
        job = slot.row.job
        busy = not job.idle_cadence_s or self._busy(slot.row.account)
        if slot.session != session.date or slot.busy is not busy:
            slot.session, slot.busy = session.date, busy
            slot.due = due_at(job, session=session, last=self._last.get(slot.key), busy=busy)
        if slot.again is None or slot.due is None or slot.again < session.open_at:
            return slot.due
        return min(slot.due, slot.again)

    def _note_silence(self, slot: "_Slot", now: datetime, session: Session) -> None:
        last, job = self._last.get(slot.key), slot.row.job
        if last is None or (now - last).total_seconds() <= job.silence_s:
            return
        if is_silent(job, session=session, last=last, now=now):
            self._machinery.silences[slot.key] = now - max(last, window(job, session)[0])

    def _run(self, slot: "_Slot", now: datetime, session: Session) -> StepReport:
        row = slot.row
        self.before_job()
        self._last[slot.key] = now
        slot.session = None
        report = _attempted(self._machinery.runners[row.job.name], now, row.account, stage=row.job.name)
        slot.again = report.again_at
        self._pending[slot.key] = _run_of(row, report, self._pending.get(slot.key), now, session)
        return report

    def _pulse(self, now: datetime, *, sent: frozenset[str]) -> list[StepReport]:
        """Run execution where orders live, nothing is held or the broker told something.

        Where something was just sent it runs at once.
        """
        reports: list[StepReport] = []
        for account in self._machinery.accounts:
            if account in sent or (self._is_pulsed(account) and self._pulse_due(account, now) <= now):
                self._pulsed[account] = now
                self._woken.discard(account)
                self._levels[account] = self._level(account)
                report = _attempted(self._machinery.pulse, now, account, stage="execution")
                self._pulse_again[account] = report.again_at
                reports.append(report)
        return reports

    def _pulse_due(self, account: str, now: datetime) -> datetime:
        """Give when an account is to be reconciled: at its pace, or when it asked to be.

        A kill level that changed waits for no pace.
        """
        last = self._pulsed.get(account)
        if last is None or self._levels.get(account) != self._level(account):
            return now
        pace = self._machinery.pulse_s if self._has_live(account) else self._machinery.idle_s
        due = last + (_TOLD_PACE if account in self._woken else timedelta(seconds=pace))
        return min(due, self._pulse_again.get(account) or due)

    def _flush(self, now: datetime) -> None:
        waited = self._flushed is None or (now - self._flushed).total_seconds() >= self._machinery.flush_s
        if self._pending and waited:
            self.flush(now)

    def _level(self, account: str) -> int:
        return self._machinery.store.ledger(account).control  # type: ignore[arg-type] # an AccountId

    def _is_pulsed(self, account: str) -> bool:
        changed = self._levels.get(account) != self._level(account)
        return self._has_live(account) or account in self._woken or changed or not self._busy(account)

    def _has_live(self, account: str) -> bool:
        return bool(self._machinery.store.ledger(account).live_orders)  # type: ignore[arg-type] # an AccountId

    def _busy(self, account: str) -> bool:
        if not account:
            return True
        ledger = self._machinery.store.ledger(account)  # type: ignore[arg-type] # an AccountId
        # A roll between its two orders holds nothing: what it sold is closed, what it buys is not intended.
        return bool(ledger.open_positions or ledger.live_orders or ledger.live_rolls)


def _attempted(runner: Runner, now: datetime, account: str, *, stage: str) -> StepReport:
    """Run a job; one that lacks its database or its broker has failed, and the next one runs."""
    try:
        return runner(now, account)
    except (StoreUnavailableError, BrokerUnavailable) as error:
        item = "broker" if isinstance(error, BrokerUnavailable) else "database"
        return StepReport(
            stage=stage, now=now, account=account, failed=(Failed(item=item, error=str(error)),)
        )


def _senders(reports: Sequence[StepReport]) -> frozenset[str]:
    return frozenset(report.account for report in reports if report.sent and report.account)


def _window_end(row: Row, session: Session) -> datetime:
    return session.close_at + timedelta(seconds=max(row.job.to_close_s, 0) or 0)


def _first_failure(failed: tuple[Failed, ...]) -> str:
    return f"{failed[0].item}: {failed[0].error}" if failed else ""


def _run_of(row: Row, report: StepReport, before: JobRun | None, now: datetime, session: Session) -> JobRun:
    """Give the run to store: its own counts, with those of the runs before it that are not stored yet."""
    return JobRun(
        job=row.job.name,
        account=row.account,
        at=now,
        session=session.date,
        read=report.read + (before.read if before else 0),
        decided=report.decided + (before.decided if before else 0),
        refused=report.refused + (before.refused if before else 0),
        sent=report.sent + (before.sent if before else 0),
        unknown=report.unknown + (before.unknown if before else 0),
        failed=len(report.failed) + (before.failed if before else 0),
        detail=_first_failure(report.failed) or report.detail or (before.detail if before else ""),
    )
