"""A process that takes over holds every account from its start."""

from datetime import timedelta

import pytest

from ops_pipeline.app.settings import load_settings
from ops_pipeline.domain.accounts import ControlLevel
from ops_pipeline.domain.errors import StaleWriterError
from ops_pipeline.domain.events import ControlChanged
from ops_pipeline.verify.crash import open_lab
from ops_pipeline.verify.fuse import Fuse
from ops_pipeline.verify.market import at
from ops_pipeline.verify.scenario import LARGE, PAIR, Plan, market


@pytest.mark.parametrize("account", [LARGE.id, PAIR.id])
def test_l1_a_process_that_was_taken_over_from_commits_nothing_in_any_account(tmp_path, account):
    plan = Plan(market=market(), acts=[], end=at(14, 41), accounts=(LARGE, PAIR))
    lab = open_lab(plan, load_settings(), tmp_path, Fuse())
    lab.live([], at(14, 40, 30))
    asleep = lab.store
    lab.clock.move_to(lab.clock.now() + timedelta(seconds=16))
    awake = lab.open_store("another")
    lab.new_process(awake).wiring.open_accounts(lab.clock.now())
    changed = ControlChanged(level=ControlLevel.REDUCE_ONLY, reason="a test", actor="operator")
    with pytest.raises(StaleWriterError):
        asleep.commit(account, [changed], at=lab.clock.now())
    awake.commit(account, [changed], at=lab.clock.now())
    awake.close()
