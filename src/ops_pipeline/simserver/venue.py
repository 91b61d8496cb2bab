"""A market and its accounts behind one lock, on a market clock of their own. Shell."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from threading import RLock

from ops_pipeline.adapters.calendar.sessions import NEW_YORK
from ops_pipeline.adapters.simulator.book import Book
from ops_pipeline.adapters.simulator.matching import MatchRules
from ops_pipeline.adapters.simulator.served import ServedBroker
from ops_pipeline.adapters.simulator.timeline import STEP_SECONDS
from ops_pipeline.adapters.simulator.world import World
from ops_pipeline.adapters.simulator.world_rules import WorldRules
from ops_pipeline.domain.fees import fee_rules_on, fill_fees
from ops_pipeline.domain.market import Session
from ops_pipeline.domain.orders import OrderIntent, SubmitOutcome
from ops_pipeline.domain.units import Usd4
from ops_pipeline.engine.clock import ScaledClock, SimulatedClock
from ops_pipeline.engine.drive import AFTER_CLOSE, BEFORE_OPEN
from ops_pipeline.ports import Calendar, Clock
from ops_pipeline.simserver.desk import Desk, Spelled
from ops_pipeline.simserver.terms import START_AFTER_OPEN, AccountTerms, VenueTerms
from ops_pipeline.simserver.tickets import OrderChange, OrderEvent

Listener = Callable[[OrderChange], None]
STEP = timedelta(seconds=STEP_SECONDS)
_NEVER = datetime(9999, 12, 31, tzinfo=UTC)
# What a session's end still brings: expiries at the close, day orders right after it.
_AFTER_CLOSE = 2 * STEP


class Venue:
    """Everything a server serves. Take `at_work()` around whatever reads or changes it."""

    def __init__(self, terms: VenueTerms, *, calendar: Calendar, wall: Clock) -> None:
        """Open the market and its accounts; market time begins to run now."""
        self.terms = terms
        self.calendar = calendar
        self.wall = wall
        self.world = World(WorldRules(seed=terms.seed, first_session=terms.first_session), calendar)
        start = terms.start or _first_open(calendar, terms.first_session) + START_AFTER_OPEN
        self._market_clock = ScaledClock(start, speed=terms.speed, wall=wall)
        self._market_clock.hold_at(_NEVER)
        self._clock = SimulatedClock(start)
        self._lock = RLock()
        self._listeners: list[Listener] = []
        self.desks = tuple(self._open(account) for account in terms.accounts)
        self._by_key = {desk.terms.key: desk for desk in self.desks}

    @property
    def now(self) -> datetime:
        """Give the market instant the accounts have been brought up to."""
        return self._clock.now()

    @property
    def is_open(self) -> bool:
        """Tell whether a session is going on, its closing instant included."""
        today = self.calendar.session_at(self.now)
        return today is not None and today.open_at <= self.now <= today.close_at

    def listen(self, listener: Listener) -> None:
        """Let `listener` hear of every change of an order, under the lock, in the order they happen."""
        self._listeners.append(listener)

    def desk_of(self, key: str, secret: str) -> Desk | None:
        """Find the account a key pair opens."""
        desk = self._by_key.get(key)
        return desk if desk is not None and desk.terms.secret == secret else None

    @contextmanager
    def at_work(self) -> Iterator[datetime]:
        """Hold the lock with every account brought up to the present; give the market's instant."""
        with self._lock:
            yield self._catch_up()

    def advance(self) -> None:
        """Bring every account up to the present, so that what time does is heard of without a request."""
        with self.at_work():
            pass

    def submit(self, desk: Desk, intent: OrderIntent, spelled: Spelled) -> SubmitOutcome:
        """Hand an order to an account's broker and tell the listeners."""
        with self._lock:
            outcome, changes = desk.submit(intent, spelled)
            self._tell(changes)
            return outcome

    def cancel(self, desk: Desk, broker_order_id: str) -> bool:
        """Cancel what is left of an order and tell the listeners; False where nothing was left."""
        with self._lock:
            changes = desk.cancel(broker_order_id)
            self._tell(changes or ())
            return changes is not None

    def withdraw(self, desk: Desk, broker_order_id: str) -> bool:
        """Take an order off the market that another one is to replace, without a word yet."""
        with self._lock:
            changes = desk.cancel(broker_order_id)
            ended = (OrderEvent.CANCELED, broker_order_id)
            self._tell([c for c in changes or () if (c.event, c.after.broker_order_id) != ended])
            return changes is not None

    def gave_way(self, desk: Desk, broker_order_id: str, by: str) -> None:
        """Turn a withdrawn order into a replaced one and tell the listeners."""
        with self._lock:
            self._tell([desk.gave_way(broker_order_id, by)])

    def session(self) -> Session:
        """Give the session going on, or the one to come."""
        today = self.calendar.session_at(self.now)
        if today is not None and self.now < today.close_at:
            return today
        return self.calendar.following(_day(self.now))

    def _open(self, account: AccountTerms) -> Desk:
        book = Book(
            number=account.number,
            cash=account.equity,
            options_level=account.options_level,
            last_equity=account.equity,
        )
        # Paper does not look at sizes; one fill in ten comes in two parts.
        rules = MatchRules(seed=self.terms.seed, size_limit=False)
        broker = ServedBroker(
            book,
            market=self.world,
            calendar=self.calendar,
            clock=self._clock,
            fees=_live_fees if self.terms.regulatory_fees else _no_fees,
            rules=rules,
        )
        return Desk(account, broker, calendar=self.calendar, clock=self._clock)

    def _catch_up(self) -> datetime:
        """Walk the accounts through the market's 15-second steps up to now, and to now itself.

        A resting order is looked at once a step however often a client asks, so that asking does not
        make it fill.
        """
        # A wall clock that is set back must not take the market with it.
        now = max(self._market_clock.now(), self._clock.now())
        while (step := self._next_step()) <= now:
            self._clock.move_to(step)
            for desk in self.desks:
                self._tell(desk.look())
        self._clock.move_to(now)
        self._skip_night(now)
        for desk in self.desks:
            if not desk.is_busy and self._begins_anew(desk):
                desk.look()
        return self._clock.now()

    def _begins_anew(self, desk: Desk) -> bool:
        """Tell whether a session has opened that the account does not know of yet."""
        today = self.calendar.session_at(self.now)
        return today is not None and self.now >= today.open_at and desk.book.session != today.date

    def _next_step(self) -> datetime:
        """Give the next instant at which time can change an account."""
        instant = self._clock.now()
        if not any(desk.is_busy for desk in self.desks):
            return _NEVER
        step = (
            instant
            + STEP
            - timedelta(
                seconds=(instant.minute * 60 + instant.second) % STEP_SECONDS,
                microseconds=instant.microsecond,
            )
        )
        today = self.calendar.session_at(step)
        if today is not None and step <= today.close_at + _AFTER_CLOSE:
            return max(step, today.open_at)
        return self.calendar.following(_day(step)).open_at

    def _skip_night(self, now: datetime) -> None:
        if not self.terms.skip_nights:
            return
        today = self.calendar.session_at(now)
        if today is not None and now <= today.close_at + AFTER_CLOSE:
            return
        dawn = self.calendar.following(_day(now)).open_at - BEFORE_OPEN
        if now < dawn:
            self._market_clock.skip_to(dawn)
            self._market_clock.hold_at(_NEVER)
            self._clock.move_to(dawn)

    def _tell(self, changes: Sequence[OrderChange]) -> None:
        for change in changes:
            for listener in self._listeners:
                listener(change)


def _first_open(calendar: Calendar, day: date) -> datetime:
    return (calendar.session_on(day) or calendar.following(day)).open_at


def _day(now: datetime) -> date:
    return now.astimezone(NEW_YORK).date()


def _no_fees(qty: int, price: Usd4, session: date) -> Usd4:
    del qty, price, session
    return 0


def _live_fees(qty: int, price: Usd4, session: date) -> Usd4:
    del price
    return fill_fees(abs(qty), int(qty < 0), fee_rules_on(session))
