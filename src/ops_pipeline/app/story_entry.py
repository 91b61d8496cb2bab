"""The first half of a story: signal, features, gates, size and contract choice as rows. Pure."""

from collections.abc import Mapping
from typing import Any

from ops_pipeline.app.words import Row, dollars, stamp
from ops_pipeline.domain.features import FeatureRow
from ops_pipeline.domain.records import VerdictRow
from ops_pipeline.domain.signals import Hold, Signal

# Values that are prices (Usd4) among the named numbers of signals, features and verdicts.
_PRICES = frozenset(
    {
        "atr",
        "base_budget",
        "budget",
        "chop_below",
        "close",
        "distance",
        "equity",
        "floor",
        "shaped_budget",
        "slope",
        "sma20",
        "sma20_change",
        "sma50",
        "stretched_from",
        "unit_cost",
        "vwap_distance",
    }
)
_MEANINGS = {
    "tier_fraction_bp": "tier's fraction of equity",
    "kelly": "Kelly fraction in force",
    "floor": "tier's floor",
    "base_budget": "budget before factors",
    "factor_atr": "x ATR factor",
    "factor_regime": "x regime factor",
    "factor_iv": "x IV-status factor",
    "shaped_budget": "budget after factors",
    "budget": "budget after caps",
    "probe": "probe of one contract",
    "contracts_considered": "contracts of the chain looked at",
    "contracts_passed": "contracts that passed every filter",
    "score": "score of the chosen one",
    "delta": "|delta| of the chosen one",
    "spread": "spread of the chosen one",
    "qty": "contracts bought",
    "qty_cap": "most contracts",
    "unit_cost": "one contract at the ask with fees",
}
# The numbers of a verdict's Kelly sample, told in one row.
SAMPLE = (
    "kelly_trades",
    "kelly_wins",
    "kelly_win_rate",
    "kelly_avg_win",
    "kelly_avg_loss",
    "kelly_fraction",
)
_HIDDEN = ("ticker", "interval", "session", "bar_at", "as_of", "inputs_hash")


def decision_row(decision: Signal | Hold) -> Row:
    """Give a signal's facts, or a hold's with its reason."""
    row: Row = {
        "signal": decision.id,
        "ticker": decision.ticker,
        "rule": decision.rule,
        "interval": decision.interval.value,
        "at": stamp(decision.as_of),
    }
    if isinstance(decision, Hold):
        return row | {"decision": "HOLD", "reason": decision.reason}
    return row | {
        "right": decision.right.name.lower(),
        "strategy": decision.strategy.value,
        "confidence": round(decision.confidence, 4),
        "expires": stamp(decision.expires_at),
    }


def because_rows(decision: Signal | Hold) -> list[Row]:
    """Give the inputs the rule decided from, in its order."""
    return [_named(name, value) for name, value in decision.because]


def feature_rows(features: FeatureRow | None) -> list[Row]:
    """Give the feature values known when the signal was made; unknown ones are left out."""
    if features is None:
        return []
    values = ((name, getattr(features, name)) for name in FeatureRow.__slots__ if name not in _HIDDEN)
    rows = [_named(name, value) for name, value in values if value is not None]
    return [{"what": "known at", "value": stamp(features.as_of), "unit": ""}, *rows]


def verdict_title(verdict: VerdictRow) -> str:
    """Sum a verdict up: approved, or the first gate that refused, and how often it was judged."""
    word = "approved" if verdict.approved else f"refused by {verdict.reason}"
    passed = sum(gate.passed for gate in verdict.gates)
    times = f"judged {verdict.attempts} times" if verdict.attempts > 1 else "judged once"
    return f"Verdict of {verdict.account}: {word}; {passed} of {len(verdict.gates)} gates passed, {times}"


def gate_rows(verdict: VerdictRow) -> list[Row]:
    """Give every gate with what it observed and its limit."""
    return [
        {"gate": gate.name, "passed": gate.passed, "observed": gate.observed, "limit": gate.limit}
        for gate in verdict.gates
    ]


def sizing_rows(verdict: VerdictRow) -> list[Row]:
    """Give the numbers behind a size, with the sample of closed trades that Kelly went by."""
    rows: list[Row] = [{"what": "judged at", "value": stamp(verdict.at), "unit": ""}]
    numbers = dict(verdict.numbers)
    for name, value in verdict.numbers:
        if name == "kelly" and value < 0:
            rows.append({"what": _MEANINGS[name], "value": "none: too few trades, or a probe", "unit": ""})
        elif name not in SAMPLE:
            rows.append(_named(name, value))
        if name == "kelly":
            rows.append({"what": "Kelly sample", "value": sample_text(numbers), "unit": ""})
    if verdict.occ is not None:
        rows.append({"what": "contract", "value": verdict.occ, "unit": ""})
    rows.append({"what": "rules", "value": verdict.rules_hash, "unit": ""})
    return rows


def sample_text(numbers: Mapping[str, float]) -> str:
    """Say what a verdict's Kelly sample was: trades, winners, p, W, L and the fraction they give."""
    count, wins, p, win, loss, fraction = (numbers.get(name, 0.0) for name in SAMPLE)
    if not count:
        return "no closed trade"
    given = "too few to say" if fraction < 0 else f"fraction {fraction:.4f}"
    return f"{count:.0f} trades, {wins:.0f} won, p {p:.4f}, W {win:.4f}, L {loss:.4f}: {given}"


def _named(name: str, value: Any) -> Row:
    """Give a named value with its unit: `usd` in dollars, `bp`, or "" for a plain number."""
    what = _MEANINGS.get(name, name.replace("room_", "room under ").replace("_", " "))
    if name in _PRICES or name.startswith("room_"):
        return {"what": what, "value": dollars(value), "unit": "usd"}
    if name.endswith("_bp"):
        return {"what": what, "value": round(value, 4), "unit": "bp"}
    return {"what": what, "value": round(value, 6) if isinstance(value, float) else str(value), "unit": ""}
