"""Asks a broker again that gave no answer, for as long as a start may take. Shell."""

from collections.abc import Callable
from typing import TypeVar

from ops_pipeline.app.clock import elapsed_s, sleep
from ops_pipeline.ports import BrokerUnavailable

Value = TypeVar("Value")
_EVERY_S = 1.0
# Credentials that are refused stay refused.
_FINAL = (401, 403)


def patiently(act: Callable[[], Value], *, within_s: float, say: Callable[[str], None]) -> Value:
    """Give what `act` gives once it raises no BrokerUnavailable; the last one after `within_s` seconds."""
    until_s = elapsed_s() + within_s
    while True:
        try:
            return act()
        except BrokerUnavailable as error:
            if getattr(error, "status", None) in _FINAL or elapsed_s() >= until_s:
                raise
            say(f"the broker gives no answer, asking again: {error}")
        sleep(_EVERY_S)
