"""A dispatcher's world in which every gate passes, and ways to change one thing in it."""

from dataclasses import dataclass, is_dataclass, replace
from datetime import UTC, date, datetime, timedelta

from ops_pipeline.app.settings import Settings
from ops_pipeline.domain.accounts import (
    AccountProfile,
    BrokerAccount,
    ControlLevel,
    DayTradePolicy,
    Mode,
    Tier,
)
from ops_pipeline.domain.features import FeatureRow, IvRank, IvStatus
from ops_pipeline.domain.fees import fee_rules_on
from ops_pipeline.domain.instruments import OptionContract, Right, format_occ, parse_occ
from ops_pipeline.domain.market import Chain, Feed, Interval, OptionQuote, Session
from ops_pipeline.domain.orders import Verdict
from ops_pipeline.domain.positions import Trade
from ops_pipeline.domain.records import RegimeReading
from ops_pipeline.domain.signals import Signal, Strategy, signal_id
from ops_pipeline.domain.units import AccountId, PositionId, Usd4, to_usd4
from ops_pipeline.stages.dispatcher.context import (
    AccountView,
    Candidate,
    DispatchRules,
    GateContext,
    Household,
    MarketView,
)
from ops_pipeline.stages.dispatcher.day_record import DayRecord
from ops_pipeline.stages.dispatcher.exposure import Book, GreekTotals, Line
from ops_pipeline.stages.dispatcher.gates import evaluate
from ops_pipeline.stages.dispatcher.kelly import NO_SAMPLE
from ops_pipeline.stages.dispatcher.plan import OrderScope, plan_entry

DAY = date(2026, 8, 18)
SESSION = Session(
    date=DAY,
    open_at=datetime(2026, 8, 18, 13, 30, tzinfo=UTC),
    close_at=datetime(2026, 8, 18, 20, 0, tzinfo=UTC),
)
NOW = datetime(2026, 8, 18, 15, 30, tzinfo=UTC)
SCOPE = OrderScope(database_id="ab12cd34", account="paper|PA1")
SETTINGS = Settings()
NO_GREEKS = GreekTotals(0, 0, 0)


def usd(text: str | int) -> Usd4:
    return to_usd4(str(text))


def rules_of(tier: Tier = Tier.MEDIUM) -> DispatchRules:
    return DispatchRules(
        tier=SETTINGS.tier_rules(tier),
        sizing=SETTINGS.sizing_rules(),
        iv=SETTINGS.iv_rules(),
        contract=SETTINGS.contract_rules(),
        gates=SETTINGS.gate_rules(),
        entry=SETTINGS.entry_rules(),
        quotes=SETTINGS.quote_rules(),
        fees=fee_rules_on(DAY),
        stop=2_500,
    )


def contract_of(
    strike: str = "200", *, days: int = 3, right: Right = Right.CALL, ticker: str = "AAPL"
) -> OptionContract:
    return parse_occ(format_occ(ticker, DAY + timedelta(days=days), right, usd(strike)))


def quote_of(
    contract: OptionContract,
    bid: str | None = "3.90",
    ask: str | None = "4.00",
    *,
    volume: int | None = 850,
    previous_volume: int | None = 100,
    open_interest: int | None = 1_200,
    delta: float | None = 0.45,
    at: datetime = NOW,
    feed: Feed = Feed.RECORDED,
) -> OptionQuote:
    return OptionQuote(
        occ=contract.occ,
        bid=None if bid is None else usd(bid),
        ask=None if ask is None else usd(ask),
        bid_size=10,
        ask_size=10,
        at=at,
        confirmed_at=at,
        feed=feed,
        iv=0.35,
        delta=delta,
        gamma=0.02,
        theta_per_day=-0.08,
        vega_per_point=0.25,
        volume=volume,
        previous_volume=previous_volume,
        open_interest=open_interest,
    )


def chain_of(*quotes: tuple[OptionContract, OptionQuote], spot: str = "200", at: datetime = NOW) -> Chain:
    return Chain(
        underlying=quotes[0][0].underlying if quotes else "AAPL",
        at=at,
        spot=usd(spot),
        contracts={contract.occ: contract for contract, _ in quotes},
        quotes={contract.occ: quote for contract, quote in quotes},
    )


def signal_of(
    ticker: str = "AAPL",
    *,
    strategy: Strategy = Strategy.DAY,
    confidence: float = 0.80,
    right: Right = Right.CALL,
) -> Signal:
    interval = Interval.MINUTE if strategy is Strategy.DAY else Interval.DAY
    return Signal(
        id=signal_id(ticker, "trend", interval, NOW),
        ticker=ticker,
        rule="trend",
        interval=interval,
        right=right,
        strategy=strategy,
        confidence=confidence,
        session=DAY,
        as_of=NOW - timedelta(seconds=60),
        expires_at=NOW + timedelta(seconds=240),
        because=(),
        inputs_hash="i",
    )


