"""The commands that end what waits for a person: shown first, asked, audited, never twice."""

import json
from dataclasses import replace
from datetime import date, timedelta

import pytest
from typer.testing import CliRunner

from ops_pipeline.adapters.calendar.exchange import exchange_calendar
from ops_pipeline.adapters.store.store import read_store
from ops_pipeline.adapters.store.verify import verify
from ops_pipeline.app import compose
from ops_pipeline.app.cli.main import app
from ops_pipeline.app.reopen import saved_book
from ops_pipeline.app.runs import create_run, find_run
from ops_pipeline.app.settings import load_settings
from ops_pipeline.domain.breaks import OperatorActed
from ops_pipeline.domain.errors import MissingDataError
from ops_pipeline.domain.instruments import Right
from ops_pipeline.domain.orders import Fill
from ops_pipeline.domain.units import AccountId
from ops_pipeline.engine.adoption import Holding, adopt
from tests.builders_demo import CONFIG
from tests.builders_run import job_run

LARGE = AccountId("large")


@pytest.fixture
def home(tmp_path):
    """A run left in a session: contracts bought by hand, and a position the broker no longer shows."""
    settings = load_settings(CONFIG)
    run = create_run(
        tmp_path, kind="run", label="", created_at="2026", settings=settings.model_dump(mode="json")
    )
    calendar = exchange_calendar()
    session = calendar.session_on(date.fromisoformat(settings.world.first_session))
    clock = compose.simulated_clock(calendar, session.date)
    assembly = compose.prepare(
        settings,
        compose.simulated_market(settings, calendar),
        database=run.database,
        clock=clock,
        label=run.id,
        book_path=lambda account: saved_book(run, account),
    )
    compose.begin_ledgers(assembly, clock.now())
    now = session.open_at + timedelta(hours=1)
    with assembly.store:
        clock.move_to(now)
        symbols = _held_and_bought(assembly, now)
        assembly.store.add_job_runs(
            [replace(job_run("position_manager", LARGE), at=now + timedelta(minutes=1))]
        )
    return tmp_path, *symbols


def _held_and_bought(assembly, now):
    """Give the symbol of the position that vanishes and of the contracts that were bought by hand."""
    broker, market = assembly.brokers[LARGE], assembly.market
    first, second = assembly.wiring.parts.symbols[:2]
    ours = Holding(account=LARGE, ticker=first, right=Right.CALL, qty=2, dte_min=10)
    assert adopt(
        ours, now=now, market=market, calendar=assembly.calendar, store=assembly.store, broker=broker
    )
    gone = assembly.store.ledger(LARGE).open_positions[0].contract.occ
    chain = market.chain(
        second, now=now, first=now.date() + timedelta(days=10), last=now.date() + timedelta(days=60)
    )
    bought, quote = next((occ, quote) for occ, quote in chain.quotes.items() if quote.ask)
    fill = Fill(
        execution_id="app-1", client_order_id="app", occ=bought, qty=3, price=quote.ask, fees=0, at=now
    )
    broker._book_fill(fill)
    del broker._book.holdings[gone]
    for step in range(3):
        assembly.clock.move_to(now + timedelta(seconds=20 * step))
        assembly.wiring.pulse(assembly.clock.now(), LARGE)
    broker._save()
    return gone, bought


@pytest.fixture
def ops(home):
    def run(*words, code=0, answer=None):
        done = CliRunner().invoke(app, [*words, "--home", str(home[0])], input=answer)
        assert done.exit_code == code, done.output
        return done.output

    return run


def told(home):
    with read_store(find_run(home[0], None).database) as store:
        events = store.events(LARGE)
        return store.ledger(LARGE), [v.body for v in events if isinstance(v.body, OperatorActed)]


def test_status_positions_events_and_explain_name_the_cause(home, ops):
    _, gone, bought = home
    status = json.loads(ops("status", "--account", "large", "--json"))
    assert status["accounts"][0]["causes"] == f"{gone}: unknown (provisional)"
    assert {row["alert"] for row in status["alerts"]} >= {"break", "external", "position_frozen"}
    rows = {row["occ"]: row for row in json.loads(ops("positions", "--account", "large", "--json"))}
    assert (rows[gone]["flags"], rows[bought]["flags"], rows[bought]["qty"]) == ("FROZEN", "EXTERNAL", 3)
    events = json.loads(ops("events", "--key", gone, "--account", "large", "--json"))
    assert events[-1]["detail"] == "unknown (provisional): ledger 2, broker 0"
    story = json.loads(ops("explain", gone, "--json"))
    assert story["kind"] == "symbol"
    position = json.loads(ops("explain", rows[gone]["position"], "--json"))
    (section,) = [s for s in position["sections"] if s["title"] == "Differences with the broker"]
    assert section["rows"][-1]["cause"] == "unknown (provisional)"


def test_contracts_bought_by_hand_become_a_position_and_are_handed_back(home, ops):
    _, _, bought = home
    before, _ = told(home)
    ops("adopt", bought, "--yes", "--reason", "mine now")
    ledger, acts = told(home)
    position = next(p for p in ledger.open_positions if p.contract.occ == bought)
    assert (position.qty, position.cost) == (3, before.external[bought].cost)
    assert (dict(ledger.external), ledger.cash, ledger.realised) == ({}, before.cash, before.realised)
    assert [(act.command, act.subject, act.reason) for act in acts] == [("adopt", bought, "mine now")]
    ops("adopt", bought, "--yes", code=1)
    ops("release", bought, "--yes", code=1)
    ops("release", bought, "--hand-over", "--yes")
    ledger, acts = told(home)
    assert ledger.external == before.external
    assert ledger.positions[position.id].close_reason == "released"
    assert (ledger.realised, len(acts)) == (before.realised, 2)
    with read_store(find_run(home[0], None).database) as store:
        assert verify(store.database) == []


def test_nothing_happens_without_a_yes(home):
    _, _, bought = home
    before, _ = told(home)
    out = CliRunner().invoke(app, ["adopt", bought, "--home", str(home[0])], input="n\n")
    assert out.exit_code != 0
    assert "become position" in out.output
    assert told(home)[0].head == before.head


def test_a_difference_ends_under_the_cause_a_person_names(home, ops):
    _, gone, _ = home
    ops("release", gone, "--yes", code=1)
    ops("resolve", gone, "--as", "unknown", "--yes", code=1)
    ops("resolve", gone, "--as", "missed_fill", "--yes", code=1)
    ops("resolve", gone, "--as", "expiry", "--reason", "the broker says so by phone", "--yes")
    ledger, acts = told(home)
    assert (dict(ledger.breaks), ledger.held().get(gone)) == ({}, None)
    # The activity that may still come moves cash only.
    assert dict(ledger.resolved) == {gone: -2}
    assert (acts[-1].cause, acts[-1].adjusted) == ("expiry", -2)
    ops("resolve", gone, "--as", "expiry", "--yes", code=1)


def test_an_id_nobody_knows_is_missing(home):
    with pytest.raises(MissingDataError):
        CliRunner().invoke(app, ["adopt", "NOPE", "--yes", "--home", str(home[0])], catch_exceptions=False)
