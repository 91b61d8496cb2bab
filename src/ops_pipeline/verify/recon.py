"""Reconciliation: random differences of every cause, explained and settled by the real service. Shell."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any, cast

from ops_pipeline.domain import events as e
from ops_pipeline.domain.accounts import BrokerAccount, BrokerPosition, ControlLevel
from ops_pipeline.domain.breaks import BreakSettled, Cause, ExternalMoved
from ops_pipeline.domain.errors import OpsError
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.ledger_fold import apply_all
from ops_pipeline.domain.orders import Activity, BrokerOrder
from ops_pipeline.domain.units import AccountId, to_usd4
from ops_pipeline.ports import Broker, BrokerUnavailable
from ops_pipeline.verify.crash import told
from ops_pipeline.verify.divergences import (
    AFTER,
    DESK,
    KINDS,
    MORNING,
    PRICE,
    TOLD_ON,
    Kind,
    Site,
    Told,
    bought_and_selling,
)
from ops_pipeline.verify.fuse import Fuse
from ops_pipeline.verify.goals import Bench, Goal, Result
from ops_pipeline.verify.goals import Told as Tale
from ops_pipeline.verify.lab import Lab
from ops_pipeline.verify.market import LabMarket, at
from ops_pipeline.verify.oracle import Oracle
from ops_pipeline.verify.parallel import spread
from ops_pipeline.verify.terms import LabAccount, LabBook, Terms

_ACCOUNT = LabAccount(id=AccountId("one"), cash=to_usd4("1000000"))
_TICKERS = ("AAA", "BBB", "CCC")
_AGAIN = timedelta(seconds=15)
_FAULTS = ("", "activities", "positions", "empty positions", "account", "another account", "orders")
_MOST = 3
_LEAST = 5_000
_SHOWN = 5


class Deaf:
    """A way to the broker on which one read goes wrong, by name; Broker for the rest."""

    def __init__(self, oracle: Oracle) -> None:
        """Begin with nothing wrong."""
        self._oracle = oracle
        self.fault = ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._oracle, name)

    def account(self) -> BrokerAccount:
        self._fail("account")
        found = self._oracle.account()
        if self.fault != "another account":
            return found
        return BrokerAccount(**{n: getattr(found, n) for n in found.__slots__} | {"number": "LAB-OTHER"})

    def positions(self) -> Sequence[BrokerPosition]:
        self._fail("positions")
        return () if self.fault == "empty positions" else self._oracle.positions()

    def orders(self, *, since: datetime) -> Sequence[BrokerOrder]:
        self._fail("orders")
        return self._oracle.orders(since=since)

    def activities(self, *, since: datetime) -> Sequence[Activity]:
        self._fail("activities")
        return self._oracle.activities(since=since)

    def _fail(self, call: str) -> None:
        if self.fault == call:
            raise BrokerUnavailable(f"{call}: expected an answer, was a timeout")


class Wire:
    """The network of a case: its one account's broker, deaf at will."""

    broker: Deaf

    def connect(self, account: LabAccount, oracle: Oracle) -> Broker:
        """Give the broker."""
        self.broker = Deaf(oracle)
        return cast("Broker", self.broker)

    def deliver(self, now: datetime) -> None:
        """Deliver nothing."""

    def next_arrival(self, now: datetime) -> datetime | None:
        """Give None."""
        return None


@dataclass(frozen=True, slots=True)
class Run:
    """What a case came to: which kinds struck, how many cycles it took, what is objected to."""

    seed: int
    kinds: tuple[str, ...]
    fault: str
    objections: tuple[str, ...]


