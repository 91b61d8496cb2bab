"""The loop wakes when something is due, and no speed makes it jump over a cut-off."""

from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import pairwise

from ops_pipeline.adapters.simulator.broker import Fault
from ops_pipeline.app import live
from ops_pipeline.app.taping import UNTAPED
from ops_pipeline.domain.market import Session
from ops_pipeline.domain.records import StepReport
from ops_pipeline.engine.clock import ScaledClock, SimulatedClock
from ops_pipeline.engine.jobs import Job, Row
from ops_pipeline.engine.tick import Engine, Machinery
from ops_pipeline.ports import BrokerUnavailable
from ops_pipeline.stages.execution import service as execution
from tests.builders_demo import assembled, drive_until
from tests.builders_market import Rig, at

OPEN = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
SESSION = Session(date=date(2026, 1, 5), open_at=OPEN, close_at=OPEN + timedelta(hours=6, minutes=30))


class LeapingWall:
    """A wall clock that is an hour later each time somebody looks."""

    def __init__(self) -> None:
        self._now = datetime(2026, 9, 1, tzinfo=UTC)

    def now(self):
        self._now += timedelta(hours=1)
        return self._now


class Calm:
    """Neither stops nor copies."""

    wanted = False

    def look(self, *_):
        pass

    def beat(self):
        pass


CALM = live.Beside(
    backups=Calm(), attendant=Calm(), watch=Calm(), streams=Calm(), dead_man=Calm(), taping=UNTAPED
)


def driven(assembly):
    """Record the instants at which the engine runs."""
    instants, run_due = [], assembly.engine.run_due

    def noted(now):
        instants.append(now)
        return run_due(now)

    assembly.engine.run_due = noted
    return instants


def test_a_run_faster_than_the_machine_does_everything_at_its_instant(tmp_path):
    (tmp_path / "fast").mkdir()
    (tmp_path / "calm").mkdir()
    session = SESSION
    start = session.close_at - timedelta(minutes=160)
    clock = ScaledClock(start, speed=1_000.0, wall=LeapingWall())
    fast, _ = assembled(tmp_path / "fast", clock)
    instants = driven(fast)
    with fast.store:
        live._loop(fast, clock, Calm(), 1, lambda _: None, beside=CALM)
        hashes = [fast.store.ledger(account).head for account in fast.wiring.accounts]
    cutoffs = [session.close_at - timedelta(minutes=minutes) for minutes in (75, 60, 10, 5)]
    assert set(cutoffs) <= set(instants)
    within = [at for at in instants if at <= session.close_at]
    assert max(b - a for a, b in pairwise(within)) <= timedelta(seconds=30)

    calm, stepped = assembled(tmp_path / "calm", SimulatedClock(start))
    with calm.store:
        drive_until(calm, stepped, session.close_at + timedelta(minutes=30))
        assert [calm.store.ledger(account).head for account in calm.wiring.accounts] == hashes


def test_a_scaled_clock_stands_until_it_is_let_on():
    wall = LeapingWall()
    clock = ScaledClock(OPEN, speed=1.0, wall=wall)
    assert clock.now() == clock.now() == OPEN
    clock.hold_at(OPEN + timedelta(seconds=15))
    assert clock.now() == OPEN + timedelta(seconds=15)
    assert clock.wall_seconds_to(OPEN + timedelta(seconds=15)) == 0
    clock.skip_to(OPEN + timedelta(days=1))
    assert clock.now() == OPEN + timedelta(days=1)


class Quiet:
    """A store in which no account holds or works anything, unless told."""

    def __init__(self) -> None:
        self.live_orders = ()
        self.open_positions = ("held",)
        self.control = 0

    def last_job_runs(self):
        return {}

    def add_job_runs(self, runs):
        pass

    def catch_up(self):
        pass

    def ledger(self, _account):
        return self


class OneDay:
    def session_at(self, _now):
        return SESSION


def engine_of(runner, pulse, store):
    job = Job(
        name="position_manager",
        cadence_s=15,
        idle_cadence_s=300,
        from_open_s=0,
        to_close_s=0,
        silence_s=600,
        per_account=True,
    )
    return Engine(
        Machinery(
            rows=(Row(job, "one"),),
            runners={"position_manager": runner},
            pulse=pulse,
            accounts=("one",),
            store=store,
            calendar=OneDay(),
            pulse_s=10,
            idle_s=60,
        )
    )


def wakes(engine, seconds):
    """The seconds after the open at which the loop wakes, up to `seconds`."""
    found, now = [], OPEN
    while now <= OPEN + timedelta(seconds=seconds):
        engine.run_due(now)
        found.append(int((now - OPEN).total_seconds()))
        now = engine.next_due(now)
    return found


