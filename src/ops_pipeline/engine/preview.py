"""What the services would do now, without storing or sending anything: what `ops plan` shows. Pure."""

from collections.abc import Sequence
from datetime import datetime

from ops_pipeline.domain.units import AccountId
from ops_pipeline.engine.wiring import Wiring
from ops_pipeline.stages.dispatcher import service as dispatcher
from ops_pipeline.stages.dispatcher.plan import Decision
from ops_pipeline.stages.position_manager import service as position_manager
from ops_pipeline.stages.position_manager.watched import Watched


def judge(wiring: Wiring, account: AccountId, now: datetime) -> Sequence[Decision]:
    """Judge an account's fresh signals; stores and sends nothing."""
    session = wiring.parts.calendar.session_at(now)
    if session is None:
        return ()
    rules = wiring.dispatch_rules(account, now, wiring.parts.store.ledger(account).tier)
    return dispatcher.judge(now, session, wiring.dispatcher_ports(account), rules).decisions


def watch(wiring: Wiring, account: AccountId, now: datetime) -> Sequence[Watched]:
    """Judge an account's positions by every rule; decides nothing."""
    session = wiring.parts.calendar.session_at(now)
    held = [p for p in wiring.parts.store.ledger(account).open_positions if p.qty]
    if session is None or not held:
        return ()
    ports, rules = wiring.manager_ports(account, now), wiring.manager_rules(account)
    quotes = wiring.parts.market.quotes([position.contract.occ for position in held], now=now)
    return [
        position_manager.watch(
            position, quotes, now=now, session=session, ports=ports, rules=rules, whole=True
        )
        for position in held
    ]
