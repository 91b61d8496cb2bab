"""A recorded run is replayed decision by decision, and what differs is put down to its cause."""

import json
import zlib
from datetime import datetime

import pytest
from typer.testing import CliRunner

from ops_pipeline.adapters.simulator.broker import SimulatedBroker
from ops_pipeline.adapters.store import reports
from ops_pipeline.adapters.store.store import read_store
from ops_pipeline.adapters.tape.forms import QUOTE_FIELDS
from ops_pipeline.adapters.tape.lines import parts_of
from ops_pipeline.app import live, runs
from ops_pipeline.app.cli.main import app
from ops_pipeline.app.mailbox import Mailbox
from ops_pipeline.app.parity import compare_with_replay
from ops_pipeline.app.taping import FOLDER
from ops_pipeline.domain.accounts import ControlLevel
from ops_pipeline.domain.controls import Act, Request
from ops_pipeline.domain.errors import ConfigurationError, MissingDataError
from ops_pipeline.domain.events import ExitDecided, FillBooked
from ops_pipeline.domain.positions import ExitReason
from ops_pipeline.domain.records import StepReport
from ops_pipeline.domain.units import AccountId
from tests.builders_recording import CONFIG, cut, lines_of, market_settings, quoted, write_recording

FASTEST = 1_000_000.0
RECORDED = live.Order(speed=FASTEST, sessions=1, record=True)
# The loop's looks up to some two hours after the open, with its first stop.
LOOKS = 760


class Killed(BaseException):
    """The process is gone."""


def stopping_after(looks, *, killed=False):
    """Give a stop that is wanted at the n-th look of the loop, or that kills the run there."""

    class Stopping:
        left = looks

        def __init__(self, _brake):
            pass

        @property
        def wanted(self):
            Stopping.left -= 1
            if Stopping.left < 0 and killed:
                raise Killed
            return Stopping.left < 0

    return Stopping


def run_part(patch, home, order=RECORDED, *, looks=LOOKS, killed=False):
    """Run a part of the first session; a test's process keeps its own signals."""
    patch.setattr(live, "Stop", stopping_after(looks, killed=killed))
    patch.setattr("ops_pipeline.app.brake.EmergencyBrake.listen", lambda _: None)
    return live.run_live(market_settings(), home, order, say=lambda _: None)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        return run_part(patch, tmp_path_factory.mktemp("home"))


def call(*words):
    done = CliRunner().invoke(app, [str(word) for word in words])
    return done.exit_code, done


def events_of(run, kind):
    with read_store(run.database) as store:
        return [e for account in store.accounts() for e in store.events(account) if isinstance(e.body, kind)]


def test_a_recorded_session_decides_the_same_again_to_the_last_hash_of_its_ledgers(recorded, tmp_path):
    home = recorded.run.path.parent.parent
    code, done = call("parity", recorded.run.id, "--home", home, "--json")
    told = json.loads(done.stdout)
    assert (code, told["divergences"], told["cut_short"]) == (0, [], False)
    assert told["compared"] > 1_000
    assert recorded.summary["fills"] >= 1
    code, done = call("replay", "--recording", recorded.run.path / FOLDER, "--home", tmp_path, "--json")
    summary = json.loads(done.stdout)
    assert (code, summary["unanswered"]) == (0, 0)
    assert summary["ledger_hash"] == recorded.summary["ledger_hash"]


def late_quote(lines, run):
    """Let the quote that began a stop come late: its instant is told the quote before it."""
    stop = next(e for e in events_of(run, ExitDecided) if e.body.decision.reason is ExitReason.STOP_LOSS)
    with read_store(run.database) as store:
        occ = store.ledger(stop.account).positions[stop.body.position_id].contract.occ
    late = json.loads(json.dumps(lines))
    told = [(at, row) for at, row in quoted(late) if row[0] == occ and at <= stop.at]
    stamps = [row[QUOTE_FIELDS.index("at")] for _, row in told]
    newest = next(place for place, stamp in enumerate(stamps) if stamp == stamps[-1])
    begun, before = told[newest][0], list(told[newest - 1][1])
    for at, row in told[newest:]:
        if at == begun:
            row[:] = before
    return late, occ, begun, stop


def test_one_late_quote_is_one_line_that_names_it_with_the_decisions_it_changed(recorded, tmp_path):
    late, occ, begun, stop = late_quote(lines_of(recorded.run.path / FOLDER), recorded.run)
    folder = write_recording(tmp_path / "late", late)
    home = recorded.run.path.parent.parent
    code, done = call("parity", recorded.run.id, "--recording", folder, "--home", home, "--json")
    [only] = json.loads(done.stdout)["divergences"]
    assert code == 1
    assert (only["cause"], datetime.fromisoformat(only["at"])) == ("data", begun)
    assert occ in only["what"]
    changed = [decision["what"] for decision in only["decisions"]]
    assert f"ExitDecided {stop.body.position_id}" in changed


