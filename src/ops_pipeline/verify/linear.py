"""Two processes at one broker: what both were told of every order id must fit one history (G19). Shell."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.synchronize import Barrier
from random import Random
from time import perf_counter
from typing import cast

from ops_pipeline.adapters.simulator.book import Book
from ops_pipeline.adapters.simulator.matching import MatchRules
from ops_pipeline.domain.events import OrderIntended
from ops_pipeline.domain.order_fold import start_order
from ops_pipeline.domain.orders import (
    Accepted,
    BrokerOrder,
    Deferred,
    Leg,
    OrderIntent,
    Purpose,
    Rejected,
    Side,
    SubmitOutcome,
)
from ops_pipeline.domain.units import AccountId, ClientOrderId, Occ, PositionId, to_usd4
from ops_pipeline.ports import BrokerUnavailable
from ops_pipeline.stages.execution.lifecycle import approve_resend
from ops_pipeline.verify.brokerclient import HttpBroker, Timeouts
from ops_pipeline.verify.brokerserver import Served, ServerTerms, start_server
from ops_pipeline.verify.counter import CounterTerms
from ops_pipeline.verify.goals import Bench, Goal, Result, Told
from ops_pipeline.verify.histories import NEVER, Call, Did, is_linearizable
from ops_pipeline.verify.market import LabMarket, at
from ops_pipeline.verify.processes import MachineClock, ended, machine_s, prepare, processes, start
from ops_pipeline.verify.troubles import Climate
from ops_pipeline.verify.wire import NOT_UNIQUE

_LEAST_HISTORIES = 20_000
_IDS_AN_ACCOUNT = 50
_PROCESSES, _THREADS = 2, 4
_START = at(14, 40)
_SPEED = 20.0
_LASTS, _STEP = timedelta(hours=2), timedelta(seconds=2)
_OCC = Occ("META260410C00500000")
_LIMITS = ("0.50", "1.00", "1.50")
_ASKS = (("1.45", "1.50"), ("0.95", "1.00"))
_MOST_QTY = 6
_CASH = to_usd4("100000000")
_TIMEOUTS = Timeouts(connect_s=3.0, read_s=0.25)
# One request in 25 goes wrong; a slow one is as often too late as not.
_TROUBLE_RATE, _SLOW_S = 40, (0.1, 0.5)
_LATER_CALLS = (1, 3)
_LATER = ("look", "look", "submit", "cancel")
_MEETS_WITHIN_S = 60.0
_SHOWN = 5
_SEED = 19

Key = tuple[str, int]
Noted = list[tuple[int, Call]]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkTerms:
    """What one of the two processes is started with."""

    number: int
    address: tuple[str, int]
    accounts: Sequence[str]
    base_s: float
    client: type[HttpBroker] = HttpBroker


def work(terms: WorkTerms, gates: Sequence[Barrier], told: Connection) -> None:
    """Work through every id, at the same time as the other process; tell each account's calls."""
    with ThreadPoolExecutor(_THREADS) as pool:
        for found in pool.map(partial(_share, terms, gates), range(_THREADS)):
            told.send(found)
    told.close()


def _share(terms: WorkTerms, gates: Sequence[Barrier], thread: int) -> list[tuple[str, Noted]]:
    clock = MachineClock(_START, base_s=terms.base_s, speed=_SPEED)
    found = []
    for account in terms.accounts[thread::_THREADS]:
        broker = terms.client(terms.address, AccountId(account), now=clock.now, timeouts=_TIMEOUTS)
        noted: Noted = []
        for number in range(_IDS_AN_ACCOUNT):
            gates[thread].wait(_MEETS_WITHIN_S)
            worker = _Worker(terms.number, broker, _intent(account, number))
            noted += [(number, call) for call in worker.run()]
        found.append((account, noted))
    return found


def order_id(account: str, number: int) -> ClientOrderId:
    """Give the id that both processes send for the same cause."""
    return ClientOrderId(f"op1ab12-e-{account}-{number}")


