"""Gathers what live needs and sets the broker's guards; nothing trades before all interlocks hold. Shell."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from ops_pipeline.adapters.calendar.exchange import exchange_calendar
from ops_pipeline.adapters.calendar.sessions import NEW_YORK
from ops_pipeline.adapters.store.backup import back_up
from ops_pipeline.adapters.store.reports import snapshots
from ops_pipeline.adapters.store.store import read_store
from ops_pipeline.app import runs
from ops_pipeline.app.answers import facts_of, read_answers
from ops_pipeline.app.checks import tier_of
from ops_pipeline.app.compose import Assembly
from ops_pipeline.app.confirmation import Confirmation, confirmed_by
from ops_pipeline.app.doctor_broker import BrokerSide
from ops_pipeline.app.interlocks import (
    ALLOW_LIVE,
    Guards,
    Identity,
    LiveFacts,
    PaperSession,
    Report,
    Venue,
    check_live,
    masked,
    refuse,
)
from ops_pipeline.app.options import OverrideOptions
from ops_pipeline.app.process import build_hash
from ops_pipeline.app.ramp import ramp_bp, ramped
from ops_pipeline.app.settings import Settings
from ops_pipeline.domain.breaks import BreakFound
from ops_pipeline.domain.capabilities import ALPACA, Capability, Support
from ops_pipeline.domain.errors import OpsError
from ops_pipeline.domain.units import AccountId, to_usd4
from ops_pipeline.ports import BrokerUnavailable, Clock
from ops_pipeline.verify.registry import ENTRIES

REPORT = "reliability.jsonl"
_CAPS = ("at_risk_bp", "premium_day_bp", "contracts", "positions", "day_loss_bp")
_CONFIGURATIONS = "/v2/account/configurations"
_TWO_LEG_LEVEL, _LONG_LEVEL = 3, 2
_OK = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """How the one who starts the run can speak: `ask` in a terminal (None: there is none), or a token."""

    ask: Callable[[str], str] | None
    token: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveAccount:
    """One account that is to trade real money: who answered, how it is asked, what signs its token."""

    identity: Identity
    side: BrokerSide
    signing_key: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Where facts are looked for."""

    home: Path
    run: runs.Run
    environment: Mapping[str, str]
    wall: Clock
    person: Person


def refuse_live(assembly: Assembly, accounts: Mapping[AccountId, LiveAccount], evidence: Evidence) -> None:
    """Raise ConfigurationError that names each interlock that does not hold, of the first such account."""
    backup_at = _backed_up(evidence)
    for name, account in accounts.items():
        facts = _facts(assembly, name, account, evidence, backup_at=backup_at)
        refuse(check_live(account.identity, facts), account=name)


def ramped_settings(settings: Settings, run: runs.Run | None, *, today: date) -> Settings:
    """Give the settings with each live account's caps at the share its sessions so far allow."""
    rows = []
    for own in settings.accounts:
        share = ramp_bp(_live_sessions(run, AccountId(own.id), today=today))
        tier = tier_of(settings, to_usd4(own.equity_usd))
        caps = ramped(settings.tier_rules(tier, account=own.id), own.override, share)
        rows.append(own.model_copy(update={"override": caps}))
    return settings.model_copy(update={"accounts": tuple(rows)})


def set_guards(side: BrokerSide, *, most_level: int) -> Guards | None:
    """Set the broker's own guards, try the suspension of trading, and read everything again.

    None where an answer is missing. A suspension that cannot be taken back stays: nothing trades then.
    """
    wanted = {"no_shorting": True, "max_options_trading_level": most_level}
    if side.send("PATCH", _CONFIGURATIONS, wanted).status != _OK:
        return None
    suspended = _suspended(side, on=True) is True and _suspended(side, on=False) is False
    told = side.read(_CONFIGURATIONS)
    level = told.field("max_options_trading_level")
    if told.status != _OK or not isinstance(level, int):
        return None
    return Guards(
        no_shorting=told.field("no_shorting") is True,
        most_options_level=level,
        suspend_tested=suspended and told.field("suspend_trade") is False,
    )


def read_report(path: Path, *, build: str) -> Report | None:
    """Give what the newest measurement of each goal came to, of this code where there is any; else None.

    The file holds the lines that `ops verify ... --json` prints.
    """
    rows = [row for line in _lines(path) if (row := _measured(line)) is not None]
    own = [row for row in rows if row[1] == build] or rows[-1:]
    newest = {goal: (passed, at) for goal, _, passed, at in sorted(own, key=lambda row: row[3])}
    if not newest:
        return None
    return Report(
        build=own[0][1],
        at=min(at for _, at in newest.values()),
        passed=frozenset(goal for goal, (passed, _) in newest.items() if passed),
        missed=frozenset(goal for goal, (passed, _) in newest.items() if not passed),
    )


