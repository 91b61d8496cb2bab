"""A broker of which no more is asked than it is known to do; the unknown is not relied on. Shell."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

from ops_pipeline.adapters.calendar.sessions import NEW_YORK
from ops_pipeline.domain.accounts import BrokerAccount, BrokerPosition
from ops_pipeline.domain.capabilities import Capability, CapabilityProfile, Support
from ops_pipeline.domain.orders import Activity, Approved, BrokerOrder, Deferred, Rejected, SubmitOutcome
from ops_pipeline.domain.preflight import Moment, describe_intent, objections
from ops_pipeline.domain.units import ClientOrderId
from ops_pipeline.ports import Broker, BrokerUnavailable, Calendar, Clock

PREFLIGHT = "preflight"
_AGAIN = timedelta(seconds=2)


class CarefulBroker:
    """Implements `ports.Broker` over another one, by the rules of the day in `profile`.

    An order that opens and that a rule objects to is Rejected unsent; an order that closes always goes to
    the broker. As long as a roll in one order is not known to be taken, the account shows the level of single
    legs, so that rolls are two orders.
    """

    def __init__(
        self, broker: Broker, *, profile: CapabilityProfile, calendar: Calendar, clock: Clock
    ) -> None:
        """Judge by `profile`; nothing is asked yet."""
        self._inner = broker
        self._profile = profile
        self._calendar = calendar
        self._clock = clock
        self._level: int | None = None

    def account(self) -> BrokerAccount:
        shown = self._inner.account()
        self._level = shown.options_level
        on = self._clock.now().astimezone(NEW_YORK).date()
        if self._profile.support(Capability.MLEG_ROLL, on=on) is Support.YES:
            return shown
        return replace(shown, options_level=min(shown.options_level, self._profile.levels.long))

    def positions(self) -> Sequence[BrokerPosition]:
        return self._inner.positions()

    def submit(self, order: Approved) -> SubmitOutcome:
        if order.intent.purpose.opens:
            moment = self._moment()
            if moment.options_level is None:
                return Deferred(self._clock.now() + _AGAIN, "not sent: the options level could not be read")
            found = objections(describe_intent(order.intent), moment=moment, profile=self._profile)
            if found:
                told = "; ".join(f"{r.name}: expected {r.limit}, was {r.observed}" for r in found)
                return Rejected(PREFLIGHT, told)
        return self._inner.submit(order)

    def cancel(self, broker_order_id: str) -> None:
        self._inner.cancel(broker_order_id)

    def suspend(self, *, on: bool) -> None:
        self._inner.suspend(on=on)

    def order(self, client_order_id: ClientOrderId) -> BrokerOrder | None:
        return self._inner.order(client_order_id)

    def orders(self, *, since: datetime) -> Sequence[BrokerOrder]:
        return self._inner.orders(since=since)

    def activities(self, *, since: datetime) -> Sequence[Activity]:
        return self._inner.activities(since=since)

    def _moment(self) -> Moment:
        """Give the session's day and what is left of it; the account's level, asked for once."""
        now = self._clock.now()
        session = self._calendar.session_at(now)
        if self._level is None:
            with suppress(BrokerUnavailable):
                self.account()
        return Moment(
            on=now.astimezone(NEW_YORK).date(),
            is_open=session is not None and session.is_open(now),
            minutes_to_close=session.minutes_before_close(now) if session is not None else None,
            options_level=self._level,
        )