def test_a_stage_is_run_again_when_it_asked_to_be_and_the_cycle_keeps_its_grid():
    ran = []

    def manage(now, _account):
        ran.append(int((now - OPEN).total_seconds()))
        asks = {15: 25, 25: 27}.get(ran[-1])
        again = OPEN + timedelta(seconds=asks) if asks else None
        return StepReport(stage="position_manager", now=now, account="one", again_at=again)

    engine = engine_of(manage, lambda now, _: StepReport(stage="execution", now=now), Quiet())
    assert wakes(engine, 60) == ran == [0, 15, 25, 27, 30, 45, 60]


def test_live_orders_are_looked_at_every_ten_seconds_and_when_their_timers_ask():
    store, looked = Quiet(), []
    store.live_orders = ("order",)

    def pulse(now, _account):
        looked.append(int((now - OPEN).total_seconds()))
        again = OPEN + timedelta(seconds=22) if looked[-1] == 20 else None
        return StepReport(stage="execution", now=now, again_at=again)

    engine = engine_of(lambda now, _: StepReport(stage="position_manager", now=now), pulse, store)
    assert wakes(engine, 45) == [0, 10, 15, 20, 22, 30, 32, 42, 45]
    assert looked == [0, 10, 20, 22, 32, 42]


def test_a_wish_of_yesterday_wakes_nobody_before_the_open():
    def manage(now, _account):
        return StepReport(stage="position_manager", now=now, again_at=OPEN - timedelta(hours=17))

    engine = engine_of(manage, lambda now, _: StepReport(stage="execution", now=now), Quiet())
    assert wakes(engine, 30) == [0, 15, 30]


def asked(rig):
    """When the position manager asked to be run again."""
    return rig.reports[-1].again_at


def test_a_touched_stop_is_read_again_after_ten_seconds_not_after_a_cycle(tmp_path):
    rig = Rig(tmp_path)
    rig.opened(4)
    rig.tick(at(14, 39, 45))
    assert asked(rig) is None
    rig.market.put(at(14, 39, 50), "7.00", "7.10")
    rig.tick(at(14, 40))
    assert asked(rig) == at(14, 40, 10)
    rig.tick(at(14, 40, 10))
    assert rig.position.exit.reason.value == "option_stop_loss"


def test_a_jump_is_read_again_at_once(tmp_path):
    rig = Rig(tmp_path)
    rig.opened(4)
    rig.tick(at(14, 39, 45))
    rig.market.put(at(14, 39, 50), "19.90", "20.10")  # twice the last mark
    rig.tick(at(14, 40))
    assert asked(rig) == at(14, 40, 1)
    rig.tick(at(14, 40, 1))
    assert rig.position.peak == 200_000


def test_a_rejected_exit_asks_for_its_retry_and_a_resting_one_for_its_turn(tmp_path):
    rig = Rig(tmp_path)
    rig.opened(4)
    rig.market.put(at(14, 40), "7.00", "7.10", size=0)  # nobody buys
    rig.faults.plan["submit"] = [Fault.REJECTED] * 3
    found = []
    for second in (0, 10, 11, 13, 18):
        rig.tick(at(14, 40, second))
        found.append((asked(rig) - at(14, 40)).total_seconds())
    # Touched; rejected thrice, with waits of 1, 2 and 5 s; resting from :18 for 15 s.
    assert found == [10, 11, 13, 18, 33]


def test_an_entry_asks_for_its_steps_and_its_end(tmp_path):
    rig = Rig(tmp_path)
    rig.market.put(at(14, 30), "9.00", "11.00", size=0)
    rig.clock.move_to(at(14, 31, 2))
    rig.buy(2, limit="10.00")
    asks = []
    for second in (4, 12, 22, 32, 42):
        rig.clock.move_to(at(14, 31, second))
        asks.append(execution.run_once(rig.clock.now(), rig.execution_ports).again_at)
    assert [(ask - at(14, 31)).total_seconds() for ask in asks] == [12, 22, 32, 42, 47]


def rows_of(names):
    reducing = {"position_manager"}
    return tuple(
        Row(
            Job(
                name=name,
                cadence_s=60,
                from_open_s=0,
                to_close_s=0,
                silence_s=600,
                reduces=name in reducing,
            ),
            "",
        )
        for name in names
    )


def test_of_jobs_due_together_those_that_reduce_risk_run_first_and_a_silent_broker_ends_none():
    ran = []

    def note(now, _account, *, name):
        ran.append(name)
        if name == "telemetry":
            raise BrokerUnavailable("no answer")
        return StepReport(stage=name, now=now)

    names = ("telemetry", "position_manager", "dispatcher")
    engine = Engine(
        Machinery(
            rows=rows_of(names),
            runners={name: partial(note, name=name) for name in names},
            pulse=lambda now, _: StepReport(stage="execution", now=now),
            accounts=(),
            store=Quiet(),
            calendar=OneDay(),
            pulse_s=10,
            idle_s=60,
        )
    )
    beats = []
    engine.before_job = lambda: beats.append(len(ran))
    reports = engine.run_due(OPEN)
    assert ran == ["position_manager", "telemetry", "dispatcher"]
    assert beats == [0, 1, 2]
    assert [(failed.item, failed.error) for report in reports for failed in report.failed] == [
        ("broker", "no answer")
    ]
