"""Restores a database and keeps every account still until a person has looked. Shell."""

from collections.abc import Callable
from pathlib import Path

from ops_pipeline.adapters.store.backup import Copied, restore
from ops_pipeline.adapters.store.store import open_store
from ops_pipeline.app.clock import WallClock
from ops_pipeline.app.process import build_hash, holder_name
from ops_pipeline.domain.accounts import ControlLevel
from ops_pipeline.domain.events import ControlChanged


def restore_and_hold(source: Path, url: str, *, say: Callable[[str], None]) -> Copied:
    """Put a copy back, then raise each account to hard stop.

    Orders sent and fills booked since the copy are unknown to the restored ledger, so nothing may be
    decided from it before it was compared with the broker. Errors are those of `restore`.
    """
    copied = restore(source, url, say=say)
    with open_store(
        url,
        durable=True,
        database_id=None,
        holder=holder_name("restore"),
        build_hash=build_hash(),
        locked=True,
    ) as store:
        now = max((row.at for row in store.last_job_runs().values()), default=WallClock().now())
        for account in store.accounts():
            if store.ledger(account).control < ControlLevel.HARD_STOP:
                held = ControlChanged(
                    level=ControlLevel.HARD_STOP,
                    reason=f"restored from {source.name}: compare with the broker before resuming",
                    actor="restore",
                )
                store.commit(account, [held], at=now)
    return copied
