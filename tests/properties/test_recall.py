"""A fold recalled from rows is the fold of the events, or none."""

from dataclasses import fields
from typing import get_args

import pytest

from ops_pipeline.adapters.store import recall as module
from ops_pipeline.adapters.store.recall import FIELDS, ROWED, UNROWED, recall
from ops_pipeline.app.settings import Settings
from ops_pipeline.domain.events import EventBody
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.ledger_fold import apply_all
from ops_pipeline.domain.ledger_index import LedgerIndex
from ops_pipeline.verify.crash import open_lab, run_on
from ops_pipeline.verify.fuse import Fuse
from ops_pipeline.verify.scenarios import SCENARIOS

COMPARED = [field.name for field in fields(LedgerIndex) if field.name != "closed_changes"]


def test_every_kind_of_event_and_every_field_is_known_or_the_chain_is_folded_anew():
    assert sorted((*ROWED, *UNROWED)) == sorted(kind.__name__ for kind in get_args(EventBody))
    assert {field.name for field in fields(Ledger)} == FIELDS


@pytest.fixture
def lived(tmp_path):
    """A laboratory at the end of a scenario by name."""
    labs = []

    def live(name):
        (tmp_path / name).mkdir()
        plan = SCENARIOS[name]()
        labs.append(open_lab(plan, Settings(), tmp_path / name, Fuse()))
        run_on(labs[-1], plan)
        return labs[-1]

    yield live
    for lab in labs:
        lab.close()


@pytest.mark.parametrize("name", SCENARIOS)
def test_what_is_recalled_is_the_fold_with_its_orders(lived, name):
    lab = lived(name)
    for account in lab.accounts:
        folded = apply_all(Ledger(account=account), lab.store.events(account))
        recalled = recall(lab.store.database, account)
        assert recalled == folded
        assert list(recalled.orders) == list(folded.orders)
        assert list(recalled.positions) == list(folded.positions)
        for part in COMPARED:
            assert list(getattr(recalled.index, part)) == list(getattr(folded.index, part)), part


def test_rows_that_do_not_stand_at_the_newest_event_are_not_recalled(lived):
    lab = lived("repriced_stop")
    (account,) = lab.accounts
    database = lab.store.database
    for change in (
        "UPDATE accounts SET seq = seq - 1",
        "UPDATE accounts SET head = 'x'",
        "DELETE FROM accounts",
    ):
        database.connection.execute("SAVEPOINT intact")
        database.connection.execute(change)
        assert recall(database, account) is None
        database.connection.execute("ROLLBACK TO intact")
    assert recall(database, account) is not None


def test_a_kind_that_no_row_tells_of_is_folded_anew(lived, monkeypatch):
    lab = lived("repriced_stop")
    (account,) = lab.accounts
    monkeypatch.setattr(module, "_IS_COMPLETE", False)
    assert recall(lab.store.database, account) is None
