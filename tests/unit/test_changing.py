"""A changed copy is what dataclasses.replace gives, and wrong uses are refused."""

from dataclasses import FrozenInstanceError, replace

import pytest

from ops_pipeline.domain.changing import changed
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.ledger_fold import apply_all
from tests.builders_ledger import START, TINY, account_opened, entry, intended


def position():
    from ops_pipeline.adapters.store.chain import link

    start = Ledger(account=TINY)
    (found,) = apply_all(start, link(start, [account_opened(), *entry()], START)[0]).positions.values()
    return found


def test_a_copy_differs_in_what_was_changed_alone():
    before = position()
    after = changed(before, peak=30_000, frozen="for a test")
    assert after == replace(before, peak=30_000, frozen="for a test")
    assert before.frozen == ""
    with pytest.raises(FrozenInstanceError):
        after.peak = 1


def test_a_field_that_does_not_exist_is_refused():
    with pytest.raises(TypeError, match="Position: has no field 'peek'"):
        changed(position(), peek=1)


def test_a_value_that_checks_itself_is_refused():
    with pytest.raises(TypeError, match="OrderIntent: checks itself when it is made"):
        changed(intended("o1").intent, qty=0)
