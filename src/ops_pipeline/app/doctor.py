"""What `ops doctor` finds, observed beside expected; what is unknown never passes. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from ops_pipeline.app.interlocks import Identity, check_identity
from ops_pipeline.domain.accounts import BrokerAccount
from ops_pipeline.domain.capabilities import CONSERVATIVE, Capability, CapabilityProfile, Support
from ops_pipeline.domain.market import Session
from ops_pipeline.domain.units import format_usd

# RELIABILITY 2.3 M12.
_SKEW_WARN_S, _SKEW_FAIL_S = 2.0, 10.0
_LONG_LEVEL, _TWO_LEG_LEVEL = 2, 3
_DAYS_SHOWN = 5


class Status(StrEnum):
    """How a check came out; UNKNOWN is where no trustworthy answer was had, and it fails the doctor."""

    OK = "ok"
    WARN = "warn"
    FAIL = "FAIL"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check of the machine ("" for the account) or of an account."""

    name: str
    account: str = ""
    status: Status
    observed: str
    expected: str

    def row(self) -> dict[str, str]:
        """Give the check as a row of a table."""
        return {
            "check": self.name,
            "account": self.account,
            "status": self.status.value,
            "observed": self.observed,
            "expected": self.expected,
        }


def failed(checks: Iterable[Check]) -> bool:
    """Tell whether anything failed, or could not be found out."""
    return any(check.status in (Status.FAIL, Status.UNKNOWN) for check in checks)


def compare_sessions(ours: Sequence[Session], theirs: Sequence[Session], *, name: str, whose: str) -> Check:
    """Hold two calendars of the same days against each other."""
    mine, yours = ({session.date: session for session in side} for side in (ours, theirs))
    differing = [day for day in sorted(mine.keys() | yours.keys()) if mine.get(day) != yours.get(day)]
    told = ", ".join(
        f"{day} {_hours(mine.get(day))} / {_hours(yours.get(day))}" for day in differing[:_DAYS_SHOWN]
    )
    more = f" and {len(differing) - _DAYS_SHOWN} more" if len(differing) > _DAYS_SHOWN else ""
    agreed = len(mine) - sum(day in mine for day in differing)
    return Check(
        name=name,
        status=Status.FAIL if differing or not yours else Status.OK,
        observed=f"ours / {whose}: {told}{more}" if differing else f"{agreed} sessions agree",
        expected=f"the sessions of {whose}",
    )


def _hours(session: Session | None) -> str:
    return f"{session.open_at:%H:%M}-{session.close_at:%H:%M} UTC" if session else "closed"


def judge_skew(skew_s: float, *, account: str) -> Check:
    """Judge how far our clock is from the broker's: more than 2 s warns, more than 10 s fails."""
    off = abs(skew_s)
    status = Status.FAIL if off > _SKEW_FAIL_S else Status.WARN if off > _SKEW_WARN_S else Status.OK
    return Check(
        name="clock",
        account=account,
        status=status,
        observed=f"{skew_s:+.2f} s from the broker's",
        expected=f"within {_SKEW_WARN_S:g} s (fails beyond {_SKEW_FAIL_S:g} s)",
    )


def judge_account(identity: Identity, shown: BrokerAccount) -> Iterator[Check]:
    """Judge who answered, and whether the account may buy options."""
    for result in check_identity(identity):
        yield Check(
            name=result.name,
            account=identity.account,
            status=Status.OK if result.passed else Status.FAIL,
            observed=result.observed,
            expected=result.limit,
        )
    level = shown.options_level
    status = Status.FAIL if level < _LONG_LEVEL else Status.WARN if level < _TWO_LEG_LEVEL else Status.OK
    yield Check(
        name="options_level",
        account=identity.account,
        status=status,
        observed=str(level),
        expected=f">= {_LONG_LEVEL} ({_TWO_LEG_LEVEL} for a roll in one order)",
    )
    yield Check(
        name="buying_power",
        account=identity.account,
        status=Status.OK if shown.options_buying_power > 0 else Status.WARN,
        observed=f"{format_usd(shown.options_buying_power)} of {format_usd(shown.equity)} equity",
        expected="more than nothing",
    )


def judge_status(status: int | None, *, name: str, account: str, what: str) -> Check:
    """Judge a read by its HTTP status: allowed, not in the plan, or nobody knows; None: no answer."""
    verdicts = {200: Status.OK, 401: Status.FAIL, 403: Status.FAIL, 404: Status.FAIL, 422: Status.FAIL}
    verdict = verdicts.get(status or 0, Status.UNKNOWN)
    observed = "no answer" if status is None else f"answered {status}"
    return Check(name=name, account=account, status=verdict, observed=observed, expected=what)


def judge_age(
    newest: datetime | None, *, now: datetime, sessions: Sequence[Session], name: str, account: str = ""
) -> Check:
    """Judge stored data by the sessions it misses: none since the last close is ok, else it warns."""
    ended = [session for session in sessions if session.close_at <= now]
    if newest is None:
        return Check(
            name=name, account=account, status=Status.WARN, observed="none stored", expected="some data"
        )
    missed = sum(session.open_at > newest for session in ended)
    age = now - newest
    return Check(
        name=name,
        account=account,
        status=Status.WARN if missed else Status.OK,
        observed=f"newest of {newest:%Y-%m-%d %H:%M} UTC, {_age(age)} old, {missed} sessions missed",
        expected="no session missed",
    )


def _age(age: timedelta) -> str:
    minutes = max(0, int(age.total_seconds() // 60))
    days, rest = divmod(minutes, 24 * 60)
    return f"{days} d {rest // 60} h" if days else f"{rest // 60} h {rest % 60} min"


def capability_rows(profile: CapabilityProfile, *, on: date, account: str) -> list[dict[str, str]]:
    """List what the broker does on a day, with since when and who says so; unknown with what is done then."""
    return [_capability_row(profile, capability, on=on, account=account) for capability in Capability]


def _capability_row(
    profile: CapabilityProfile, capability: Capability, *, on: date, account: str
) -> dict[str, str]:
    fact = profile.fact(capability, on=on)
    since = "" if fact is None or fact.since == date.min else fact.since.isoformat()
    known = fact is not None and fact.support is not Support.UNKNOWN
    return {
        "capability": capability.value,
        "account": account,
        "support": profile.support(capability, on=on).value,
        "since": since,
        "source": fact.source if fact is not None else "never probed",
        "until then": "" if known else CONSERVATIVE.get(capability, "refused"),
    }
