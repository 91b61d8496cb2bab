"""What a run does between the wish to stop and its end: it waits for answers, it sells nothing. Shell."""

from collections.abc import Callable
from datetime import datetime

from ops_pipeline.app.clock import elapsed_s, sleep
from ops_pipeline.app.compose import Assembly
from ops_pipeline.app.run_clock import RunClock
from ops_pipeline.domain.orders import OrderState
from ops_pipeline.domain.units import AccountId
from ops_pipeline.ports import BrokerUnavailable
from ops_pipeline.stages.execution.rate_budget import Use
from ops_pipeline.stages.execution.reading import observe

# RELIABILITY 2.5 H14. Whatever is open then is found again by the next start.
_WAITS_S = 10.0
_ASKS_EVERY_S = 0.5
_OUTSTANDING = (OrderState.SENDING, OrderState.UNKNOWN, OrderState.CANCELING, OrderState.DRAINING)


def outstanding(assembly: Assembly) -> list[str]:
    """Give the orders whose answer, cancel or fills are still to come."""
    return [
        order.id
        for account in assembly.wiring.accounts
        for order in assembly.store.ledger(account).live_orders
        if order.state in _OUTSTANDING
    ]


def _book(assembly: Assembly, account: AccountId, now: datetime, say: Callable[[str], None]) -> None:
    """Book what the broker did up to this instant, and send nothing more."""
    try:
        observe(assembly.wiring.desk(account, Use.RECONCILE), now=now)
    except BrokerUnavailable as error:
        say(f"account {account}: what the broker did last is booked by the next start ({error})")


def wait_for_answers(assembly: Assembly, clock: RunClock, say: Callable[[str], None]) -> None:
    """Ask the brokers for up to 10 s what became of orders under way; positions stay as they are.

    Then the market's time stands still, and what happened up to there is booked.
    """
    began, now = elapsed_s(), clock.now
    while (left := outstanding(assembly)) and elapsed_s() - began < _WAITS_S:
        for account in assembly.wiring.accounts:
            assembly.wiring.pulse(now(), account)
        sleep(_ASKS_EVERY_S if outstanding(assembly) else 0.0)
    clock.hold_at(now())
    for account in assembly.wiring.accounts:
        _book(assembly, account, now(), say)
    if left:
        say(f"stopping with {len(left)} orders unanswered ({', '.join(left)}): the next start asks again")


def wind_down(assembly: Assembly, clock: RunClock, say: Callable[[str], None]) -> None:
    """Wait for answers, then store how the run stands."""
    wait_for_answers(assembly, clock, say)
    now = clock.now()
    assembly.engine.flush(now)
    assembly.wiring.store_snapshots(now)
