"""Which account can afford which symbol: its budget against the cheapest contract that passes. Shell."""

import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from ops_pipeline.adapters.calendar.exchange import exchange_calendar
from ops_pipeline.adapters.calendar.sessions import SessionCalendar
from ops_pipeline.adapters.store import inspection
from ops_pipeline.adapters.store.store import SqlStore
from ops_pipeline.app.checks import tier_of
from ops_pipeline.app.compose import Assembly, Market, simulated_market
from ops_pipeline.app.settings import Settings
from ops_pipeline.domain.accounts import Tier
from ops_pipeline.domain.fees import fee_rules_on
from ops_pipeline.domain.instruments import Right
from ops_pipeline.domain.market import Chain, Session
from ops_pipeline.domain.records import VerdictRow
from ops_pipeline.domain.signals import Strategy
from ops_pipeline.domain.units import AccountId, Occ, Usd4, to_decimal, to_usd4
from ops_pipeline.ports import MarketData
from ops_pipeline.stages.dispatcher.contracts import ChoiceTerms, ContractChoice, Filter, select_contract
from ops_pipeline.stages.dispatcher.filters import elapsed_share
from ops_pipeline.stages.dispatcher.plan import dte_window
from ops_pipeline.stages.dispatcher.sizing import SIZE
from ops_pipeline.stages.telemetry.completion import complete_chain

_PRICE = re.compile(r"\$([\d,]+\.\d+)")
_AFTER_OPEN = timedelta(minutes=60)


