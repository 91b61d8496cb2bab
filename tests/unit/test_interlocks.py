"""Live is refused unless every interlock holds, each by its name; paper needs who it is to be clear."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from ops_pipeline.app.confirmation import Confirmation, confirmed_by, sign_confirmation
from ops_pipeline.app.interlocks import (
    ALLOW_LIVE,
    Guards,
    Identity,
    LiveFacts,
    PaperSession,
    Report,
    Venue,
    check_identity,
    check_live,
    masked,
    refuse,
    refuse_other_venue,
    venue_of,
)
from ops_pipeline.app.options import OverrideOptions
from ops_pipeline.app.ramp import ramp_bp, ramped
from ops_pipeline.app.settings import Settings
from ops_pipeline.domain.accounts import Tier
from ops_pipeline.domain.errors import ConfigurationError
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.units import AccountId

NOW = datetime(2026, 11, 27, 14, tzinfo=UTC)
NUMBER, BUILD = "123456789", "b" * 64
GOALS = frozenset({"G1", "G3", "G17"})
LIVE = Identity(
    account=AccountId("large"),
    mode="live",
    host="api.alpaca.markets",
    key_prefix="AK",
    number=NUMBER,
    broker_number=NUMBER,
    blocked=False,
    ledger_venue="alpaca-live",
)
PAPER = replace(
    LIVE, mode="paper", host="paper-api.alpaca.markets", key_prefix="PK", ledger_venue="alpaca-paper"
)
LOCAL = replace(PAPER, host="127.0.0.1", key_prefix="de", ledger_venue="")
DAYS = [date(2026, 11, day) for day in (19, 20, 23, 24, 25)]
FACTS = LiveFacts(
    now=NOW,
    allow=NUMBER,
    own_caps=True,
    build=BUILD,
    goals=GOALS,
    report=Report(build=BUILD, at=NOW - timedelta(days=13), passed=GOALS, missed=frozenset()),
    paper=tuple(PaperSession(date=day, mismatches=0) for day in DAYS),
    skew_s=-1.5,
    lease_held=True,
    backup_at=NOW - timedelta(minutes=90),
    backup_every=timedelta(hours=1),
    confirmation=Confirmation.TYPED,
    sessions_done=0,
    ramp_bp=2_500,
    guards=Guards(no_shorting=True, most_options_level=2, suspend_tested=True),
    two_leg_rolls=False,
)


def failing(identity=LIVE, **changes):
    return [result.name for result in check_live(identity, replace(FACTS, **changes)) if not result.passed]


def doubts(identity, **changes):
    return [result.name for result in check_identity(replace(identity, **changes)) if not result.passed]


def test_live_is_allowed_where_every_interlock_holds():
    assert failing() == []
    refuse(check_live(LIVE, FACTS), account="large")


def older(days):
    return replace(FACTS.report, at=NOW - timedelta(days=days))


ONE_BROKEN = {
    "no word of the environment": (ALLOW_LIVE, {"allow": None}),
    "another account's number": (ALLOW_LIVE, {"allow": "987654321"}),
    "an empty word": (ALLOW_LIVE, {"allow": ""}),
    "no caps of its own": ("own_caps", {"own_caps": False}),
    "no report": ("report", {"report": None}),
    "a report of other code": ("report", {"build": "c" * 64}),
    "a report of fourteen days": ("report", {"report": older(14)}),
    "a report of tomorrow": ("report", {"report": older(-1)}),
    "a goal missed": ("report", {"report": replace(FACTS.report, missed=frozenset({"G3"}))}),
    "a goal not measured": ("report", {"goals": GOALS | {"G20"}}),
    "no goals to ask for": ("report", {"goals": frozenset()}),
    "four paper sessions": ("paper_sessions", {"paper": FACTS.paper[1:]}),
    "a mismatch": ("paper_sessions", {"paper": (*FACTS.paper[:4], PaperSession(date=DAYS[4], mismatches=1))}),
    "a clock nobody compared": ("clock", {"skew_s": None}),
    "a clock ten seconds off": ("clock", {"skew_s": -10.1}),
    "no lease": ("lease", {"lease_held": False}),
    "a lease nobody asked for": ("lease", {"lease_held": None}),
    "no backup": ("backup", {"backup_at": None}),
    "an old backup": ("backup", {"backup_at": NOW - timedelta(minutes=121)}),
    "backups switched off": ("backup", {"backup_every": timedelta(0)}),
    "nobody's word": ("confirmation", {"confirmation": Confirmation.NONE}),
    "full caps at once": ("ramp", {"ramp_bp": 10_000}),
    "full caps in the fifth session": ("ramp", {"ramp_bp": 10_000, "sessions_done": 4}),
    "guards nobody read": ("guards", {"guards": None}),
    "shorting": ("guards", {"guards": replace(FACTS.guards, no_shorting=False)}),
    "spreads": ("guards", {"guards": replace(FACTS.guards, most_options_level=3)}),
    "a suspension nobody tried": ("guards", {"guards": replace(FACTS.guards, suspend_tested=False)}),
}


@pytest.mark.parametrize("what", ONE_BROKEN)
def test_one_interlock_that_does_not_hold_refuses_alone(what):
    name, changes = ONE_BROKEN[what]
    assert failing(**changes) == [name]
    with pytest.raises(ConfigurationError, match=f"account large may not trade: {name}: expected"):
        refuse(check_live(LIVE, replace(FACTS, **changes)), account="large")


def test_an_old_mismatch_is_forgotten_after_five_clean_sessions():
    bad = PaperSession(date=date(2026, 11, 18), mismatches=3)
    assert failing(paper=(*FACTS.paper, bad)) == []


def test_rolls_in_one_order_allow_the_broker_level_three_and_no_more():
    three = replace(FACTS.guards, most_options_level=3)
    assert failing(guards=three, two_leg_rolls=True) == []
    assert failing(guards=replace(three, most_options_level=4), two_leg_rolls=True) == ["guards"]


IDENTITIES = {
    "a paper key at the live host": ("key", LIVE, {"key_prefix": "PK"}),
    "a live key at the paper host": ("key", PAPER, {"key_prefix": "AK"}),
    "no key": ("key", PAPER, {"key_prefix": ""}),
    "a live key at this machine": ("key", LOCAL, {"key_prefix": "AK"}),
    "live asked of the paper host": ("host", PAPER, {"mode": "live"}),
    "paper asked of the live host": ("host", LIVE, {"mode": "paper"}),
    "live asked of this machine": ("host", LOCAL, {"mode": "live"}),
    "no number pinned": ("number", PAPER, {"number": ""}),
    "another account answers": ("number", PAPER, {"broker_number": "987654321"}),
    "nobody answers": ("number", PAPER, {"broker_number": None}),
    "a blocked account": ("unblocked", PAPER, {"blocked": True}),
    "nobody says whether it is blocked": ("unblocked", PAPER, {"blocked": None}),
    "a simulator's ledger": ("ledger", PAPER, {"ledger_venue": "simulator"}),
    "paper's ledger for live": ("ledger", LIVE, {"ledger_venue": "alpaca-paper"}),
    "a local server's ledger": ("ledger", PAPER, {"ledger_venue": "alpaca-local"}),
}


@pytest.mark.parametrize("identity", [LIVE, PAPER, LOCAL, replace(PAPER, ledger_venue="")])
def test_an_account_whose_parts_belong_together_has_no_doubts(identity):
    assert doubts(identity) == []


@pytest.mark.parametrize("what", IDENTITIES)
def test_one_part_that_does_not_belong_is_named(what):
    name, identity, changes = IDENTITIES[what]
    assert doubts(identity, **changes) == [name]


def test_a_host_of_nobody_fits_no_key_and_no_ledger():
    assert doubts(PAPER, host="paper-api.alpaca.markets.example") == ["host", "key", "ledger"]


def test_live_asks_for_the_mode_and_for_all_that_paper_needs():
    assert failing(PAPER) == ["mode"]
    assert failing(replace(LIVE, key_prefix="PK")) == ["key"]


def test_numbers_are_shown_by_their_end():
    shown = [r.observed + r.limit for r in check_live(LIVE, FACTS)]
    assert not [text for text in shown if NUMBER in text]
    assert masked(NUMBER) == "…6789"


def test_venues_are_told_apart_by_the_host():
    assert [venue_of(host) for host in ("localhost", "paper-api.alpaca.markets", "api.alpaca.markets")] == [
        Venue.LOCAL,
        Venue.PAPER,
        Venue.LIVE,
    ]
    assert venue_of("data.alpaca.markets") is None
    assert venue_of(None) is None


@pytest.mark.parametrize("venue", list(Venue))
def test_a_ledger_takes_the_fills_of_one_venue_only(venue):
    ledger = Ledger(account=AccountId("large"), seq=4, broker=venue.value)
    refuse_other_venue(ledger, venue)
    refuse_other_venue(Ledger(account=AccountId("large")), venue)
    for other in set(Venue) - {venue}:
        with pytest.raises(ConfigurationError, match=f"ledger of {other.value}, was one of {venue.value}"):
            refuse_other_venue(ledger, other)


def test_the_first_five_live_sessions_have_a_quarter_of_the_caps():
    assert [ramp_bp(done) for done in (0, 4, 5, 50)] == [2_500, 2_500, 10_000, 10_000]
    rules = Settings().tier_rules(Tier.LARGE)
    own = OverrideOptions(max_hold_sessions=10)
    quarter = ramped(rules, own, 2_500)
    # RULEBOOK 6, large: 1 %, 10 contracts, 10 % at risk and a day, 5 positions, 2 % day loss.
    assert (quarter.fraction_bp, quarter.contracts, quarter.positions) == (25, 2, 1)
    assert (quarter.at_risk_bp, quarter.premium_day_bp, quarter.day_loss_bp) == (250, 250, 50)
    assert quarter.max_hold_sessions == 10
    assert ramped(rules, own, 10_000) == own


def test_a_token_is_for_one_account_one_code_and_a_day():
    key = b"secret of the account"
    until = NOW + timedelta(hours=2)
    token = sign_confirmation(key, number=NUMBER, build=BUILD, until=until)
    assert confirmed_by(token, key, number=NUMBER, build=BUILD, now=NOW)
    assert not confirmed_by(token, b"another", number=NUMBER, build=BUILD, now=NOW)
    assert not confirmed_by(token, key, number="987654321", build=BUILD, now=NOW)
    assert not confirmed_by(token, key, number=NUMBER, build="c" * 64, now=NOW)
    assert not confirmed_by(token, key, number=NUMBER, build=BUILD, now=until)
    assert not confirmed_by(token, key, number=NUMBER, build=BUILD, now=NOW - timedelta(days=1))
    later = token.replace("20261127T16", "20261127T20")
    assert later != token
    assert not confirmed_by(later, key, number=NUMBER, build=BUILD, now=NOW)
    for broken in ("", ".", "x.y", token[:-1], "é.é"):
        assert not confirmed_by(broken, key, number=NUMBER, build=BUILD, now=NOW)
