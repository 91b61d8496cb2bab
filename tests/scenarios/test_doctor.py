"""`ops doctor`: what it finds here and at a broker, what it asks on paper, and what it never lets pass."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ops_pipeline.adapters.calendar.exchange import exchange_calendar
from ops_pipeline.app.answers import Answer, add_answers, facts_of, read_answers
from ops_pipeline.app.cli.main import app
from ops_pipeline.app.doctor import Status, compare_sessions, judge_age, judge_skew, judge_status
from ops_pipeline.app.examine import examine
from ops_pipeline.app.interlocks import Venue
from ops_pipeline.app.launch import run_demo
from ops_pipeline.app.settings import load_settings
from ops_pipeline.app.stream_probe import probe_second_stream
from ops_pipeline.domain.capabilities import Capability, Fact, Support
from ops_pipeline.domain.errors import ConfigurationError
from ops_pipeline.domain.units import AccountId
from tests.builders_venue import KEYS, LARGE, TINY, at_venue, served

CONFIG = Path(__file__).resolve().parents[2] / "config"
NOW = datetime(2026, 8, 18, 15, 30, tzinfo=UTC)
SESSIONS = exchange_calendar().between(date(2026, 8, 10), date(2026, 8, 18))


@pytest.fixture(scope="module")
def venue():
    with served() as (venue, host):
        yield venue, host


def found(settings, home, *, account="large", probing=False, keys=KEYS):
    return examine(settings, home, environment=keys, broker=True, account=account, probing=probing)


def of(examination, name):
    return [check for check in examination.checks if check.name == name]


def statuses(examination):
    return {check.name: check.status for check in examination.checks}


def test_a_broker_that_agrees_passes_everything_it_is_asked(venue, tmp_path):
    examination = found(at_venue(venue[1]), tmp_path)
    expected = [
        *("credentials", "host", "key", "number", "unblocked", "ledger", "options_level", "buying_power"),
        *("clock", "broker_calendar", "stock_feed", "option_feed", "contracts", "news"),
    ]
    assert [statuses(examination)[name] for name in expected] == [Status.OK] * len(expected)
    assert not examination.failed
    assert {row["account"] for row in examination.capabilities} == {"large"}


def test_every_account_is_asked_with_its_own_key_unless_one_is_named(venue, tmp_path):
    settings = at_venue(venue[1])
    assert [c.observed for c in of(found(settings, tmp_path, account=None), "number")] == ["…0001", "…0002"]
    assert [c.observed for c in of(found(settings, tmp_path, account="tiny"), "number")] == ["…0002"]
    with pytest.raises(ConfigurationError, match="expected one of the configuration, was 'huge'"):
        found(settings, tmp_path, account="huge")


def test_keys_of_another_account_fail_the_number(venue, tmp_path):
    swapped = dict(zip(KEYS, [TINY.key, TINY.secret, LARGE.key, LARGE.secret], strict=True))
    examination = found(at_venue(venue[1]), tmp_path, account=None, keys=swapped)
    assert [(c.status, c.observed, c.expected) for c in of(examination, "number")] == [
        (Status.FAIL, "…0002", "…0001"),
        (Status.FAIL, "…0001", "…0002"),
    ]
    assert examination.failed


def test_an_account_that_is_not_pinned_fails_and_sends_no_probe(venue, tmp_path):
    settings = at_venue(venue[1], accounts=[{"id": "large", "equity_usd": 121000}])
    examination = found(settings, tmp_path, probing=True)
    (number,), (probe,) = of(examination, "number"), of(examination, "probe")
    assert (number.status, number.observed, number.expected) == (Status.FAIL, "…0001", "a pinned number")
    assert (probe.status, probe.observed) == (Status.FAIL, "another account, or none pinned")
    assert read_answers(tmp_path) == []


def test_missing_and_wrong_credentials_fail_and_the_other_account_is_still_asked(venue, tmp_path):
    only_tiny = {name: value for name, value in KEYS.items() if name.endswith("TINY")}
    examination = found(at_venue(venue[1]), tmp_path, account=None, keys=only_tiny)
    assert [c.status for c in of(examination, "credentials")] == [Status.FAIL, Status.OK]
    wrong = found(at_venue(venue[1]), tmp_path, keys=KEYS | {"ALPACA_SECRET_KEY_LARGE": "other"})
    (account,) = of(wrong, "account")
    assert (account.status, "401" in account.observed or "40110000" in account.observed) == (
        Status.UNKNOWN,
        True,
    )
    assert wrong.failed


def test_a_broker_that_does_not_answer_is_unknown_and_fails_the_doctor(tmp_path):
    settings = at_venue("127.0.0.1:9", symbols=["AAPL"])
    examination = found(settings, tmp_path)
    (account,) = of(examination, "account")
    assert account.status is Status.UNKNOWN
    assert examination.failed
    assert Status.OK not in [c.status for c in examination.checks if c.account and c.name != "credentials"]


def test_a_level_below_two_fails_and_two_warns(tmp_path):
    for level, status in ((1, Status.FAIL), (2, Status.WARN), (3, Status.OK)):
        with served(accounts=[replace(LARGE, options_level=level), TINY]) as (_, host):
            assert statuses(found(at_venue(host), tmp_path))["options_level"] is status


def test_probes_on_a_pinned_paper_account_are_answered_dated_and_leave_nothing_behind(venue, tmp_path):
    examination = found(at_venue(venue[1]), tmp_path, account="tiny", probing=True)
    assert statuses(examination)["probe"] is Status.OK
    answers = {answer.capability: answer for answer in read_answers(tmp_path)}
    # As served: ids of 128 characters are taken, once; a rejected one may be used again; no GTC in July;
    # one order stream an account.
    expected = {
        Capability.ID_UNIQUE: Support.YES,
        Capability.ID_OF_128: Support.YES,
        Capability.ID_SPENT_BY_REJECTION: Support.NO,
        Capability.TIF_GTC: Support.NO,
        Capability.TYPE_STOP: Support.NO,
        Capability.MARGIN_REJECTION_CODE: Support.YES,
        Capability.MLEG_ROLL: Support.UNKNOWN,
        Capability.SECOND_ORDER_STREAM: Support.NO,
    }
    assert {c: answers[c].support for c in expected} == expected
    assert {a.on for a in answers.values()} == {date(2026, 7, 13)}
    assert {(a.venue, a.account) for a in answers.values()} == {(Venue.LOCAL, "tiny")}
    assert "40310000" in answers[Capability.MARGIN_REJECTION_CODE].detail
    shown = {row["capability"]: row for row in examination.capabilities}
    assert shown["id_unique"]["support"] == "yes"
    assert shown["id_unique"]["since"] == "2026-07-13"
    assert shown["mleg_roll"]["source"].startswith("asked on 2026-07-13: no contract is held")
    assert shown["mleg_roll"]["until then"] == "a roll is two orders: sell, then buy"
    desk = venue[0].desk_of(TINY.key, TINY.secret)
    assert desk.book.live() == []
    assert desk.book.holdings == {}


class Line:
    """An order stream that is heard or not, or is dropped once another one is opened."""

    def __init__(self, others, *, heard, drops=False):
        self.heard_at, self._heard, self._others, self._drops = None, heard, others, drops
        others.append(self)

    def start(self):
        self.heard_at = NOW if self._heard else None
        for other in self._others:
            if other is not self and self._drops:
                other.heard_at = None

    def close(self):
        self.heard_at = None


@pytest.mark.parametrize(
    ("heard", "drops", "support"),
    [
        ((True, True), False, Support.YES),
        ((True, False), False, Support.NO),
        ((True, True), True, Support.NO),
        ((False, False), False, Support.UNKNOWN),
    ],
)
def test_a_second_order_stream_is_tried_beside_the_first(heard, drops, support):
    made, wanted = [], list(heard)
    answer = probe_second_stream(
        lambda: Line(made, heard=wanted.pop(0), drops=drops),
        account=AccountId("large"),
        venue=Venue.PAPER,
        at=NOW,
        sleep=lambda _: None,
    )
    assert (answer.capability, answer.support) == (Capability.SECOND_ORDER_STREAM, support)
    assert answer.on == NOW.date()
    assert [line.heard_at for line in made] == [None, None]


def test_what_is_unknown_is_shown_as_unknown_with_the_careful_way(tmp_path):
    examination = examine(
        load_settings(CONFIG / "paper.toml"),
        tmp_path,
        environment={},
        broker=False,
        account=None,
        probing=False,
    )
    rows = {row["capability"]: row for row in examination.capabilities}
    assert rows["mleg_roll"] == {
        "capability": "mleg_roll",
        "account": "",
        "support": "unknown",
        "since": "",
        "source": "never probed",
        "until then": "a roll is two orders: sell, then buy",
    }


def test_answers_are_kept_by_account_question_and_day(tmp_path):
    first = Answer(
        venue=Venue.PAPER,
        account=AccountId("large"),
        capability=Capability.MLEG_ROLL,
        support=Support.NO,
        on=date(2026, 9, 1),
        detail="403 40310000",
    )
    later = replace(first, support=Support.YES, on=date(2026, 9, 2), detail="taken with 200")
    add_answers(tmp_path, [first])
    add_answers(tmp_path, [later, replace(first, detail="asked twice")])
    assert read_answers(tmp_path) == [replace(first, detail="asked twice"), later]
    facts = facts_of(read_answers(tmp_path), venue=Venue.PAPER, account="large")
    assert facts[-1] == Fact(Capability.MLEG_ROLL, date(2026, 9, 2), Support.YES, "probe: taken with 200")
    assert facts_of(read_answers(tmp_path), venue=Venue.LIVE, account="large") == []
    assert facts_of(read_answers(tmp_path), venue=Venue.PAPER, account="tiny") == []
    for broken in ("{", "[1]", '[{"venue": "elsewhere"}]', "3"):
        (tmp_path / "capabilities.json").write_text(broken)
        with pytest.raises(ConfigurationError, match="expected answers of probes"):
            read_answers(tmp_path)


@pytest.mark.parametrize(
    ("skew", "status"),
    [(1.9, "ok"), (-2.0, "ok"), (2.1, "warn"), (-10.0, "warn"), (10.1, "FAIL"), (-86_400, "FAIL")],
)
def test_clock_skew_warns_beyond_two_seconds_and_fails_beyond_ten(skew, status):
    assert judge_skew(skew, account="large").status.value == status


def test_a_calendar_that_differs_by_a_day_or_an_hour_fails_and_names_the_day():
    early = [
        replace(s, close_at=s.close_at - timedelta(hours=3)) if s.date.day == 14 else s for s in SESSIONS
    ]
    check = compare_sessions(SESSIONS, early, name="broker_calendar", whose="the broker")
    assert check.status is Status.FAIL
    assert "2026-08-14 13:30-20:00 UTC / 13:30-17:00 UTC" in check.observed
    missing = compare_sessions(SESSIONS, SESSIONS[:-1], name="broker_calendar", whose="the broker")
    assert "2026-08-18 13:30-20:00 UTC / closed" in missing.observed
    assert compare_sessions(SESSIONS, [], name="c", whose="the broker").status is Status.FAIL
    assert compare_sessions(SESSIONS, SESSIONS, name="c", whose="the broker").status is Status.OK


def test_data_that_missed_a_session_warns():
    friday, monday = datetime(2026, 8, 14, 20, tzinfo=UTC), datetime(2026, 8, 17, 20, tzinfo=UTC)
    assert judge_age(monday, now=NOW, sessions=SESSIONS, name="data").status is Status.OK
    late = judge_age(friday, now=NOW, sessions=SESSIONS, name="data")
    assert (late.status, "1 sessions missed" in late.observed) == (Status.WARN, True)
    assert judge_age(None, now=NOW, sessions=SESSIONS, name="data").status is Status.WARN


def test_a_feed_that_is_not_in_the_plan_fails_and_a_broken_one_is_unknown():
    told = {
        status: judge_status(status, name="option_feed", account="a", what="x").status
        for status in (200, 403)
    }
    assert told == {200: Status.OK, 403: Status.FAIL}
    for status in (None, 429, 500, 504):
        assert judge_status(status, name="f", account="a", what="x").status is Status.UNKNOWN


def test_the_latest_runs_schema_configuration_ledgers_and_data_are_looked_at(tmp_path):
    settings = load_settings(CONFIG / "demo.toml", world={"sessions": 1})
    run_demo(settings, tmp_path, lambda *_: None)
    here = examine(settings, tmp_path, environment={}, broker=False, account=None, probing=False)
    wanted = ("schema", "configuration", "ledger", "data")
    assert [statuses(here)[name] for name in wanted] == [Status.OK] * 4
    paper = load_settings(CONFIG / "paper.toml")
    other = examine(paper, tmp_path, environment={}, broker=False, account=None, probing=False)
    assert [statuses(other)[name] for name in wanted[1:3]] == [Status.WARN] * 2
    assert "events of simulator" in of(other, "ledger")[0].observed


def test_the_command_prints_json_and_ends_with_one_where_something_failed(venue, tmp_path, monkeypatch):
    for name, value in (KEYS | {"ALPACA_SECRET_KEY_LARGE": "canary-secret"}).items():
        monkeypatch.setenv(name, value)
    host = venue[1]
    config = tmp_path / "venue.toml"
    config.write_text(
        f'symbols = ["VLTC"]\n[broker]\nkind = "alpaca"\ntrading_url = "http://{host}"\ndata_url = "http://{host}"\n'
        f'stream_url = "ws://{host}"\n[quotes]\nallow_delayed = true\n'
        f'[[accounts]]\nid = "large"\nnumber = "{LARGE.number}"\nequity_usd = 121000\n'
        f'[[accounts]]\nid = "tiny"\nnumber = "{TINY.number}"\nequity_usd = 1000\nday_trade_policy = "none"\n'
    )
    arguments = ["doctor", "--config", str(config), "--home", str(tmp_path), "--json", "--broker"]
    good = CliRunner().invoke(app, [*arguments, "--account", "tiny"])
    assert good.exit_code == 0, good.output
    told = json.loads(good.stdout)
    assert told["failed"] is False
    assert {
        "check": "number",
        "account": "tiny",
        "status": "ok",
        "observed": "…0002",
        "expected": "…0002",
    } in told["checks"]
    bad = CliRunner().invoke(app, arguments)
    assert bad.exit_code == 1
    assert json.loads(bad.stdout)["failed"] is True
    assert "canary" not in bad.output
    table = CliRunner().invoke(app, [*arguments[:-2], "--broker"])
    assert "canary" not in table.output
    assert "never answered" in table.output


def test_a_simulator_has_no_broker_to_ask(tmp_path):
    with pytest.raises(ConfigurationError, match=r"expected broker\.kind = 'alpaca'"):
        found(load_settings(CONFIG / "demo.toml"), tmp_path)
