"""Writes every projection anew from the events. Shell."""

from sqlalchemy import bindparam, select

from ops_pipeline.adapters.store import schema as s
from ops_pipeline.adapters.store.chain import event_of
from ops_pipeline.adapters.store.database import Database
from ops_pipeline.adapters.store.projections import changes_of, clear, write_changes
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.ledger_fold import apply_all
from ops_pipeline.domain.units import AccountId

_ACCOUNTS = select(s.EVENT.c.account).distinct().order_by(s.EVENT.c.account)
_EVENTS = select(s.EVENT).where(s.EVENT.c.account == bindparam("of_account")).order_by(s.EVENT.c.seq)


def rebuild(database: Database) -> dict[str, int]:
    """Fold every chain and replace its rows, in one transaction; give the events by account.

    An event that the fold refuses raises LedgerError, one that cannot be read ValueError; the
    projections then stay as they were.
    """
    folded: dict[str, int] = {}
    with database.transaction():
        database.begin()
        clear(database)
        for (account,) in database.rows(_ACCOUNTS):
            events = [event_of(row) for row in database.dicts(_EVENTS, of_account=account)]
            ledger = apply_all(Ledger(account=AccountId(account)), events)
            write_changes(database, changes_of(ledger, events))
            folded[account] = len(events)
    return folded