def features_of(ticker: str = "AAPL", *, interval: Interval = Interval.MINUTE) -> FeatureRow:
    return FeatureRow(
        ticker=ticker,
        interval=interval,
        session=DAY,
        bar_at=NOW - timedelta(seconds=60),
        as_of=NOW - timedelta(seconds=60),
        close=usd(200),
        sma20=1_990_000.0,
        sma50=1_980_000.0,
        slope=100.0,
        distance=0.005,
        return_5=0.001,
        return_15=0.002,
        return_since_close=0.01,
        vwap_distance=0.001,
        sigma=0.001,
        volatility_ratio=1.0,
        volume_ratio=1.5,
        atr=30_000.0,
        sma20_change=0.002,
        iv=0.35,
        iv_rank=0.3333,
        iv_status=IvStatus.OK,
        news_score=0.2,
        news_count=1,
        inputs_hash="i",
    )


def iv_rank_of(rank: float = 0.3333, status: IvStatus = IvStatus.OK, *, iv: float | None = 0.35) -> IvRank:
    return IvRank(rank=rank, percentile=0.4, status=status, readings=252, low=0.20, high=0.65, iv=iv)


def day_of(**changes: object) -> DayRecord:
    record = DayRecord(premium=0, trades={}, last_trade_at={}, losses_in_row=0, paused=False, day_trades=0)
    return replace(record, **changes)


def account_of(equity: str = "24000", *, tier: Tier = Tier.MEDIUM) -> AccountView:
    money = usd(equity)
    return AccountView(
        now=NOW,
        session=SESSION,
        profile=AccountProfile(
            id=AccountId("one"),
            number="PA1",
            mode=Mode.TRADE,
            start_equity=money,
            day_trade_policy=DayTradePolicy.NONE,
        ),
        live=False,
        tier=tier,
        broker=BrokerAccount(
            number="PA1",
            equity=money,
            last_equity=money,
            cash=money,
            options_buying_power=money,
            options_level=2,
            blocked=False,
            as_of=NOW,
        ),
        control=ControlLevel.NORMAL,
        breaks=(),
        blocked={},
        book=Book(lines=()),
        day=day_of(),
        kelly=NO_SAMPLE,
        household=Household(equity=money, premium=0),
    )


def market_of(
    *, strategy: Strategy = Strategy.DAY, ticker: str = "AAPL", right: Right = Right.CALL
) -> MarketView:
    contract = contract_of(days=3 if strategy is Strategy.DAY else 38, ticker=ticker, right=right)
    return MarketView(
        chain=chain_of((contract, quote_of(contract))),
        features=features_of(ticker, interval=Interval.MINUTE if strategy is Strategy.DAY else Interval.DAY),
        iv_rank=iv_rank_of(),
        earnings=None,
        hold_until=date(2026, 9, 30),
        greeks={},
        regime=RegimeReading(session=date(2026, 8, 17), value=15.0, source="VIX"),
        regime_age=1,
    )


def line_of(
    ticker: str = "XOM",
    premium: str = "1",
    *,
    right: Right = Right.CALL,
    greeks: GreekTotals | None = NO_GREEKS,
    strike: str = "50",
) -> Line:
    return Line(
        symbol=contract_of(strike, ticker=ticker, right=right).occ,
        underlying=ticker,
        right=int(right),
        qty=1,
        premium=usd(premium),
        greeks=greeks,
        pending=False,
    )


def trade_of(pnl: str, *, cost: str = "1000", number: int = 0, closed_at: datetime = NOW) -> Trade:
    return Trade(
        position_id=PositionId(f"P{number:04d}"),
        account=AccountId("one"),
        tier=Tier.MEDIUM,
        contract=contract_of(),
        strategy=Strategy.DAY,
        qty=1,
        cost=usd(cost),
        proceeds=usd(cost) + usd(pnl),
        fees=0,
        pnl=usd(pnl),
        pnl_bp=0,
        reason="",
        entry_session=DAY,
        opened_at=closed_at,
        closed_at=closed_at,
    )


@dataclass(frozen=True)
class Scene:
    """A planned candidate with everything it is judged against."""

    candidate: Candidate
    account: AccountView
    market: MarketView
    rules: DispatchRules

    def with_(self, **changes: object) -> "Scene":
        """Change one leaf by path: `account__broker__equity=5`."""
        scene = self
        for path, value in changes.items():
            scene = _changed(scene, path.split("__"), value)
        return scene

    def verdict(self) -> Verdict:
        return evaluate(self.candidate, GateContext(account=self.account, market=self.market), self.rules)

    def failing(self) -> list[str]:
        return [result.name for result in self.verdict().gates if not result.passed]

    def replanned(self) -> "Scene":
        """Plan the same signal anew in this scene's world."""
        signal = self.candidate.signal
        assert signal is not None
        return scene_of(signal, account=self.account, market=self.market, rules=self.rules)


def scene_of(
    signal: Signal | None = None,
    *,
    account: AccountView | None = None,
    market: MarketView | None = None,
    rules: DispatchRules | None = None,
) -> Scene:
    signal = signal or signal_of()
    account = account or account_of()
    market = market or market_of(strategy=signal.strategy)
    rules = rules or rules_of()
    context = GateContext(account=account, market=market)
    candidate, _ = plan_entry(signal, context, rules, scope=SCOPE, generation=1)
    return Scene(candidate, account, market, rules)


def _changed(value, path, new):
    if not path:
        return new
    inner = _changed(getattr(value, path[0]), path[1:], new)
    if is_dataclass(value):
        return replace(value, **{path[0]: inner})
    return value._replace(**{path[0]: inner})
