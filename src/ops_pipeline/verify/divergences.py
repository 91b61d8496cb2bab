"""What can make ledger and broker differ, one kind a function, and what must be made of it. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from ops_pipeline.domain import events as e
from ops_pipeline.domain.breaks import Cause
from ops_pipeline.domain.instruments import Right, parse_occ, split_contract
from ops_pipeline.domain.orders import ActivityKind, Fill, Leg, OrderIntent, Purpose, Side
from ops_pipeline.domain.signals import Strategy
from ops_pipeline.domain.units import ClientOrderId, Occ, PositionId, SignalId, Usd4, to_usd4
from ops_pipeline.engine.adoption import Holding
from ops_pipeline.verify.lab import Lab
from ops_pipeline.verify.market import DAY, at
from ops_pipeline.verify.oracle import Oracle

NEXT_DAY = date(2026, 3, 3)
TOLD_ON = date(2026, 3, 4)
HELD = 4
PRICE: Usd4 = to_usd4("1.20")
# Expires on the first day, and well after all.
TODAY, LATER = "260302C00500000", "260410C00500000"
MORNING, DESK, AFTER = at(15), at(20, 20), at(15, day=NEXT_DAY)
_CLOSE = at(21, day=DAY)
_SHARES = 100

Told = Mapping[str, tuple[Cause, Cause | None]]


@dataclass(frozen=True, slots=True)
class Site:
    """One underlying of a case: its contract, and when what happens there is told; None: at once."""

    lab: Lab
    ticker: str
    tail: str
    until: datetime | None

    @property
    def oracle(self) -> Oracle:
        """Give the account at the broker."""
        return next(iter(self.lab.oracles.values()))

    @property
    def occ(self) -> Occ:
        """Give the contract."""
        return Occ(self.ticker + self.tail)

    @property
    def order(self) -> ClientOrderId:
        """Name the order of ours that bought here."""
        return ClientOrderId(f"op1ab12-e-{self.ticker.lower()}-1")

    @property
    def sale(self) -> ClientOrderId:
        """Name the order of ours that sells here."""
        return ClientOrderId(f"op1ab12-x-{self.ticker.lower()}-1")

    def happen(self, kind: ActivityKind, qty: int, amount: Usd4 = 0, *, symbol: str = "") -> None:
        """Let something happen here."""
        self.oracle.happen(kind, symbol or self.occ, qty, amount, until=self.until)

    def spot(self, when: datetime, price: str) -> None:
        """Set the underlying's price."""
        self.lab.terms.market.put_spot(when, price, ticker=self.ticker)

    def others(self, name: str, qty: int, *, shown: bool = True) -> None:
        """Let an order of others trade here."""
        side = Side.BUY_TO_OPEN if qty > 0 else Side.SELL_TO_CLOSE
        self.oracle.trade_of(name + self.ticker, self.occ, qty, PRICE, until=self.until)
        if shown:
            self.oracle.show(name + self.ticker, self.occ, side, abs(qty), cum=abs(qty))


def hold(site: Site) -> None:
    """Let the account hold contracts from before."""
    first = next(iter(site.lab.accounts))
    site.lab.hold(Holding(account=first, ticker=site.ticker, right=Right.CALL, qty=HELD, dte_min=0))


def hold_before_a_split(site: Site) -> None:
    """Let the account hold contracts whose shares split at the next open."""
    site.lab.terms.market.put_split(site.ticker, NEXT_DAY, new=2)
    hold(site)


def nothing(site: Site) -> None:
    """Hold nothing here."""


