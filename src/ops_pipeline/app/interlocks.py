"""Whether an account may trade: every interlock over gathered facts, by name; one that fails refuses. Pure.

What is not known holds nothing: an interlock passes only on a fact that was gathered. Paper has its own
shorter list; live needs that list and every other one (RELIABILITY 5.2).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from ops_pipeline.app.broker_options import LIVE_HOST, LOOPBACK, PAPER_HOST
from ops_pipeline.app.confirmation import Confirmation
from ops_pipeline.app.ramp import ramp_bp
from ops_pipeline.domain.errors import ConfigurationError
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.orders import GateResult
from ops_pipeline.domain.units import AccountId, Bp

ALLOW_LIVE = "OPS_ALLOW_LIVE"
UNKNOWN, NONE = "unknown", "none"
# RELIABILITY 5.2.
_REPORT_DAYS = 14
_PAPER_SESSIONS = 5
# RELIABILITY 2.3 M12: from here on entries would be refused anyway.
_SKEW_S = 10.0
# A copy is due every so often; one that is twice as old was not made.
_BACKUP_LATE = 2
_TWO_LEG_LEVEL, _LONG_LEVEL = 3, 2


class Venue(StrEnum):
    """Whose fills a ledger holds; it never holds those of two."""

    SIMULATOR = "simulator"
    LOCAL = "alpaca-local"
    PAPER = "alpaca-paper"
    LIVE = "alpaca-live"


# The letters a key begins with, as people know them; none was documented for keys of a local server.
_PREFIXES = {Venue.PAPER: "PK", Venue.LIVE: "AK"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who is asked for whom; `broker_number` None: the broker did not answer."""

    account: AccountId
    mode: str
    host: str
    key_prefix: str
    number: str
    broker_number: str | None
    blocked: bool | None
    ledger_venue: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What the reliability goals came to: on which code, when, which passed and which did not."""

    build: str
    at: datetime
    passed: frozenset[str]
    missed: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperSession:
    """One session of the account on paper and the differences its reconciliation found."""

    date: date
    mismatches: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Guards:
    """The account's settings at the broker, as read again after they were set."""

    no_shorting: bool
    most_options_level: int
    suspend_tested: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveFacts:
    """What live needs beside the identity; None: not known.

    `goals` are those a report must have passed; `ramp_bp` is the share of its caps the account will get,
    `sessions_done` how many live sessions it has behind it.
    """

    now: datetime
    allow: str | None
    own_caps: bool
    build: str
    goals: frozenset[str]
    report: Report | None
    paper: Sequence[PaperSession]
    skew_s: float | None
    lease_held: bool | None
    backup_at: datetime | None
    backup_every: timedelta
    confirmation: Confirmation
    sessions_done: int
    ramp_bp: Bp
    guards: Guards | None
    two_leg_rolls: bool


def venue_of(host: str | None) -> Venue | None:
    """Give whose fills come from a trading host; None for a host of nobody known."""
    if host in LOOPBACK:
        return Venue.LOCAL
    return {PAPER_HOST: Venue.PAPER, LIVE_HOST: Venue.LIVE}.get(host or "")


def check_identity(facts: Identity) -> tuple[GateResult, ...]:
    """Judge what paper needs, and live as well: host, key, number and ledger belong together."""
    venue = venue_of(facts.host)
    mode = "live" if venue is Venue.LIVE else "paper"
    return (
        GateResult("host", venue is not None and facts.mode == mode, facts.host, f"a host of {facts.mode}"),
        _key(facts, venue),
        _number(facts),
        GateResult(
            "unblocked",
            facts.blocked is False,
            UNKNOWN if facts.blocked is None else "blocked" if facts.blocked else "not blocked",
            "not blocked",
        ),
        GateResult(
            "ledger",
            venue is not None and facts.ledger_venue in ("", venue.value),
            facts.ledger_venue or "new",
            f"new, or of {venue.value if venue else NONE}",
        ),
    )


def check_live(identity: Identity, facts: LiveFacts) -> tuple[GateResult, ...]:
    """Judge every interlock of live; one that fails refuses the account."""
    return (
        GateResult("mode", identity.mode == "live", identity.mode, "live"),
        *check_identity(identity),
        _allowed(identity, facts),
        GateResult("own_caps", facts.own_caps, "own" if facts.own_caps else NONE, "caps of its own"),
        _report(facts),
        _paper_sessions(facts),
        _clock(facts),
        GateResult("lease", facts.lease_held is True, _held(held=facts.lease_held), "held"),
        _backup(facts),
        GateResult(
            "confirmation",
            facts.confirmation is not Confirmation.NONE,
            facts.confirmation.value,
            "typed in a terminal, or a signed token",
        ),
        _ramp(facts),
        _guards(facts),
    )


def refuse(results: Iterable[GateResult], *, account: str) -> None:
    """Raise ConfigurationError that names every interlock that does not hold."""
    failed = [result for result in results if not result.passed]
    if failed:
        lines = "; ".join(f"{r.name}: expected {r.limit}, was {r.observed}" for r in failed)
        raise ConfigurationError(f"account {account} may not trade: {lines}")