def test_a_line_changed_by_hand_in_the_runs_own_recording_is_named(recorded, tmp_path):
    lines = lines_of(recorded.run.path / FOLDER)
    place = next(i for i, values in enumerate(lines) if values[:3] == ["told", "market", "quotes"])
    folder = write_recording(tmp_path / "edited", lines)
    [part] = parts_of(folder)
    text = zlib.decompress(part.read_bytes(), 31).split(b"\n")
    text[place] = b"00000000" + text[place][8:]
    part.write_bytes(zlib.compress(b"\n".join(text), wbits=31))
    [only] = compare_with_replay(recorded.run, folder).divergences
    assert only.cause.value == "data"
    assert only.text.endswith("not the line that was recorded")
    assert only.decisions == ()


def with_activity(lines, change):
    """Change the first fill a broker told of, wherever it is told."""
    copied = json.loads(json.dumps(lines))
    fills = [
        row["fill"]
        for values in copied
        if values[0] == "told" and values[2] == "activities" and "is" in values[4]
        for row in values[4]["is"]
        if row["fill"] is not None
    ]
    first = fills[0]["execution_id"]
    for fill in fills:
        if fill["execution_id"] == first:
            change(fill)
    return copied


@pytest.mark.parametrize(
    ("cause", "change"),
    [
        ("fee", lambda fill: fill.update(fees=fill["fees"] + 100)),
        ("fill", lambda fill: fill.update(price=fill["price"] + 100)),
    ],
)
def test_another_price_of_a_fill_and_other_fees_are_told_apart(recorded, tmp_path, cause, change):
    folder = write_recording(tmp_path / cause, with_activity(lines_of(recorded.run.path / FOLDER), change))
    found = compare_with_replay(recorded.run, folder).divergences
    assert {item.cause.value for item in found} == {cause}
    changed = [decision.what for item in found for decision in item.decisions]
    assert any(what.startswith("FillBooked") for what in changed)


def test_an_answer_that_is_not_there_is_missing_data_and_nothing_is_made_up(recorded, tmp_path):
    lines = lines_of(recorded.run.path / FOLDER)
    chains = [i for i, values in enumerate(lines) if values[:3] == ["told", "market", "chain"]]
    gone = lines[chains[0]]
    without = [
        values for values in lines if not (values[0] in ("told", "again") and values[1:4] == gone[1:4])
    ]
    folder = write_recording(tmp_path / "without", without)
    first = compare_with_replay(recorded.run, folder).divergences[0]
    assert first.cause.value == "data"
    assert "told to the run alone" in first.text


def test_a_tick_that_came_at_another_instant_is_a_matter_of_timing(recorded, tmp_path):
    lines = lines_of(recorded.run.path / FOLDER)
    ticks = [i for i, values in enumerate(lines) if values[:2] == ["at", "tick"]]
    begin, end = ticks[500], ticks[501]
    folder = write_recording(tmp_path / "skipped", lines[:begin] + lines[end:])
    found = compare_with_replay(recorded.run, folder).divergences
    assert found[0].cause.value == "timing"
    assert "of the run alone" in found[0].text


def test_other_code_is_the_cause_of_what_no_input_explains(recorded, monkeypatch):
    monkeypatch.setattr("ops_pipeline.app.parity.build_hash", lambda: "f" * 64)
    assert compare_with_replay(recorded.run).divergences == ()

    def no_signal(now, *_):
        return StepReport(stage="signal_engine", now=now)

    monkeypatch.setattr("ops_pipeline.stages.signal_engine.service.run_once", no_signal)
    found = compare_with_replay(recorded.run).divergences
    assert {item.cause.value for item in found} == {"code"}
    assert all(item.text.startswith("recorded by build ") for item in found)
    assert all(item.text.endswith(f"replayed by {'f' * 12}") for item in found)


@pytest.mark.parametrize("share", [0.3, 0.71])
def test_the_recording_of_a_killed_run_is_read_up_to_its_last_whole_line(recorded, tmp_path, share):
    folder = cut(recorded.run.path / FOLDER, tmp_path / "cut", share)
    found = compare_with_replay(recorded.run, folder)
    assert (found.divergences, found.torn) == ((), True)
    assert 100 < found.compared < compare_with_replay(recorded.run).compared


def test_what_is_no_recording_of_the_run_is_refused_in_words(recorded, tmp_path, monkeypatch):
    own = recorded.run.path / FOLDER
    with pytest.raises(MissingDataError, match="expected parts"):
        compare_with_replay(recorded.run, tmp_path / "nowhere")
    head, *rest = lines_of(own)[:3]
    newer = write_recording(tmp_path / "newer", [["open", head[1] | {"version": 2}], *rest])
    with pytest.raises(ConfigurationError, match="expected a recording of version 1, was 2"):
        compare_with_replay(recorded.run, newer)
    other = write_recording(tmp_path / "other", [["open", head[1] | {"run": "0009-run"}], *rest])
    with pytest.raises(ConfigurationError, match="expected one of 0001-run, was one of 0009-run"):
        compare_with_replay(recorded.run, other)
    monkeypatch.setenv("OPS__EXITS__TARGET_BP", "6100")
    with pytest.raises(ConfigurationError, match="expected the settings it was made with"):
        compare_with_replay(recorded.run)