def paper_sessions(home: Path, account: AccountId) -> list[PaperSession]:
    """Give the account's sessions on paper over all runs, with the confirmed differences nothing explains."""
    found: dict[date, int] = {}
    for run in runs.list_runs(home):
        try:
            with read_store(run.database) as store:
                if store.ledger(account).broker != Venue.PAPER.value:
                    continue
                for shot in snapshots(store, account):
                    found.setdefault(shot.session, 0)
                for event in store.events(account):
                    body = event.body
                    if isinstance(body, BreakFound) and body.confirmed and not body.evidence:
                        day = event.at.astimezone(NEW_YORK).date()
                        found[day] = found.get(day, 0) + 1
        except OpsError:
            continue  # a run that cannot be read is no evidence
    return [PaperSession(date=day, mismatches=count) for day, count in sorted(found.items())]


def asked_word(identity: Identity) -> str:
    """Give the words a person types to let an account trade real money."""
    return f"LIVE {masked(identity.number)[-4:]}"


def _facts(
    assembly: Assembly,
    name: AccountId,
    account: LiveAccount,
    evidence: Evidence,
    *,
    backup_at: datetime | None,
) -> LiveFacts:
    settings, now, build = assembly.settings, evidence.wall.now(), build_hash()
    own = next(row for row in settings.accounts if row.id == name)
    facts = facts_of(read_answers(evidence.home), venue=Venue.LIVE, account=name)
    rolls = ALPACA.with_answers(facts).support(Capability.MLEG_ROLL, on=now.date()) is Support.YES
    done = _live_sessions(evidence.run, name, today=now.date())
    return LiveFacts(
        now=now,
        allow=_allowed(evidence.environment.get(ALLOW_LIVE), account.identity),
        own_caps=_has_caps(own.override),
        build=build,
        goals=frozenset(entry.number for entry in ENTRIES),
        report=read_report(evidence.home / REPORT, build=build),
        paper=paper_sessions(evidence.home, name),
        skew_s=_skew(account.side, evidence.wall),
        lease_held=bool(assembly.store.epoch(name)),
        backup_at=backup_at,
        backup_every=timedelta(minutes=settings.host.backup_minutes),
        confirmation=_confirmed(account, evidence, build=build),
        sessions_done=done,
        ramp_bp=ramp_bp(done),
        guards=set_guards(account.side, most_level=_TWO_LEG_LEVEL if rolls else _LONG_LEVEL),
        two_leg_rolls=rolls,
    )


def _has_caps(own: OverrideOptions) -> bool:
    return all(getattr(own, name) is not None for name in _CAPS)


def _allowed(said: str | None, identity: Identity) -> str | None:
    """Find the account's number among those the environment names, by commas."""
    names = [name.strip() for name in (said or "").split(",")]
    return identity.broker_number if identity.broker_number in names else said


def _skew(side: BrokerSide, wall: Clock) -> float | None:
    before = wall.now()
    try:
        at = side.clock_at()
    except BrokerUnavailable:
        return None
    return (before + (wall.now() - before) / 2 - at).total_seconds()


def _confirmed(account: LiveAccount, evidence: Evidence, *, build: str) -> Confirmation:
    person, number = evidence.person, account.identity.number
    if person.token:
        signed = confirmed_by(
            person.token, account.signing_key, number=number, build=build, now=evidence.wall.now()
        )
        return Confirmation.TOKEN if signed else Confirmation.NONE
    word = asked_word(account.identity)
    if person.ask is None:
        return Confirmation.NONE
    question = f"Account {account.identity.account} ({masked(number)}) will trade real money. Type {word!r}"
    return Confirmation.TYPED if person.ask(question).strip() == word else Confirmation.NONE


def _suspended(side: BrokerSide, *, on: bool) -> bool | None:
    side.send("PATCH", _CONFIGURATIONS, {"suspend_trade": on})
    value = side.read(_CONFIGURATIONS).field("suspend_trade")
    return value if isinstance(value, bool) else None


def _backed_up(evidence: Evidence) -> datetime | None:
    """Make a copy now, to know that copies can be made; None where it could not be."""
    now = evidence.wall.now()
    folder = evidence.run.path / "backups"
    folder.mkdir(mode=0o700, exist_ok=True)
    try:
        back_up(evidence.run.database, folder / f"{now:%Y%m%dT%H%M%SZ}-live.sqlite")
    except OpsError:
        return None
    return now


def _live_sessions(run: runs.Run | None, account: AccountId, *, today: date) -> int:
    """Count the sessions since the account's live ledger was begun."""
    if run is None:
        return 0
    try:
        with read_store(run.database) as store:
            ledger = store.ledger(account)
    except OpsError:
        return 0
    if ledger.broker != Venue.LIVE.value or ledger.opened_at is None:
        return 0
    return exchange_calendar().count(ledger.opened_at.astimezone(NEW_YORK).date(), today)


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.is_file() else []


def _measured(line: str) -> tuple[str, str, bool, datetime] | None:
    """Read one measurement: goal, code, whether it passed, when; None for any other line."""
    try:
        row = json.loads(line)
        at = datetime.fromisoformat(row["at"])
        measured = (str(row["goal"]), str(row["commit"]), row["pass"] is True, at)
    except (ValueError, TypeError, KeyError):
        return None
    return measured if at.tzinfo is not None else None