class Case:
    """One seed: some underlyings, one divergence on each, told at once or on a later day."""

    def __init__(self, book: LabBook, seed: int, folder: Path) -> None:
        """Draw what happens and open the laboratory."""
        random = Random(seed)
        self.when = random.choice((MORNING, DESK, AFTER))
        fits = [kind for kind in KINDS if kind.when == self.when or _is_timeless(kind)]
        self.kinds: list[Kind] = random.sample(fits, random.randint(1, _MOST))
        self.late = random.random() < 0.5
        self.fault = random.choice(_FAULTS)
        self.wire = Wire()
        self.lab = self._opened(book, folder)
        until = at(14, 59, day=TOLD_ON) if self.late else None
        self.sites = [
            Site(self.lab, ticker, kind.tail, until)
            for ticker, kind in zip(_TICKERS, self.kinds, strict=False)
        ]
        self.objections: list[str] = []

    def _opened(self, book: LabBook, folder: Path) -> Lab:
        market = LabMarket()
        for ticker, kind in zip(_TICKERS, self.kinds, strict=False):
            market.put_usd4(at(14, 30), PRICE, PRICE, occ=ticker + kind.tail)
        terms = Terms(book=book, market=market, accounts=(_ACCOUNT,), start=at(14, 40), network=self.wire)
        lab = Lab(folder, terms, Fuse())
        next(iter(lab.oracles.values())).settles = False
        return lab

    @property
    def ledger(self) -> Ledger:
        """Give the account's ledger."""
        return self.lab.ledger(_ACCOUNT.id)

    def run(self) -> None:
        """Stand, diverge, see nothing through a fault, converge in two cycles; again once it is told."""
        for kind, site in zip(self.kinds, self.sites, strict=True):
            kind.before(site)
        self._cycles(at(14, 41), 2)
        self._object(bool(self.ledger.breaks), f"not at one before: {dict(self.ledger.breaks)}")
        before, sent = self.ledger, self._sends()
        self.lab.clock.move_to(self.when)
        found = [kind.strike(site) for kind, site in zip(self.kinds, self.sites, strict=True)]
        self._see_through_a_fault(self.when)
        self._converge(self.when + _AGAIN)
        self._judge_inferred(found, before)
        if self.late:
            self._converge(at(15, day=TOLD_ON))
        self._judge_told(found, before)
        self._object(self._sends() != sent, "an order was sent")

    def _see_through_a_fault(self, now: datetime) -> None:
        """Let one read go wrong: differences, freezes and closes stay what they were."""
        before = self.ledger
        account = self.sites[0].oracle.account()
        if self.fault == "empty positions" and account.equity == account.cash:
            return  # it may well be the truth: the broker's own account says so
        self.wire.broker.fault = self.fault
        self._cycles(now, 1)
        self.wire.broker.fault = ""
        if self.fault == "activities":
            self._object(self.ledger.head != before.head, "a failed read of activities changed the ledger")
        elif self.fault:
            changed = self.ledger.breaks != before.breaks or any(
                position.frozen and not position.frozen.startswith("overfilled")
                for position in self.ledger.open_positions
            )
            self._object(changed, f"a fault ({self.fault}) changed what is known to differ")

    def _converge(self, now: datetime) -> None:
        self._cycles(now, 2)
        head = self.ledger.head
        self._cycles(now + 2 * _AGAIN, 1)
        self._object(self.ledger.head != head, "a third cycle still found news")

    def _cycles(self, first: datetime, count: int) -> None:
        for step in range(count):
            self.lab.clock.move_to(first + step * _AGAIN)
            self.lab.process.wiring.pulse(self.lab.clock.now(), _ACCOUNT.id)

    def _judge_inferred(self, found: Sequence[Told], before: Ledger) -> None:
        """Judge what stands while activities are still to come, or never will."""
        ledger = self.ledger
        doubtful = False
        for kind, causes in zip(self.kinds, found, strict=True):
            for symbol, (inferred, confirmed) in causes.items():
                standing = ledger.breaks.get(symbol)
                if confirmed is not None and not self.late:
                    self._object(standing is not None, f"{kind.name}: {symbol} was told and differs still")
                    continue
                doubtful |= kind.doubtful
                said = standing.cause if standing and standing.confirmed and not standing.evidence else None
                self._object(said is not inferred, f"{kind.name}: {symbol} is {said}, expected {inferred}")
                same = ledger.held().get(symbol, 0) == before.held().get(symbol, 0)
                self._object(not same, f"{kind.name}: {symbol} changed without an activity")
                self._judge_frozen(kind, symbol, inferred)
        if doubtful:
            self._object(ledger.control < ControlLevel.REDUCE_ONLY, "in doubt, and not reduce-only")

    def _judge_frozen(self, kind: Kind, symbol: str, inferred: Cause) -> None:
        for position in self.ledger.open_positions:
            if position.contract.occ == symbol and position.qty:
                wrong = bool(position.frozen) is not (inferred is Cause.UNKNOWN)
                self._object(wrong, f"{kind.name}: {symbol} frozen: {position.frozen!r}")

    def _judge_told(self, found: Sequence[Told], before: Ledger) -> None:
        """Judge what stands once everything that ever will be told was."""
        ledger, events = self.ledger, self.lab.store.events(_ACCOUNT.id)
        oracle = self.sites[0].oracle
        settled = {ev.body.symbol: ev.body for ev in events if isinstance(ev.body, BreakSettled)}
        held = {name: row.qty for name, row in oracle.book.holdings.items()}
        for kind, causes in zip(self.kinds, found, strict=True):
            for symbol, (inferred, confirmed) in causes.items():
                if confirmed is None:
                    continue
                pair = (ledger.held().get(symbol, 0), held.get(symbol, 0))
                self._object(pair[0] != pair[1], f"{kind.name}: {symbol} ledger, broker {pair}")
                if self.late:
                    end = settled.get(symbol)
                    said = (end.cause, end.inferred) if end and end.evidence else None
                    wanted = (confirmed.value, inferred.value)
                    self._object(said != wanted, f"{kind.name}: {symbol} settled {said}, expected {wanted}")
        self._judge_levels(before)
        self._object(ledger.cash != oracle.book.cash, f"cash {ledger.cash}, broker {oracle.book.cash}")
        self._object(apply_all(Ledger(account=_ACCOUNT.id), events) != ledger, "another fold")
        facts = {row.activity_id for row in oracle.book.activities}
        for event in events:
            if isinstance(event.body, (e.ContractsRemoved, ExternalMoved)):
                fact = event.body.activity_id.partition("#")[0]
                self._object(fact not in facts, f"{fact} moved contracts, and nobody told it")

    def _judge_levels(self, before: Ledger) -> None:
        grave = [kind.name for kind in self.kinds if kind.grave or (kind.doubtful and self.late)]
        control = self.ledger.control
        if any(kind.name == "is_assigned" for kind in self.kinds):
            self._object(control is not ControlLevel.HARD_STOP, f"assigned, and {control.name}")
        elif grave:
            self._object(control < ControlLevel.REDUCE_ONLY, f"{grave}, and {control.name}")
        else:
            self._object(control is not before.control, f"{control.name} without a need")

    def _sends(self) -> int:
        """Count the orders that went to the broker, and those about to."""
        events = self.lab.store.events(_ACCOUNT.id)
        sending = sum(isinstance(event.body, e.OrderSending) for event in events)
        return sending + len(self.sites[0].oracle.accepted)

    def _object(self, wrong: object, text: str) -> None:
        if wrong:
            self.objections.append(text)