def test_a_killed_run_that_went_on_is_replayed_through_both_its_lives(tmp_path, monkeypatch):
    with pytest.raises(Killed):
        run_part(monkeypatch, tmp_path, looks=500, killed=True)
    [run] = runs.list_runs(tmp_path)
    assert compare_with_replay(run).divergences == ()
    # Once begun a recording is gone on with, whether or not that is asked for again.
    outcome = run_part(monkeypatch, tmp_path, live.Order(speed=FASTEST), looks=100)
    assert outcome.run.id == run.id
    assert len(parts_of(run.path / FOLDER)) == 2
    assert compare_with_replay(run).divergences == ()


@pytest.mark.parametrize("taken", [False, True])
def test_a_run_killed_within_a_send_is_replayed_up_to_it_and_beyond(tmp_path, monkeypatch, taken):
    sent, submit = [], SimulatedBroker.submit

    def third_kills(broker, order):
        sent.append(order)
        outcome = submit(broker, order) if taken or len(sent) != 3 else None
        if len(sent) == 3:
            raise Killed
        return outcome

    monkeypatch.setattr(SimulatedBroker, "submit", third_kills)
    with pytest.raises(Killed):
        run_part(monkeypatch, tmp_path)
    [run] = runs.list_runs(tmp_path)
    assert compare_with_replay(run).divergences == ()
    run_part(monkeypatch, tmp_path, looks=60)
    found = compare_with_replay(run)
    assert (found.divergences, found.torn) == ((), False)


def test_what_people_asked_of_the_run_is_replayed_too(tmp_path, monkeypatch):
    posted = []
    look = live.Attendant.look

    def asked_meanwhile(attendant, now):
        if not posted and (now.hour, now.minute) >= (14, 50):
            request = Request(
                id="1", act=Act.LEVEL, account="large", actor="tester", reason="rehearsal",
                asked_at=live.WallClock().now(), level=ControlLevel.FLATTEN,
            )  # fmt: skip
            posted.append(request)
            Mailbox(runs.list_runs(tmp_path)[0]).post(request)
        look(attendant, now)

    monkeypatch.setattr(live.Attendant, "look", asked_meanwhile)
    outcome = run_part(monkeypatch, tmp_path, looks=450)
    with read_store(outcome.run.database) as store:
        assert store.ledger(AccountId("large")).control is ControlLevel.FLATTEN
    assert compare_with_replay(outcome.run).divergences == ()


def test_commands_on_the_stopped_run_are_part_of_its_recording(tmp_path, monkeypatch):
    outcome = run_part(monkeypatch, tmp_path, looks=450)
    assert call("flatten", "--account", "large", "--reason", "rehearsal", "--home", tmp_path)[0] == 0
    assert call("stage", "run", "health", "--home", tmp_path)[0] == 0
    run_part(monkeypatch, tmp_path, looks=60)
    assert len(parts_of(outcome.run.path / FOLDER)) == 4
    with read_store(outcome.run.database) as store:
        assert store.ledger(AccountId("large")).control is ControlLevel.FLATTEN
    assert compare_with_replay(outcome.run).divergences == ()


def test_a_run_that_began_unrecorded_is_not_recorded_from_its_middle(tmp_path, monkeypatch):
    run_part(monkeypatch, tmp_path, live.Order(), looks=0)
    with pytest.raises(ConfigurationError, match="expected a run recorded from its start"):
        run_part(monkeypatch, tmp_path, looks=0)


def test_record_judges_everything_sends_nothing_and_is_replayed(tmp_path, monkeypatch):
    monkeypatch.setattr(live, "Stop", stopping_after(400))
    monkeypatch.setattr("ops_pipeline.app.brake.EmergencyBrake.listen", lambda _: None)
    code, done = call(
        "record", "--config", CONFIG, "--speed", FASTEST, "--sessions", 1, "--home", tmp_path, "--json"
    )
    told = json.loads(done.stdout)
    assert (code, told["orders"]) == (0, 0)
    [run] = runs.list_runs(tmp_path)
    assert run.kind == "record"
    asked = {tuple(values[1:3]) for values in lines_of(run.path / FOLDER) if values[0] == "told"}
    assert {("market", "chain"), ("market", "quotes"), ("market", "bars"), ("news", "fetch")} <= asked
    assert compare_with_replay(run).divergences == ()
    assert events_of(run, FillBooked) == []
    with read_store(run.database) as store:
        assert reports.verdicts(store)