def refuse_other_venue(ledger: Ledger, venue: Venue) -> None:
    """Raise ConfigurationError where a ledger holds another venue's fills."""
    if ledger.seq and ledger.broker != venue.value:
        raise ConfigurationError(
            f"account {ledger.account}: expected a ledger of {venue.value}, was one of {ledger.broker}; "
            "fills of two venues never stand in one ledger: begin a new run (`ops run --new`)"
        )


def _key(facts: Identity, venue: Venue | None) -> GateResult:
    wanted = _PREFIXES.get(venue) if venue is not None else None
    if wanted is not None:
        return GateResult("key", facts.key_prefix == wanted, facts.key_prefix or NONE, wanted)
    # A key for real money is shown to nobody but the broker that issued it.
    fits = venue is Venue.LOCAL and facts.key_prefix != _PREFIXES[Venue.LIVE]
    return GateResult("key", fits, facts.key_prefix or NONE, "no key for real money")


def _number(facts: Identity) -> GateResult:
    observed = UNKNOWN if facts.broker_number is None else masked(facts.broker_number)
    passed = bool(facts.number) and facts.broker_number == facts.number
    return GateResult("number", passed, observed, masked(facts.number) if facts.number else "a pinned number")


def masked(number: str) -> str:
    """Show an account number's last four characters."""
    return f"…{number[-4:]}" if len(number) > len("1234") else number


def _allowed(identity: Identity, facts: LiveFacts) -> GateResult:
    """Hold the environment's word against the number that the broker, not the file, gave."""
    passed = bool(facts.allow) and facts.allow == identity.broker_number
    return GateResult(
        ALLOW_LIVE, passed, masked(facts.allow) if facts.allow else NONE, "the number the broker answers with"
    )


def _report(facts: LiveFacts) -> GateResult:
    limit = f"this code's, every goal passed, younger than {_REPORT_DAYS} days"
    report = facts.report
    if report is None:
        return GateResult("report", False, NONE, limit)
    missing = facts.goals - report.passed
    bad = sorted(missing | report.missed)
    age = facts.now - report.at
    young = timedelta(0) <= age < timedelta(days=_REPORT_DAYS)
    passed = report.build == facts.build and not bad and bool(facts.goals) and young
    code = "this code" if report.build == facts.build else f"code {report.build[:12]}"
    observed = f"{code}, {report.at:%Y-%m-%d}" + (f", not passed: {', '.join(bad)}" if bad else "")
    return GateResult("report", passed, observed, limit)


def _paper_sessions(facts: LiveFacts) -> GateResult:
    last = sorted(facts.paper, key=lambda session: session.date)[-_PAPER_SESSIONS:]
    bad = [session for session in last if session.mismatches]
    observed = f"{len(last)} sessions" + (f", mismatch on {bad[-1].date}" if bad else "")
    passed = len(last) == _PAPER_SESSIONS and not bad
    return GateResult("paper_sessions", passed, observed, f"the last {_PAPER_SESSIONS} without a mismatch")


def _clock(facts: LiveFacts) -> GateResult:
    passed = facts.skew_s is not None and abs(facts.skew_s) <= _SKEW_S
    observed = UNKNOWN if facts.skew_s is None else f"{facts.skew_s:+.1f} s"
    return GateResult("clock", passed, observed, f"within {_SKEW_S:g} s of the broker's")


def _backup(facts: LiveFacts) -> GateResult:
    limit = f"younger than {_BACKUP_LATE} x {facts.backup_every}"
    if facts.backup_at is None or not facts.backup_every:
        return GateResult("backup", False, NONE, limit)
    age = facts.now - facts.backup_at
    return GateResult("backup", age <= _BACKUP_LATE * facts.backup_every, f"{age} old", limit)


def _ramp(facts: LiveFacts) -> GateResult:
    most = ramp_bp(facts.sessions_done)
    observed = f"{facts.ramp_bp / 100:g} % after {facts.sessions_done} live sessions"
    return GateResult("ramp", 0 < facts.ramp_bp <= most, observed, f"<= {most / 100:g} % of the caps")


def _guards(facts: LiveFacts) -> GateResult:
    most = _TWO_LEG_LEVEL if facts.two_leg_rolls else _LONG_LEVEL
    limit = f"no shorting, options level at most {most}, suspension tested"
    guards = facts.guards
    if guards is None:
        return GateResult("guards", False, UNKNOWN, limit)
    passed = guards.no_shorting and guards.most_options_level <= most and guards.suspend_tested
    observed = (
        f"{'no shorting' if guards.no_shorting else 'shorting allowed'}, level {guards.most_options_level}, "
        f"suspension {'tested' if guards.suspend_tested else 'not tested'}"
    )
    return GateResult("guards", passed, observed, limit)


def _held(*, held: bool | None) -> str:
    return UNKNOWN if held is None else "held" if held else "not held"
