"""What a doctor finds at the broker: who answers, its clock and calendar, what the plan shows. Shell."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Protocol

from ops_pipeline.app.answers import Answer, facts_of
from ops_pipeline.app.doctor import (
    Check,
    Status,
    capability_rows,
    compare_sessions,
    judge_account,
    judge_skew,
    judge_status,
)
from ops_pipeline.app.interlocks import Identity, Venue
from ops_pipeline.app.probes import Probed, ProbeSide, Scene, probe
from ops_pipeline.domain.accounts import BrokerAccount
from ops_pipeline.domain.capabilities import ALPACA, Capability, Support
from ops_pipeline.domain.market import Session
from ops_pipeline.domain.units import AccountId
from ops_pipeline.ports import BrokerUnavailable, Calendar, Clock

_BACK, _AHEAD = timedelta(days=7), timedelta(days=90)


class BrokerSide(ProbeSide, Protocol):
    """What a doctor asks of a broker; the first three raise BrokerUnavailable without an answer."""

    def account(self) -> BrokerAccount: ...
    def clock_at(self) -> datetime: ...
    def sessions(self, first: date, last: date) -> Sequence[Session]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """One account as configured, and how it is asked. `ledger_venue` "": it has no ledger yet."""

    account: AccountId
    venue: Venue
    mode: str
    host: str
    key_prefix: str
    number: str
    ledger_venue: str
    stock_feed: str
    option_feed: str
    underlying: str
    side: BrokerSide


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What is here: our calendar, our clock, and how to wait."""

    calendar: Calendar
    wall: Clock
    sleep: Callable[[float], None]


def check_broker_side(patient: Patient, here: Surroundings) -> Iterator[Check]:
    """Check one account at its broker; where that gives no answer the check is unknown."""
    account, side = patient.account, patient.side
    try:
        shown = side.account()
    except BrokerUnavailable as error:
        yield _unanswered("account", account, error)
        return
    identity = Identity(
        account=account,
        mode=patient.mode,
        host=patient.host,
        key_prefix=patient.key_prefix,
        number=patient.number,
        broker_number=shown.number,
        blocked=shown.blocked,
        ledger_venue=patient.ledger_venue,
    )
    yield from judge_account(identity, shown)
    yield _clock(patient, here)
    yield _calendar(patient, here)
    yield from _feeds(patient)


def capabilities_of(answers: Sequence[Answer], patient: Patient, *, on: date) -> list[dict[str, str]]:
    """List what an account's broker does on a day, with what it answered to probes.

    What was asked without a usable answer stays unknown, with what was said.
    """
    profile = ALPACA.with_answers(facts_of(answers, venue=patient.venue, account=patient.account))
    rows = capability_rows(profile, on=on, account=patient.account)
    asked = {
        answer.capability: f"asked on {answer.on}: {answer.detail}"
        for answer in sorted(answers, key=lambda answer: answer.on)
        if (answer.venue, answer.account) == (patient.venue, patient.account)
    }
    return [
        row | {"source": asked.get(Capability(row["capability"]), row["source"])}
        if row["support"] == Support.UNKNOWN
        else row
        for row in rows
    ]


def probe_patient(patient: Patient, here: Surroundings) -> tuple[Probed | None, Check]:
    """Put the open questions to a paper account that is the one configured; nowhere else is anything sent."""
    expected = "the pinned account, on paper or on this machine"

    def refused(observed: str) -> tuple[None, Check]:
        return None, _check("probe", patient.account, Status.FAIL, observed, expected)

    if patient.venue not in (Venue.PAPER, Venue.LOCAL) or patient.mode != "paper":
        return refused(patient.venue.value)
    try:
        shown, at = patient.side.account(), patient.side.clock_at()
    except BrokerUnavailable as error:
        return None, _unanswered("probe", patient.account, error)
    if not patient.number or shown.number != patient.number:
        return refused("another account, or none pinned")
    scene = Scene(
        account=patient.account,
        venue=patient.venue,
        options_level=shown.options_level,
        underlying=patient.underlying,
        option_feed=patient.option_feed,
        at=at,
    )
    probed = probe(patient.side, scene, sleep=here.sleep)
    if probed.left:
        left = f"still there, cancel by hand: {', '.join(probed.left)}"
        return probed, _check("probe", patient.account, Status.FAIL, left, "every probe order ended")
    told = f"{len(probed.answers)} questions asked"
    status = Status.OK if len(probed.answers) > 1 else Status.UNKNOWN
    return probed, _check("probe", patient.account, status, told, "every probe order ended")


def _clock(patient: Patient, here: Surroundings) -> Check:
    before = here.wall.now()
    try:
        at = patient.side.clock_at()
    except BrokerUnavailable as error:
        return _unanswered("clock", patient.account, error)
    # The answer was written somewhere between asking and hearing.
    middle = before + (here.wall.now() - before) / 2
    if patient.venue is Venue.LOCAL:
        told = f"market time of its own, {at:%Y-%m-%d %H:%M:%S} UTC"
        return _check("clock", patient.account, Status.OK, told, "any, on this machine")
    return judge_skew((middle - at).total_seconds(), account=patient.account)


def _calendar(patient: Patient, here: Surroundings) -> Check:
    try:
        today = patient.side.clock_at().date()
        first, last = today - _BACK, today + _AHEAD
        theirs = patient.side.sessions(first, last)
    except BrokerUnavailable as error:
        return _unanswered("broker_calendar", patient.account, error)
    ours = here.calendar.between(first, last)
    found = compare_sessions(ours, theirs, name="broker_calendar", whose="the broker")
    return _check(found.name, patient.account, found.status, found.observed, found.expected)


def _feeds(patient: Patient) -> Iterator[Check]:
    asked: dict[str, tuple[str, dict[str, str | int], bool]] = {
        "stock_feed": (f"/v2/stocks/{patient.underlying}/quotes/latest", {"feed": patient.stock_feed}, True),
        "option_feed": (
            f"/v1beta1/options/snapshots/{patient.underlying}",
            {"feed": patient.option_feed, "limit": 1},
            True,
        ),
        "contracts": ("/v2/options/contracts", {"underlying_symbols": patient.underlying, "limit": 1}, False),
        "news": ("/v1beta1/news", {"symbols": patient.underlying, "limit": 1}, True),
    }
    for name, (path, params, data) in asked.items():
        told = patient.side.read(path, params, data=data)
        feed = f" from {params['feed']}" if "feed" in params else ""
        yield judge_status(
            told.status, name=name, account=patient.account, what=f"{patient.underlying}{feed}"
        )


def _unanswered(name: str, account: str, error: BrokerUnavailable) -> Check:
    return _check(name, account, Status.UNKNOWN, str(error), "an answer")


def _check(name: str, account: str, status: Status, observed: str, expected: str) -> Check:
    return Check(name=name, account=account, status=status, observed=observed, expected=expected)
