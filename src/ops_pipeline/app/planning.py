"""What would be done now, without doing it: verdicts of entries, distances of exits. Shell."""

from typing import Any

from ops_pipeline.app.compose import Assembly
from ops_pipeline.domain.orders import Approved
from ops_pipeline.domain.units import AccountId, format_usd
from ops_pipeline.engine import preview
from ops_pipeline.stages.position_manager.triggers import format_quantity


def plan_entries(assembly: Assembly, account: AccountId) -> list[dict[str, Any]]:
    """Judge the account's fresh signals as the dispatcher would now; one row each."""
    decisions = preview.judge(assembly.wiring, account, assembly.clock.now())
    rows = []
    for decision in decisions:
        intent = decision.candidate.offer.intent if decision.candidate.offer else None
        approved = isinstance(decision.verdict, Approved)
        rows.append(
            {
                "account": account,
                "signal": decision.signal.id,
                "ticker": decision.signal.ticker,
                "right": decision.signal.right.name.lower(),
                "confidence": round(decision.signal.confidence, 4),
                "verdict": "send" if isinstance(decision.verdict, Approved) else decision.verdict.reason,
                "contract": intent.occ if intent else None,
                "qty": intent.qty if intent and approved else 0,
                "limit": format_usd(intent.limit) if intent else None,
            }
        )
    return rows


def plan_exits(assembly: Assembly, account: AccountId) -> list[dict[str, Any]]:
    """Judge the account's positions as the position manager would now; a row a rule, with its distance."""
    return [
        {
            "account": account,
            "position": watched.position.id,
            "contract": watched.position.contract.occ,
            "rule": trigger.reason.value,
            "value": format_quantity(trigger.value, trigger.unit),
            "level": format_quantity(trigger.level, trigger.unit),
            "distance": format_quantity(trigger.distance, trigger.unit),
            "met": trigger.met,
            "note": trigger.skipped or (trigger.message if trigger.met else ""),
        }
        for watched in preview.watch(assembly.wiring, account, assembly.clock.now())
        for trigger in watched.triggers
    ]
