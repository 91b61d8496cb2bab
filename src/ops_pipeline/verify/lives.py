"""Invented lives of positions, event by event, for ledgers of any length. Pure."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice
from random import Random

from ops_pipeline.domain import events as e
from ops_pipeline.domain.accounts import Mode, Tier
from ops_pipeline.domain.ids import client_order_id, logical_account, position_id_for
from ops_pipeline.domain.instruments import OptionContract, Right, format_occ
from ops_pipeline.domain.orders import BrokerStatus, Fill, Leg, OrderIntent, Purpose, Side
from ops_pipeline.domain.positions import ExitDecision, ExitReason
from ops_pipeline.domain.signals import Strategy
from ops_pipeline.domain.units import ONE_DOLLAR, AccountId, ClientOrderId, PositionId, SignalId, Usd4
from ops_pipeline.verify.terms import LabAccount

_TICKERS = ("AAPL", "AMD", "F", "INTC", "META", "MSFT", "NVDA", "XOM")
_MULTIPLIER = 100
_DTE = 30


class Lives:
    """Writes what one account could have lived through; the same seed gives the same events."""

    def __init__(
        self, account: LabAccount, database_id: str, *, seed: int, start: datetime, born: int = 0
    ) -> None:
        """Begin at `start`; `born` lives were written by others, so that no two are named alike."""
        self._account = account
        self._database_id = database_id
        self._random = Random(seed)
        self._at = start
        self._born = born

    def opened(self) -> e.AccountOpened:
        """Give the account's first fact."""
        return e.AccountOpened(
            number=self._account.number,
            broker="simulator",
            mode=Mode.TRADE,
            cash=self._account.cash,
            tier=Tier.LARGE,
        )

    def whole(self) -> Iterator[e.EventBody]:
        """Give one life from the plan to the close: about 20 events."""
        contract, entry = self._contract(), self._next_entry()
        position, qty = position_id_for(entry), self._random.randint(1, 6)
        price = self._random.randint(50, 900) * 100
        self._at += timedelta(minutes=self._random.randint(1, 5))
        yield from self._entering(contract, entry, position, qty, price)
        peak = price
        for body in self._marks(position, price):
            peak = body.peak
            yield body
        yield from self._leaving(contract, position, qty, max(peak - 1_000, 500))

    def held(
        self, contract: OptionContract, qty: int, price: Usd4, *, resting: Usd4 | None = None, until: int = 3
    ) -> Iterator[e.EventBody]:
        """Give a life up to where the contracts are held; `resting` is the limit of an exit that rests.

        That exit's order is written up to its `until`-th event: 2 is a process that died as it sent.
        """
        entry = self._next_entry()
        position = position_id_for(entry)
        yield from self._entering(contract, entry, position, qty, price)
        if resting is not None:
            yield from islice(self._leaving(contract, position, qty, resting), 1 + until)

    def _next_entry(self) -> ClientOrderId:
        self._born += 1
        return self._order_id(Purpose.ENTRY, f"signal-{self._born}")

    def _order_id(self, purpose: Purpose, key: str) -> ClientOrderId:
        logical = logical_account("simulator", self._account.number)
        return client_order_id(self._database_id, logical, purpose, key, 1)

    def _contract(self) -> OptionContract:
        ticker, right = self._random.choice(_TICKERS), self._random.choice((Right.CALL, Right.PUT))
        strike = self._random.randint(10, 200) * 5 * ONE_DOLLAR
        expiration = self._at.date() + timedelta(days=_DTE)
        return OptionContract(
            occ=format_occ(ticker, expiration, right, strike),
            underlying=ticker,
            right=right,
            strike=strike,
            expiration=expiration,
        )

    def _entering(
        self, contract: OptionContract, entry: ClientOrderId, position: PositionId, qty: int, price: Usd4
    ) -> Iterator[e.EventBody]:
        yield e.PositionOpened(
            position_id=position,
            signal_id=SignalId(f"signal-{self._born}"),
            tier=Tier.LARGE,
            contract=contract,
            strategy=Strategy.SWING,
            session=self._at.date(),
            entry_dte=_DTE,
            entry_underlying=contract.strike,
            entry_atr=4.5,
            entry_iv_rank=0.31,
            entry_delta=0.5,
            rolled_from=None,
            roll_count=0,
            exit_rules="rules",
        )
        intent = self._intent(contract, entry, position, Purpose.ENTRY, f"signal-{self._born}", qty, price)
        yield from self._sold_or_bought(intent, qty)
        yield e.EntryCompleted(position_id=position, original_qty=qty)

    def _leaving(
        self, contract: OptionContract, position: PositionId, qty: int, price: Usd4
    ) -> Iterator[e.EventBody]:
        decision = ExitDecision(
            reason=ExitReason.TRAILING_STOP,
            rank=5,
            qty=qty,
            latched=True,
            at=self._at,
            level=str(price),
            observed=str(price),
            message="the mark fell below the trailing stop",
        )
        yield e.ExitDecided(position_id=position, decision=decision)
        cid = self._order_id(Purpose.EXIT, position)
        intent = self._intent(contract, cid, position, Purpose.EXIT, position, qty, price)
        yield from self._sold_or_bought(intent, -qty)
        yield e.PositionClosed(position_id=position, reason=ExitReason.TRAILING_STOP.value)

    def _marks(self, position: PositionId, price: Usd4) -> Iterator[e.PositionMarked]:
        peak = price
        for _ in range(self._random.randint(2, 10)):
            peak += self._random.randint(1, 30) * 100
            yield e.PositionMarked(
                position_id=position,
                mark=peak,
                peak=peak,
                armed=True,
                trailing_stop=peak * 8_000 // 10_000,
                stop_count=0,
                trail_count=0,
            )

    def _intent(
        self,
        contract: OptionContract,
        cid: ClientOrderId,
        position: PositionId,
        purpose: Purpose,
        key: str,
        qty: int,
        limit: Usd4,
    ) -> OrderIntent:
        side = Side.BUY_TO_OPEN if purpose is Purpose.ENTRY else Side.SELL_TO_CLOSE
        return OrderIntent(
            client_order_id=cid,
            account=AccountId(self._account.id),
            purpose=purpose,
            key=key,
            generation=1,
            legs=(Leg(occ=contract.occ, side=side),),
            qty=qty,
            limit=limit,
            multiplier=_MULTIPLIER,
            position_id=position,
            reason="" if purpose is Purpose.ENTRY else ExitReason.TRAILING_STOP.value,
        )

    def _sold_or_bought(self, intent: OrderIntent, signed: int) -> Iterator[e.EventBody]:
        cid = intent.client_order_id
        yield e.OrderIntended(intent=intent)
        yield e.OrderSending(client_order_id=cid, epoch=1, attempt=1, body_hash=cid[-26:])
        yield e.OrderAnswered(
            client_order_id=cid, outcome="accepted", broker_order_id=f"broker-{cid}", status=BrokerStatus.NEW
        )
        yield e.OrderObserved(
            client_order_id=cid, broker_order_id=f"broker-{cid}", status=BrokerStatus.NEW, cum=0
        )
        fill = Fill(
            execution_id=f"{cid}-1",
            client_order_id=cid,
            occ=intent.occ,
            qty=signed,
            price=intent.limit,
            fees=300,
            at=self._at,
        )
        yield e.FillBooked(fill=fill, position_id=intent.position_id, multiplier=_MULTIPLIER)