def _intent(account: str, number: int) -> OrderIntent:
    random = Random(f"{account}|{number}")
    return OrderIntent(
        client_order_id=order_id(account, number),
        account=AccountId(account),
        purpose=Purpose.ENTRY,
        key=f"{account}-{number}",
        generation=1,
        legs=(Leg(occ=_OCC, side=Side.BUY_TO_OPEN),),
        qty=random.randint(1, _MOST_QTY),
        limit=to_usd4(random.choice(_LIMITS)),
        multiplier=100,
        position_id=PositionId("linear"),
        reason="linear",
    )


class _Worker:
    """One process's calls about one id."""

    def __init__(self, number: int, broker: HttpBroker, intent: OrderIntent) -> None:
        self._number = number
        self._broker = broker
        self._intent = intent
        self._random = Random(f"{intent.client_order_id}|{number}")
        self._broker_id: str | None = None
        self._calls: list[Call] = []

    def run(self) -> list[Call]:
        """Send first, or look first; then a few calls more."""
        first = "submit" if self._number == 0 else self._random.choice(("submit", "look"))
        later = [self._random.choice(_LATER) for _ in range(self._random.randint(*_LATER_CALLS))]
        for what in (first, *later):
            match what:
                case "submit":
                    self._submit()
                case "cancel" if self._broker_id is not None:
                    self._cancel(self._broker_id)
                case _:
                    self._look()
        return self._calls

    def _submit(self) -> None:
        order = start_order(OrderIntended(intent=self._intent), _START)
        began = machine_s()
        outcome = self._broker.submit(approve_resend(order))
        did = _did(outcome)
        if did is not None:
            self._note(did, began, outcome.order if isinstance(outcome, Accepted) else None)

    def _look(self) -> None:
        began = machine_s()
        try:
            found = self._broker.order(self._intent.client_order_id)
        except BrokerUnavailable:
            return
        self._note(Did.ABSENT if found is None else Did.SEEN, began, found)

    def _cancel(self, broker_id: str) -> None:
        began = machine_s()
        try:
            self._broker.cancel(broker_id)
        except BrokerUnavailable:
            self._note(Did.CANCELED_MAYBE, began, None)
        else:
            self._note(Did.CANCELED, began, None)

    def _note(self, did: Did, began: float, order: BrokerOrder | None) -> None:
        maybe = did in (Did.SUBMITTED_MAYBE, Did.CANCELED_MAYBE)
        until = NEVER if maybe else machine_s()
        status = order.status.value if order is not None and order.status.is_terminal else ""
        self._calls.append(Call(self._number, did, began, until, status, order.cum if order else 0))
        if order is not None:
            self._broker_id = order.broker_order_id


def _did(outcome: SubmitOutcome) -> Did | None:
    """Name what a submit came to; None: nothing was sent or taken."""
    match outcome:
        case Accepted():
            return Did.ACCEPTED
        case Rejected():
            return Did.REFUSED
        case Deferred():
            return None
        case unknown:
            return Did.DUPLICATE if NOT_UNIQUE in unknown.why else Did.SUBMITTED_MAYBE


def histories(
    bench: Bench, accounts: Sequence[str], *, client: type[HttpBroker] = HttpBroker
) -> dict[Key, list[Call]]:
    """Let two processes work on the ids of `accounts`; give each id's calls and the broker's last word."""
    prepare(bench.book)
    base_s = machine_s()
    served = start_server(_server_terms(base_s))
    try:
        found: dict[Key, list[Call]] = defaultdict(list)
        for account, noted in _worked(served, accounts, client):
            for number, call in noted:
                found[account, number].append(call)
        for account in accounts:
            book = served.truth(AccountId(account)).book
            for number in range(_IDS_AN_ACCOUNT):
                found[account, number].append(_last_word(book, order_id(account, number)))
    finally:
        served.stop()
    return found


