"""The flags of RELIABILITY 3.2, each raised by its own cause and by nothing else."""

from dataclasses import replace
from datetime import date

import pytest

from ops_pipeline.domain import events as e
from ops_pipeline.domain.breaks import BreakFound, Cause
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.position_flags import Flag, flags_of
from tests.builders_ledger import META_CALL, TINY, account_opened, entry, exit_, exit_decided, minute
from tests.unit.test_lifecycle import told

HELD = told(Ledger(account=TINY), account_opened(), *entry(qty=4))
EXPIRY = date(2026, 3, 20)


def latched():
    decided = exit_decided()
    return replace(decided, decision=replace(decided.decision, latched=True))


def rolling():
    return e.RollAdvanced(
        roll_id="R1",
        position_id="P1",
        state="planned",
        successor=None,
        successor_id=None,
        qty=4,
        two_leg=False,
        pnl_locked=0,
        reason="",
    )


def differs(cause):
    return BreakFound(
        symbol=META_CALL, ledger_qty=4, broker_qty=0, cause=cause, confirmed=True, seen_at=minute(1)
    )


@pytest.mark.parametrize(
    ("body", "flags"),
    [
        (latched(), (Flag.EXIT_LATCHED,)),
        (exit_decided(), ()),
        (rolling(), (Flag.ROLLING,)),
        (e.PositionFrozen(position_id="P1", reason="a test"), (Flag.FROZEN,)),
        (differs(Cause.CORPORATE_ACTION), (Flag.CORP_ACTION,)),
        (differs(Cause.MANUAL_TRADE), ()),
    ],
)
def test_each_flag_has_its_own_cause(body, flags):
    ledger = told(HELD, body)
    assert flags_of(ledger.positions["P1"], ledger, today=EXPIRY) == flags


def test_a_position_has_expired_once_its_last_day_is_over():
    position = HELD.positions["P1"]
    assert flags_of(position, HELD, today=EXPIRY) == ()
    assert flags_of(position, HELD, today=date(2026, 3, 21)) == (Flag.EXPIRED,)
    assert flags_of(position, HELD, today=None) == ()


def test_an_adjusted_contract_is_flagged():
    position = HELD.positions["P1"]
    adjusted = replace(position, contract=replace(position.contract, adjusted=True))
    assert flags_of(adjusted, HELD, today=EXPIRY) == (Flag.CORP_ACTION,)


def test_a_closed_position_has_no_flag():
    ledger = told(HELD, latched(), *exit_()[1:])
    assert flags_of(ledger.positions["P1"], ledger, today=date(2026, 4, 1)) == ()
