"""Runs what is due and says when to come back: the one driver of live, demo, replay and verify. Shell."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

from ops_pipeline.domain.market import Session
from ops_pipeline.domain.records import Failed, JobRun, StepReport
from ops_pipeline.engine.jobs import Row, due_at, is_silent, window
from ops_pipeline.ports import Calendar, Store

Runner = Callable[[datetime, str], StepReport]


@dataclass(frozen=True, slots=True, kw_only=True)
class Machinery:
    """What a tick drives: rows of the registry, a runner per job, and the order pulse of each account.

    `silences` collects the rows that ran again after too long a silence, for the health job to take.
    """

    rows: tuple[Row, ...]
    runners: Mapping[str, Runner]
    pulse: Runner
    accounts: tuple[str, ...]
    store: Store
    calendar: Calendar
    silences: dict[tuple[str, str], timedelta] = field(default_factory=dict)
    pulse_s: int = 10
    flush_s: int = 300


class Engine:
    """Remembers when each row last ran, across restarts by the store."""

    def __init__(self, machinery: Machinery) -> None:
        """Take up where the stored job runs ended."""
        self._machinery = machinery
        self._last: dict[tuple[str, str], datetime] = {
            key: run.at for key, run in machinery.store.last_job_runs().items()
        }
        self._known: dict[tuple[str, str], tuple[date, datetime | None]] = {}
        self._pulsed: dict[str, datetime] = {}
        self._pending: dict[tuple[str, str], JobRun] = {}
        self._flushed: datetime | None = None

    def run_due(self, now: datetime) -> Sequence[StepReport]:
        """Run every row due at `now`, in data-flow order, then the pulse of accounts with live orders."""
        session = self._machinery.calendar.session_at(now)
        if session is None:
            return ()
        reports: list[StepReport] = []
        for row in self._machinery.rows:
            due = self._due(row, session)
            if due is not None and due <= now <= _window_end(row, session):
                self._note_silence(row, now, session)
                self._last[row.key] = now
                self._known.pop(row.key, None)
                reports.append(self._run(row, now, session))
        reports += self._pulse(now, sent=_senders(reports))
        self._flush(now)
        return reports

    def run_all(self, now: datetime) -> Sequence[StepReport]:
        """Run every row once at a recorded instant, wherever its cadence stands, then settle its orders."""
        session = self._machinery.calendar.session_at(now)
        if session is None:
            return ()
        reports: list[StepReport] = []
        for row in self._machinery.rows:
            if not row.job.once or now >= session.close_at:
                self._last[row.key] = now
                self._known.pop(row.key, None)
                report = self._run(row, now, session)
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
        dues = [self._due(row, session) for row in self._machinery.rows]
        later = [max(due, now + timedelta(seconds=1)) for due in dues if due is not None]
        if any(self._has_live(account) for account in self._machinery.accounts):
            later.append(now + timedelta(seconds=self._machinery.pulse_s))
        return min(later, default=None)

    def flush(self, now: datetime) -> None:
        """Store the job runs not stored yet."""
        self._machinery.store.add_job_runs(list(self._pending.values()))
        self._pending.clear()
        self._flushed = now

    def _due(self, row: Row, session: Session) -> datetime | None:
        """Give when a row is due; only where the pace depends on the account it is asked anew."""
        last = self._last.get(row.key)
        if row.job.idle_cadence_s:
            return due_at(row.job, session=session, last=last, busy=self._busy(row.account))
        known = self._known.get(row.key)
        if known is None or known[0] != session.date:
            due = due_at(row.job, session=session, last=last, busy=True)
            known = self._known[row.key] = (session.date, due)
        return known[1]

    def _note_silence(self, row: Row, now: datetime, session: Session) -> None:
        last = self._last.get(row.key)
        if last is not None and is_silent(row.job, session=session, last=last, now=now):
            self._machinery.silences[row.key] = now - max(last, window(row.job, session)[0])

    def _run(self, row: Row, now: datetime, session: Session) -> StepReport:
        report = self._machinery.runners[row.job.name](now, row.account)
        before = self._pending.get(row.key)
        run = JobRun(
            job=row.job.name,
            account=row.account,
            at=now,
            session=session.date,
            read=report.read,
            decided=report.decided,
            refused=report.refused,
            sent=report.sent,
            unknown=report.unknown,
            failed=len(report.failed),
            detail=_first_failure(report.failed) or report.detail,
        )
        self._pending[row.key] = _added(before, run) if before else run
        return report

    def _pulse(self, now: datetime, *, sent: frozenset[str]) -> list[StepReport]:
        """Run execution where orders live: at its pace, or at once where something was just sent."""
        reports: list[StepReport] = []
        for account in self._machinery.accounts:
            last = self._pulsed.get(account)
            waited = last is None or (now - last).total_seconds() >= self._machinery.pulse_s
            if account in sent or (waited and self._has_live(account)):
                self._pulsed[account] = now
                reports.append(self._machinery.pulse(now, account))
        return reports

    def _flush(self, now: datetime) -> None:
        waited = self._flushed is None or (now - self._flushed).total_seconds() >= self._machinery.flush_s
        if self._pending and waited:
            self.flush(now)

    def _has_live(self, account: str) -> bool:
        return bool(self._machinery.store.ledger(account).live_orders)  # type: ignore[arg-type] # an AccountId

    def _busy(self, account: str) -> bool:
        if not account:
            return True
        ledger = self._machinery.store.ledger(account)  # type: ignore[arg-type] # an AccountId
        return bool(ledger.open_positions) or bool(ledger.live_orders)


def _senders(reports: Sequence[StepReport]) -> frozenset[str]:
    return frozenset(report.account for report in reports if report.sent and report.account)


def _window_end(row: Row, session: Session) -> datetime:
    return session.close_at + timedelta(seconds=max(row.job.to_close_s, 0) or 0)


def _first_failure(failed: tuple[Failed, ...]) -> str:
    return f"{failed[0].item}: {failed[0].error}" if failed else ""


def _added(before: JobRun, run: JobRun) -> JobRun:
    counts = {
        name: getattr(before, name) + getattr(run, name)
        for name in ("read", "decided", "refused", "sent", "unknown", "failed")
    }
    return replace(run, **counts)
