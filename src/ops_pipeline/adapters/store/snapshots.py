"""Account snapshots, position marks and job runs. Shell."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import bindparam, func, select

from ops_pipeline.adapters.store.database import Database
from ops_pipeline.adapters.store.rows import JOB_RUN, MARK, SNAPSHOT, micros
from ops_pipeline.adapters.store.stage_schema import ACCOUNT_SNAPSHOTS, JOB_RUNS, POSITION_MARKS
from ops_pipeline.domain.records import AccountSnapshot, JobRun, PositionMark
from ops_pipeline.domain.units import AccountId, PositionId

_A = ACCOUNT_SNAPSHOTS.c
_J = JOB_RUNS.c
_LAST_BEFORE = (
    select(ACCOUNT_SNAPSHOTS)
    .where(_A.account == bindparam("of_account"), _A.at_us < bindparam("before_us"))
    .order_by(_A.at_us.desc())
    .limit(1)
)
_MARKS = (
    select(POSITION_MARKS)
    .where(POSITION_MARKS.c.position_id == bindparam("of_position"))
    .order_by(POSITION_MARKS.c.at_us)
)
_NEWEST_RUNS = (
    select(_J.job, _J.account, func.max(_J.at_us).label("at_us")).group_by(_J.job, _J.account).subquery()
)
_LAST_RUNS = (
    select(JOB_RUNS)
    .join(
        _NEWEST_RUNS,
        (_J.job == _NEWEST_RUNS.c.job)
        & (_J.account == _NEWEST_RUNS.c.account)
        & (_J.at_us == _NEWEST_RUNS.c.at_us),
    )
    .order_by(_J.job, _J.account)
)


class SnapshotSlice:
    """What is sampled over time beside the ledger; the newest run of each job stays in memory."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._runs: tuple[object, dict[tuple[str, str], JobRun]] | None = None

    def add_snapshots(self, rows: Sequence[AccountSnapshot]) -> None:
        """Store account snapshots, replacing one of the same instant."""
        self._database.insert(ACCOUNT_SNAPSHOTS, [SNAPSHOT.row(row) for row in rows], on_conflict="update")

    def last_snapshot(self, account: AccountId, *, before: datetime) -> AccountSnapshot | None:
        """Give the newest snapshot taken before."""
        found = self._database.dicts(_LAST_BEFORE, of_account=account, before_us=micros(before))
        return SNAPSHOT.value(found[0]) if found else None

    def add_marks(self, rows: Sequence[PositionMark]) -> None:
        """Store position marks, replacing one of the same instant."""
        self._database.insert(POSITION_MARKS, [MARK.row(row) for row in rows], on_conflict="update")

    def marks(self, position_id: PositionId) -> Sequence[PositionMark]:
        """Give a position's stored marks, oldest first."""
        return tuple(MARK.value(row) for row in self._database.dicts(_MARKS, of_position=position_id))

    def add_job_runs(self, rows: Sequence[JobRun]) -> None:
        """Store job runs, replacing one of the same job, account and instant."""
        self._database.insert(JOB_RUNS, [JOB_RUN.row(row) for row in rows], on_conflict="update")
        if self._runs is not None:
            for row in rows:
                known = self._runs[1].get((row.job, row.account))
                if known is None or known.at <= row.at:
                    self._runs[1][row.job, row.account] = row

    def last_job_runs(self) -> Mapping[tuple[str, str], JobRun]:
        """Give the newest run by (job, account)."""
        token = self._database.freshness()
        if self._runs is None or self._runs[0] != token:
            found = [JOB_RUN.value(row) for row in self._database.dicts(_LAST_RUNS)]
            self._runs = (token, {(run.job, run.account): run for run in found})
        return dict(self._runs[1])
