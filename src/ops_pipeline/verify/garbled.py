"""A network on which nothing gets lost, but the account comes without a field it must have. Pure."""

from dataclasses import replace
from datetime import datetime
from typing import Any, cast

from ops_pipeline.domain.accounts import BrokerAccount
from ops_pipeline.ports import Broker
from ops_pipeline.verify.oracle import Oracle
from ops_pipeline.verify.terms import LabAccount


class _GarbledBroker:
    """A broker whose account has no options level from an instant on."""

    def __init__(self, oracle: Oracle, since: datetime) -> None:
        self._oracle = oracle
        self._since = since

    def __getattr__(self, name: str) -> Any:
        return getattr(self._oracle, name)

    def account(self) -> BrokerAccount:
        shown = self._oracle.account()
        if shown.as_of < self._since:
            return shown
        return replace(shown, options_level=cast("int", None))


class Garbled:
    """Implements `terms.Network`: every account is garbled from `since` on."""

    def __init__(self, since: datetime) -> None:
        """Begin to garble at `since`."""
        self._since = since

    def connect(self, account: LabAccount, oracle: Oracle) -> Broker:
        """Give the account's broker, garbled."""
        del account
        return cast("Broker", _GarbledBroker(oracle, self._since))

    def deliver(self, now: datetime) -> None:
        """Deliver nothing."""

    def next_arrival(self, now: datetime) -> datetime | None:
        """Give None."""
        return None
