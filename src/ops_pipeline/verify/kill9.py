"""Real SIGKILLs of a real process that trades at a broker in another one (G4). Shell."""

from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from time import perf_counter

from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.orders import OrderState
from ops_pipeline.domain.units import AccountId
from ops_pipeline.verify.dst import percentiles
from ops_pipeline.verify.goals import Bench, Goal, Result, Told
from ops_pipeline.verify.processes import ended, machine_s, pause
from ops_pipeline.verify.rig import Rig, Running, open_rig
from ops_pipeline.verify.troubles import Climate
from ops_pipeline.verify.workload import workload

_LEAST_KILLS = 300
_KILLS_A_ROUND = 15
# Three of four kills follow an order call by so many seconds, the rest come at any time.
_AFTER_CALL_S = (0.0, 0.03)
_ANY_TIME_S = (0.02, 0.5)
_CALLS = (1, 3)
_CALL_WITHIN_S = 0.7
# A broker's own milliseconds, and one request in 25 that goes wrong.
_LATENCY_S = (0.0, 0.015)
_SLOW_S = (0.05, 0.3)
_TROUBLE_RATE = 40
_SHOWN = 5


class Fell(StrEnum):
    """Where a kill fell, by what then stood in the ledger and at the broker."""

    SENT_NOT_TAKEN = "in SENDING, the broker has not got it"
    SENT_TAKEN = "in SENDING, the broker has taken it"
    IN_FLIGHT = "an answer, a cancel or fills outstanding"
    WORKING = "orders working"
    HOLDING = "between: positions held, no order"
    IDLE = "idle"


_IN_FLIGHT = (
    OrderState.INTENT,
    OrderState.UNKNOWN,
    OrderState.RESEND_WAIT,
    OrderState.CANCELING,
    OrderState.DRAINING,
    OrderState.ABANDONING,
    OrderState.ORPHAN,
)


@dataclass(slots=True)
class Round:
    """What one life of a database came to: kills by where they fell, recoveries in seconds, objections."""

    seed: int
    fell: Counter[Fell] = field(default_factory=Counter)
    recoveries: list[float] = field(default_factory=list)
    objections: list[str] = field(default_factory=list)
    events: int = 0
    orders: int = 0


def run_round(bench: Bench, seed: int, kills: int) -> Round:
    """Trade, kill, recover, `kills` times over; then come to rest and judge the whole."""
    work = workload(seed)
    climate = Climate(seed=seed, rate=_TROUBLE_RATE, latency_s=_LATENCY_S, slow_s=_SLOW_S)
    done, random = Round(seed), Random(seed)
    with TemporaryDirectory(prefix="kill9-") as folder:
        rig = open_rig(bench.book, work, f"sqlite:///{Path(folder) / 'ops.sqlite'}", climate)
        try:
            for number in range(1, kills + 1):
                running = _recovered(rig, done, f"kill {number}")
                _wait(rig, random)
                running.process.kill()
                running.process.join()
                done.fell[_where(rig)] += 1
                done.objections += [f"after kill {number}: pages {told}" for told in _damage(rig)]
            rig.quieten()
            running = _recovered(rig, done, "the end")
            rig.rest()
            running.process.terminate()
            code = ended(running.process)
            if code:
                done.objections.append(f"H14 SIGTERM: expected exit 0, was {code}: {running.last_words()}")
            done.objections += rig.objections(at_rest=True)
            done.events = sum(ledger.seq for ledger in rig.ledgers().values())
            done.orders = sum(len(ledger.orders) for ledger in rig.ledgers().values())
        finally:
            rig.close()
    return done


def _recovered(rig: Rig, done: Round, before: str) -> Running:
    """Start the process, wait until it has recovered, and judge what must hold then."""
    began = machine_s()
    running = rig.launch()
    if not running.opened():
        raise TimeoutError("trader: expected it to recover, it did not")
    done.recoveries.append(machine_s() - began)
    done.objections += [f"before {before}: {found}" for found in rig.objections(at_rest=False)]
    return running


def _damage(rig: Rig) -> list[str]:
    told = rig.pages()
    return [] if told == "ok" else [told]


def _wait(rig: Rig, random: Random) -> None:
    """Let some time pass: mostly until an order call is under way."""
    if random.random() < 0.75:
        rig.served.calls(random.randint(*_CALLS), within_s=_CALL_WITHIN_S)
        pause(random.uniform(*_AFTER_CALL_S))
    else:
        pause(random.uniform(*_ANY_TIME_S))


def _where(rig: Rig) -> Fell:
    ledgers = rig.ledgers()
    sending = [
        (account, order.id)
        for account, ledger in ledgers.items()
        for order in ledger.live_orders
        if order.state is OrderState.SENDING
    ]
    for account, order_id in sending:
        taken = order_id in rig.served.truth(account).book.by_client_id
        return Fell.SENT_TAKEN if taken else Fell.SENT_NOT_TAKEN
    return _between(ledgers)


def _between(ledgers: Mapping[AccountId, Ledger]) -> Fell:
    states = [order.state for ledger in ledgers.values() for order in ledger.live_orders]
    if any(state in _IN_FLIGHT for state in states):
        return Fell.IN_FLIGHT
    if states:
        return Fell.WORKING
    held = any(ledger.open_positions for ledger in ledgers.values())
    return Fell.HOLDING if held else Fell.IDLE


def measure(bench: Bench, size: int) -> Result:
    """Kill `size` times over rounds of 15, each with a database and accounts of its own."""
    began = perf_counter()
    plan = [(number, min(_KILLS_A_ROUND, size - first)) for number, first in _rounds(size)]
    with ThreadPoolExecutor(bench.workers) as pool:
        rounds = []
        for done in pool.map(lambda pair: run_round(bench, *pair), plan):
            rounds.append(done)
            bench.say(f"kill -9: {len(rounds)} of {len(plan)} rounds")
    return result_of(rounds, size, perf_counter() - began)


def _rounds(size: int) -> list[tuple[int, int]]:
    return [(index + 1, first) for index, first in enumerate(range(0, size, _KILLS_A_ROUND))]


def result_of(rounds: Sequence[Round], size: int, seconds: float) -> Result:
    """Sum the rounds up."""
    fell: Counter[Fell] = Counter()
    for done in rounds:
        fell.update(done.fell)
    bad = [done for done in rounds if done.objections]
    violations = sum(len(done.objections) for done in rounds)
    return Result(
        goal=GOAL.number,
        value=f"{violations} violations after {fell.total():,} kills in {len(rounds)} lives",
        target=GOAL.target,
        passed=not bad and fell.total() == size,
        seeds=fell.total(),
        seconds=seconds,
        failures=[
            f"seed {done.seed}: {done.objections[0]}; ops verify kill9 --seed {done.seed}"
            for done in bad[:_SHOWN]
        ],
        details={
            "fell": {where.value: fell[where] for where in Fell},
            "recovered within, s": percentiles(sorted(s for done in rounds for s in done.recoveries)),
            "orders": sum(done.orders for done in rounds),
            "events": sum(done.events for done in rounds),
        },
    )


def replay(bench: Bench, case: str) -> Told:
    """Run one life again: the same work and the same draws, at instants that are the machine's."""
    done = run_round(bench, int(case), _KILLS_A_ROUND)
    return Told([f"{where}: {times}" for where, times in done.fell.items()], done.objections)


GOAL = Goal(
    number="G4",
    target=f"0 violations after >= {_LEAST_KILLS} SIGKILLs, integrity_check ok after each",
    short=10,
    full=_LEAST_KILLS,
    measure=measure,
    replay=replay,
)