def affordability(settings: Settings) -> list[dict[str, Any]]:
    """Judge every account and symbol of the simulated market, an hour into its first session; dollars."""
    calendar = exchange_calendar()
    first = date.fromisoformat(settings.world.first_session)
    session = calendar.session_on(first) or calendar.following(first)
    market = simulated_market(settings, calendar)
    rows = []
    for account in settings.accounts:
        equity = to_usd4(account.equity_usd)
        tier = tier_of(settings, equity)
        rules = settings.tier_rules(tier, account=account.id)
        budget = max(equity * rules.fraction // 10_000, rules.floor)
        window = (rules.swing_dte_min, rules.swing_dte_max)
        for symbol in market.symbols:
            cheapest = cheapest_contract(settings, market, symbol, session=session, window=window, tier=tier)
            rows.append(
                {
                    "account": account.id,
                    "tier": tier.label,
                    "symbol": symbol,
                    "budget": float(to_decimal(budget)),
                    "cheapest": float(to_decimal(cheapest)) if cheapest is not None else None,
                    "affordable": cheapest is not None and cheapest <= budget,
                }
            )
    return rows


def affordability_recorded(assembly: Assembly, sessions: Sequence[Session]) -> list[dict[str, Any]]:
    """Judge every account and symbol of a recording by its whole period, at instants an hour apart; dollars.

    `budget` is the starting tier's, before any factor; `cheapest` the least that a contract passing every
    other filter cost, `at` when. None: no contract passed.
    """
    parts = assembly.wiring.parts
    asked = [(instant, session) for session in sessions for instant in _instants(parts.market, session)]
    rows = []
    for profile in parts.profiles:
        tier = tier_of(assembly.settings, profile.start_equity)
        rules = assembly.settings.tier_rules(tier, account=profile.id)
        budget = max(profile.start_equity * rules.fraction // 10_000, rules.floor)
        for symbol in parts.symbols:
            costs = [
                (cost, instant)
                for instant, session in asked
                for cost in _costs_in(assembly, profile.id, tier, symbol, instant, session)
            ]
            cost, at = min(costs, default=(None, None))
            rows.append(
                {
                    "account": profile.id,
                    "tier": tier.label,
                    "symbol": symbol,
                    "budget": float(to_decimal(budget)),
                    "cheapest": float(to_decimal(cost)) if cost is not None else None,
                    "at": at.isoformat() if at else None,
                    "affordable": cost is not None and cost <= budget,
                }
            )
    return rows


def _instants(market: MarketData, session: Session) -> Iterator[datetime]:
    """Give the recorded instants at which swings may be bought, an hour apart."""
    now = market.next_instant(session.open_at + _AFTER_OPEN - timedelta(seconds=1))
    while now is not None and now <= session.close_at - _AFTER_OPEN:
        yield now
        now = market.next_instant(now + _AFTER_OPEN - timedelta(seconds=1))


def _costs_in(
    assembly: Assembly, account: AccountId, tier: Tier, symbol: str, now: datetime, session: Session
) -> list[Usd4]:
    """Give what each contract cost that the account would take at `now` if money were no object."""
    market = assembly.market
    rules = assembly.wiring.dispatch_rules(account, now, tier)
    first, last = (session.date + timedelta(days=days) for days in dte_window(Strategy.SWING, rules))
    costs: list[Usd4] = []
    for right in Right:
        chain = market.chain(symbol, now=now, first=first, last=last, right=right)
        if chain is None:
            continue
        chain = complete_chain(
            chain,
            closes=_closes(chain, assembly.calendar),
            rate=market.rate(session.date),
            dividend_yield=market.dividend_yield(symbol),
        )
        choice = select_contract(
            chain,
            _terms(right, first, last, session, now, assembly.settings, tier),
            rules=rules.contract,
            quotes=rules.quotes,
            fees=rules.fees,
            delta_of={},
        )
        costs += _costs(choice)
    return costs


def _closes(chain: Chain, calendar: SessionCalendar) -> dict[Occ, datetime]:
    """Give when each contract's life ends; those that expire on no session are left out."""
    ends = {contract.expiration for contract in chain.contracts.values()}
    closes = {day: end.close_at for day in ends if (end := calendar.session_on(day)) is not None}
    return {occ: closes[c.expiration] for occ, c in chain.contracts.items() if c.expiration in closes}


def affordability_seen(store: SqlStore) -> list[dict[str, Any]]:
    """Judge every account and symbol by a run's verdicts that got as far as a price; dollars.

    `budget` is the largest there was, `cheapest` the least that one acceptable contract ever cost.
    """
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for verdict in inspection.priced_verdicts(store):
        numbers = dict(verdict.numbers)
        cost = numbers["unit_cost"] / 10_000 if "unit_cost" in numbers else _wanted(verdict)
        if cost is None:
            continue
        row = rows.setdefault(
            (verdict.account, verdict.ticker),
            {
                "account": verdict.account,
                "symbol": verdict.ticker,
                "judged": 0,
                "budget": 0.0,
                "cheapest": cost,
                "bought": 0,
            },
        )
        row["judged"] += 1
        row["cheapest"] = min(row["cheapest"], cost)
        row["bought"] += int(verdict.approved)
        row["budget"] = max(row["budget"], numbers["budget"] / 10_000)
    for row in rows.values():
        row["affordable"] = row["bought"] > 0 or row["cheapest"] <= row["budget"]
    return list(rows.values())


def _wanted(verdict: VerdictRow) -> float | None:
    """Read what one contract would have cost from the size gate's words; None where none was acceptable."""
    limits = (gate.limit for gate in verdict.gates if gate.name == SIZE and not gate.passed)
    found = _PRICE.search(next(limits, ""))
    return float(found[1].replace(",", "")) if found else None


def cheapest_contract(
    settings: Settings, market: Market, symbol: str, *, session: Session, window: tuple[int, int], tier: Tier
) -> Usd4 | None:
    """Give what the cheapest contract that passes every filter costs with fees; None where none passes."""
    now = session.open_at + _AFTER_OPEN
    first, last = (session.date + timedelta(days=days) for days in window)
    costs: list[Usd4] = []
    for right in Right:
        chain = market.data.chain(symbol, now=now, first=first, last=last, right=right)
        if chain is None:
            continue
        terms = _terms(right, first, last, session, now, settings, tier)
        choice = select_contract(
            chain,
            terms,
            rules=settings.contract_rules(),
            quotes=settings.quote_rules(),
            fees=fee_rules_on(session.date),
            delta_of={},
        )
        costs += _costs(choice)
    return min(costs, default=None)


def _costs(choice: ContractChoice) -> list[Usd4]:
    """Give the costs of what passed all but the budget, which was set to nothing."""
    return [round(row.observed * 10_000) for row in choice.rejected if row.filter is Filter.BUDGET]


def _terms(
    right: Right, first: date, last: date, session: Session, now: datetime, settings: Settings, tier: Tier
) -> ChoiceTerms:
    return ChoiceTerms(
        right=right,
        first=first,
        last=last,
        session=session.date,
        now=now,
        elapsed=elapsed_share(session, now),
        budget=0,
        stop=-settings.exit_rules(tier=tier, strategy=Strategy.SWING).stop,
    )
