"""Which positions may be judged: those whose contract is still the one the broker holds. Shell."""

from collections.abc import Sequence
from datetime import date, timedelta

from ops_pipeline.domain import events as e
from ops_pipeline.domain.positions import Position
from ops_pipeline.domain.records import Failed
from ops_pipeline.domain.units import AccountId
from ops_pipeline.ports import LedgerStore, MarketData


def await_splits(
    positions: Sequence[Position],
    *,
    account: AccountId,
    session: date,
    market: MarketData,
    store: LedgerStore,
) -> tuple[list[Position], list[Failed]]:
    """Divide positions into those to be judged in `session` and those whose split is not booked yet.

    From a split's open on the old symbol may name another contract, so its price says nothing about the
    position; the broker would refuse to sell it too.
    """
    ready: list[Position] = []
    waiting: list[Failed] = []
    for position in positions:
        ticker = position.contract.underlying
        since = position.entry_session + timedelta(days=1)
        splits = market.splits(ticker, first=since, last=session)
        if splits and len(splits) > _booked(store, account, position):
            waiting.append(Failed(item=position.id, error=f"split of {ticker} is not booked yet"))
        else:
            ready.append(position)
    return ready, waiting


def _booked(store: LedgerStore, account: AccountId, position: Position) -> int:
    events = store.events(account, key=position.id)
    return sum(isinstance(event.body, e.ContractsAdjusted) for event in events)