def _worked(served: Served, accounts: Sequence[str], client: type[HttpBroker]) -> list[tuple[str, Noted]]:
    context = processes()
    gates = [context.Barrier(_PROCESSES) for _ in range(_THREADS)]
    running, ears = [], []
    for number in range(_PROCESSES):
        ours, theirs = context.Pipe(duplex=False)
        terms = WorkTerms(
            number=number,
            address=served.address,
            accounts=accounts,
            base_s=served.terms.base_s,
            client=client,
        )
        running.append(start(work, terms, gates, theirs))
        theirs.close()
        ears.append(ours)
    found: list[tuple[str, Noted]] = []
    while ears:
        for ear in cast("list[Connection]", wait(ears)):
            try:
                found += ear.recv()
            except EOFError:
                ears.remove(ear)
    for process in running:
        if ended(process):
            raise RuntimeError(
                f"process {process.pid}: expected its work done, it ended with {process.exitcode}"
            )
    return found


def _server_terms(base_s: float) -> ServerTerms:
    market = LabMarket()
    for step in range(_LASTS // _STEP):
        bid, ask = _ASKS[step % len(_ASKS)]
        market.put(_START + step * _STEP, bid, ask, occ=_OCC, size=1 + step % 3)
    counter = CounterTerms(
        market=market,
        match=MatchRules(seed=_SEED, size_limit=True, passive_chance=0.0, partial_chance=0.5),
        cash=_CASH,
    )
    climate = Climate(seed=_SEED, rate=_TROUBLE_RATE, slow_s=_SLOW_S)
    return ServerTerms(counter=counter, start=_START, base_s=base_s, speed=_SPEED, climate=climate)


def _last_word(book: Book, wanted: ClientOrderId) -> Call:
    now = machine_s()
    broker_id = book.by_client_id.get(wanted)
    if broker_id is None:
        return Call(_PROCESSES, Did.ABSENT, now, now)
    order = book.orders[broker_id]
    status = order.status.value if order.status.is_terminal else ""
    return Call(_PROCESSES, Did.SEEN, now, now, status, order.cum)


def measure(bench: Bench, size: int) -> Result:
    """Make at least `size` histories and judge each by trying every order of effects."""
    began = perf_counter()
    found = histories(bench, [f"a{number:05d}" for number in range(-(-size // _IDS_AN_ACCOUNT))])
    worked = perf_counter() - began
    bad = [key for key, calls in found.items() if not is_linearizable(calls)]
    return _result(found, bad, worked_s=worked, seconds=perf_counter() - began)


def _result(
    found: Mapping[Key, Sequence[Call]], bad: Sequence[Key], *, worked_s: float, seconds: float
) -> Result:
    calls: Counter[Did] = Counter(call.did for row in found.values() for call in row)
    met = sum(_overlap(row) for row in found.values())
    return Result(
        goal=GOAL.number,
        value=f"{len(bad)} not linearizable of {len(found):,} histories of 2 processes",
        target=GOAL.target,
        passed=not bad,
        seeds=len(found),
        seconds=seconds,
        failures=[
            f"{account}:{number}: {'; '.join(map(str, found[account, number]))}; "
            f"ops verify linear --case {account}:{number} --trace"
            for account, number in bad[:_SHOWN]
        ],
        details={
            "calls": {did.value: calls[did] for did in Did},
            "longest": max(map(len, found.values())),
            "with calls of both at once": met,
            "worked, s": round(worked_s, 1),
        },
    )


def _overlap(calls: Sequence[Call]) -> bool:
    """Tell whether a call of one process began while one of the other was under way."""
    return any(
        one.process != other.process and one.began <= other.began < one.ended
        for one in calls
        for other in calls
        if max(one.process, other.process) < _PROCESSES
    )


def replay(bench: Bench, case: str) -> Told:
    """Work on one account again, the same calls at instants that are the machine's, and judge one id."""
    account, number = case.split(":")
    calls = histories(bench, [account])[account, int(number)]
    return Told([*map(str, calls)], [] if is_linearizable(calls) else ["no order of effects explains this"])


GOAL = Goal(
    number="G19",
    target=f">= {_LEAST_HISTORIES:,} histories of ids from 2 processes, each linearizable",
    short=400,
    full=_LEAST_HISTORIES,
    measure=measure,
    replay=replay,
)