def _is_timeless(kind: Kind) -> bool:
    """Tell whether a kind may strike at any time; an order that works is gone on the next day."""
    return kind.when == MORNING and kind.before is not bought_and_selling


def _run_safely(case: Case) -> None:
    """Run a case; a cycle that falls over is objected to like any other fault of it."""
    try:
        case.run()
    except (OpsError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        case.objections.append(f"{type(error).__name__}: {error}")


def run_seed(book: LabBook, seed: int) -> Run:
    """Run one seed's divergences and judge them."""
    with TemporaryDirectory() as folder:
        case = Case(book, seed, Path(folder))
        _run_safely(case)
        case.lab.close()
    names = tuple(kind.name for kind in case.kinds)
    return Run(seed, names, case.fault, tuple(case.objections))


def measure(bench: Bench, size: int) -> Result:
    """Run the seeds 1 to `size`; count those that did not converge, or in which something was done."""
    began = perf_counter()
    runs = spread(run_seed, range(1, size + 1), bench, label="divergences")
    struck = Counter(name for run in runs for name in run.kinds)
    bad = [run for run in runs if run.objections]
    missed = [kind.name for kind in KINDS if not struck[kind.name]]
    return Result(
        goal=GOAL.number,
        value=f"{len(bad)} bad of {size:,}, {sum(struck.values()):,} divergences of {len(struck)} kinds",
        target=GOAL.target,
        passed=not bad and (size < GOAL.full or (not missed and sum(struck.values()) >= _LEAST)),
        seeds=size,
        seconds=perf_counter() - began,
        failures=[
            f"seed {run.seed} ({', '.join(run.kinds)}; {run.fault or 'no fault'}): {run.objections[0]}; "
            f"ops verify recon --seed {run.seed} --trace"
            for run in bad[:_SHOWN]
        ],
        details={"struck": dict(struck), "faults": dict(Counter(run.fault for run in runs))},
    )


def replay(bench: Bench, case: str) -> Tale:
    """Run one seed again."""
    with TemporaryDirectory() as folder:
        found = Case(bench.book, int(case), Path(folder))
        _run_safely(found)
        names = ", ".join(kind.name for kind in found.kinds)
        lines = [f"{names}; {found.fault or 'no fault'}; {'late' if found.late else 'at once'}"]
        lines += told(found.lab)
        found.lab.close()
    return Tale(lines, found.objections)


GOAL = Goal(
    number="G18",
    target=f"0 bad, >= {_LEAST:,} divergences: <= 2 cycles, 0 orders, 0 silent closes",
    short=120,
    full=2_800,  # about 1.9 divergences each
    measure=measure,
    replay=replay,
)