def bought(site: Site) -> None:
    """Let an order of ours have bought, in two fills."""
    opened = e.PositionOpened(
        position_id=PositionId(f"P-{site.ticker}"),
        signal_id=SignalId("laboratory"),
        tier=site.lab.ledger(next(iter(site.lab.accounts))).tier,
        contract=parse_occ(site.occ),
        strategy=Strategy.SWING,
        session=DAY,
        entry_dte=30,
        entry_underlying=to_usd4("500"),
        entry_atr=None,
        entry_iv_rank=None,
        entry_delta=0.5,
        rolled_from=None,
        roll_count=0,
        exit_rules="laboratory",
    )
    _placed(site, site.order, Purpose.ENTRY, HELD, before=[opened])
    for _ in range(2):
        site.oracle.trade_of(site.order, site.occ, HELD // 2, PRICE)
    site.oracle.show(site.order, site.occ, Side.BUY_TO_OPEN, HELD, cum=HELD)


def bought_and_selling(site: Site) -> None:
    """Let an order of ours have bought, and another stand to sell half."""
    bought(site)
    _placed(site, site.sale, Purpose.EXIT, HELD // 2)
    site.oracle.show(site.sale, site.occ, Side.SELL_TO_CLOSE, HELD // 2, cum=0)


def short(site: Site) -> None:
    """Let a person have sold one contract short."""
    site.oracle.trade_of(f"hand-{site.ticker}", site.occ, -1, PRICE)


def _placed(
    site: Site, name: ClientOrderId, purpose: Purpose, qty: int, *, before: list[e.EventBody] | None = None
) -> None:
    """Write into the ledger that an order of ours was taken."""
    account = next(iter(site.lab.accounts))
    side = Side.BUY_TO_OPEN if purpose.opens else Side.SELL_TO_CLOSE
    intent = OrderIntent(
        client_order_id=name,
        account=account,
        purpose=purpose,
        key=site.ticker,
        generation=1,
        legs=(Leg(occ=site.occ, side=side),),
        qty=qty,
        limit=PRICE,
        multiplier=100,
        position_id=PositionId(f"P-{site.ticker}"),
        reason="laboratory",
    )
    store, now = site.lab.process.store, site.lab.clock.now()
    sending = e.OrderSending(
        client_order_id=name, epoch=store.epoch(account), attempt=1, body_hash="laboratory"
    )
    taken = e.OrderAnswered(client_order_id=name, outcome="accepted", broker_order_id=f"b-{name}")
    store.commit(account, [*(before or []), e.OrderIntended(intent=intent), sending, taken], at=now)


def expires(site: Site) -> Told:
    """Expire out of the money."""
    site.spot(_CLOSE, "480")
    site.happen(ActivityKind.EXPIRY, -HELD)
    return {site.occ: (Cause.EXPIRY, Cause.EXPIRY)}


def is_exercised(site: Site) -> Told:
    """Be exercised for cash at the close."""
    site.spot(_CLOSE, "510")
    site.happen(ActivityKind.EXERCISE, -HELD, to_usd4("10") * HELD * _SHARES)
    return {site.occ: (Cause.EXERCISE, Cause.EXERCISE)}


def is_exercised_to_shares(site: Site) -> Told:
    """Be exercised at the close: shares are delivered."""
    site.spot(_CLOSE, "510")
    return exercises_early(site)


def exercises_early(site: Site) -> Told:
    """Be exercised long before expiry, as a person may ask the broker to."""
    shares = HELD * _SHARES
    site.happen(ActivityKind.EXERCISE, -HELD)
    site.happen(ActivityKind.OPTION_TRADE, shares, -to_usd4("500") * shares, symbol=site.ticker)
    both = (Cause.EXERCISE, Cause.EXERCISE)
    return {site.occ: both, site.ticker: both}


def expires_against_the_price(site: Site) -> Told:
    """Expire in the money, against what the price says: what was inferred is corrected."""
    site.spot(_CLOSE, "510")
    site.happen(ActivityKind.EXPIRY, -HELD)
    return {site.occ: (Cause.EXERCISE, Cause.EXPIRY)}


def is_assigned(site: Site) -> Told:
    """Be assigned on a short, its shares delivered."""
    site.spot(_CLOSE, "510")
    site.happen(ActivityKind.ASSIGNMENT, 1)
    site.happen(ActivityKind.OPTION_TRADE, -_SHARES, to_usd4("500") * _SHARES, symbol=site.ticker)
    both = (Cause.ASSIGNMENT, Cause.ASSIGNMENT)
    return {site.occ: both, site.ticker: both}


def is_liquidated(site: Site) -> Told:
    """Be sold by the broker's desk before the last close, by an order that is shown."""
    site.others("desk-", -HELD)
    return {site.occ: (Cause.LIQUIDATION, Cause.LIQUIDATION)}


def is_liquidated_unseen(site: Site) -> Told:
    """Be sold by the broker's desk without an order anybody sees."""
    site.others("desk-", -HELD, shown=False)
    return {site.occ: (Cause.LIQUIDATION, Cause.LIQUIDATION)}


def is_sold_by_hand(site: Site) -> Told:
    """Be sold in part by a person."""
    site.others("app-", -1)
    return {site.occ: (Cause.MANUAL_TRADE, Cause.MANUAL_TRADE)}


def is_bought_by_hand(site: Site) -> Told:
    """Be bought by a person."""
    site.others("app-", 2)
    return {site.occ: (Cause.MANUAL_TRADE, Cause.MANUAL_TRADE)}


def is_sold_short_by_hand(site: Site) -> Told:
    """Be sold short by a person."""
    site.others("app-", -1)
    return {site.occ: (Cause.MANUAL_TRADE, Cause.MANUAL_TRADE)}


def is_filled_for_an_order_we_lost(site: Site) -> Told:
    """Be bought by an order with our mark that the ledger does not know."""
    site.oracle.trade_of(site.order, site.occ, 2, PRICE, until=site.until)
    site.oracle.show(site.order, site.occ, Side.BUY_TO_OPEN, 2, cum=2)
    return {site.occ: (Cause.MISSED_FILL, Cause.MISSED_FILL)}


def splits(site: Site) -> Told:
    """Split two for one at the next open."""
    split = site.lab.terms.market.splits(site.ticker, first=NEXT_DAY, last=NEXT_DAY)[0]
    after, _ = split_contract(parse_occ(site.occ), split)
    if site.until is not None:
        site.oracle.told_at[f"SPLIT-{site.oracle.book.number}-{site.occ}"] = site.until
    both = (Cause.CORPORATE_ACTION, Cause.CORPORATE_ACTION)
    return {site.occ: both, after.occ: both}


def is_renamed(site: Site) -> Told:
    """Stand under its underlying's numbered root, and nobody tells."""
    after = f"{site.ticker}1{site.tail}"
    site.oracle.move(site.occ, -HELD)
    site.oracle.move(after, HELD, PRICE * HELD * _SHARES)
    return dict.fromkeys((site.occ, after), (Cause.CORPORATE_ACTION, None))


def has_a_purchase_busted(site: Site) -> Told:
    """Have half of the purchase taken back by the exchange."""
    site.oracle.show(site.order, site.occ, Side.BUY_TO_OPEN, HELD, cum=HELD // 2)
    _bust(site, _fills_of(site, site.order)[0])
    return {site.occ: (Cause.BUST, Cause.BUST)}


def _fills_of(site: Site, name: ClientOrderId) -> list[Fill]:
    told = (row.fill for row in site.oracle.book.activities)
    return [fill for fill in told if fill is not None and fill.client_order_id == name]


def _bust(site: Site, fill: Fill) -> None:
    back = fill.price * fill.qty * _SHARES + fill.fees
    site.oracle.happen(ActivityKind.BUST, site.occ, -fill.qty, back, fill=fill, until=site.until)


def sells_unseen(site: Site) -> Told:
    """Sell one contract by our own order; its activity is late."""
    site.oracle.trade_of(site.sale, site.occ, -1, PRICE, until=site.until)
    site.oracle.show(site.sale, site.occ, Side.SELL_TO_CLOSE, HELD // 2, cum=1)
    return {site.occ: (Cause.MISSED_FILL, Cause.MISSED_FILL)}


def is_overfilled(site: Site) -> Told:
    """Get one contract more than was ordered."""
    site.oracle.trade_of(site.order, site.occ, 1, PRICE, until=site.until)
    site.oracle.show(site.order, site.occ, Side.BUY_TO_OPEN, HELD, cum=HELD + 1)
    return {site.occ: (Cause.MISSED_FILL, Cause.MISSED_FILL)}


def vanishes(site: Site) -> Told:
    """Be gone, and nobody tells."""
    site.oracle.move(site.occ, -HELD)
    return {site.occ: (Cause.UNKNOWN, None)}


def shrinks(site: Site) -> Told:
    """Be one less, and nobody tells."""
    site.oracle.move(site.occ, -1)
    return {site.occ: (Cause.UNKNOWN, None)}


def appears(site: Site) -> Told:
    """Be there, and nobody tells."""
    site.oracle.move(site.occ, 3, PRICE * 3 * _SHARES)
    return {site.occ: (Cause.UNKNOWN, None)}


def has_shares(site: Site) -> Told:
    """Hold shares that nobody bought."""
    site.oracle.move(site.ticker, 150, to_usd4("500") * 150)
    return {site.ticker: (Cause.UNKNOWN, None)}


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of divergence: when it strikes, what stood before, and whether it must raise the level.

    `grave`: it does once told; `doubtful`: it does while only inferred.
    """

    strike: Callable[[Site], Told]
    when: datetime
    before: Callable[[Site], None] = hold
    tail: str = LATER
    grave: bool = False
    doubtful: bool = False

    @property
    def name(self) -> str:
        """Give its name."""
        return self.strike.__name__


KINDS: tuple[Kind, ...] = (
    Kind(expires, AFTER, tail=TODAY),
    Kind(is_exercised, AFTER, tail=TODAY),
    Kind(is_exercised_to_shares, AFTER, tail=TODAY, grave=True, doubtful=True),
    Kind(expires_against_the_price, AFTER, tail=TODAY),
    Kind(exercises_early, MORNING, grave=True, doubtful=True),
    Kind(is_assigned, AFTER, before=short, tail=TODAY, grave=True, doubtful=True),
    Kind(is_liquidated, DESK, tail=TODAY),
    Kind(is_liquidated_unseen, DESK, tail=TODAY),
    Kind(is_sold_by_hand, MORNING),
    Kind(is_bought_by_hand, MORNING, before=nothing),
    Kind(is_sold_short_by_hand, MORNING, before=nothing, grave=True, doubtful=True),
    Kind(is_filled_for_an_order_we_lost, MORNING, before=nothing, grave=True),
    Kind(splits, AFTER, before=hold_before_a_split),
    Kind(is_renamed, MORNING),
    Kind(has_a_purchase_busted, MORNING, before=bought),
    Kind(sells_unseen, MORNING, before=bought_and_selling),
    Kind(is_overfilled, MORNING, before=bought, grave=True),
    Kind(vanishes, MORNING, grave=True, doubtful=True),
    Kind(shrinks, MORNING, grave=True, doubtful=True),
    Kind(appears, MORNING, before=nothing, grave=True, doubtful=True),
    Kind(has_shares, MORNING, before=nothing, grave=True, doubtful=True),
)
