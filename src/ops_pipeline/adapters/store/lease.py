"""Who may write an account's ledger: one holder at a time, fenced by an epoch. Shell."""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import bindparam, select, update

from ops_pipeline.adapters.store.database import Database
from ops_pipeline.adapters.store.rows import instant, micros
from ops_pipeline.adapters.store.schema import LEASE
from ops_pipeline.domain.errors import LeaseHeldError, StaleWriterError

TTL_S = 15.0
# A third of the time to live: two renewals may be late before anybody may take over.
_RENEWALS = 3

_READ = select(LEASE.c.holder, LEASE.c.epoch, LEASE.c.renewed_us).where(
    LEASE.c.account == bindparam("of_account")
)
_RENEW = (
    update(LEASE)
    .where(LEASE.c.account == bindparam("of_account"), LEASE.c.epoch == bindparam("of_epoch"))
    .values(renewed_us=bindparam("now_us"))
)
_TAKE = (
    update(LEASE)
    .where(LEASE.c.account == bindparam("of_account"), LEASE.c.epoch == bindparam("of_epoch"))
    .values(
        holder=bindparam("new_holder"),
        epoch=bindparam("new_epoch"),
        build_hash=bindparam("new_build"),
        renewed_us=bindparam("now_us"),
    )
)


class Leases:
    """The leases this writer holds, each taken when its account is first written.

    A lease of another holder is taken over once it was not renewed for 15 s; at once where it is the
    same holder's, or where `sole`: the writer's lock was free, so its last holder is dead. Either way the
    epoch rises, and the writer that held the one before can commit no more: neither to the ledger nor
    to any other table. `from_the_living` names leases that ran out while their holder may have lived.
    Time is the database's, which all writers share, unless a `clock` is given.
    """

    def __init__(
        self,
        database: Database,
        *,
        holder: str,
        build_hash: str,
        clock: Callable[[], datetime] | None = None,
        sole: bool = False,
    ) -> None:
        self._database = database
        self._holder = holder
        self._build_hash = build_hash
        self._clock = clock
        self._sole = sole
        self.ttl_s = TTL_S
        self._epochs: dict[str, int] = {}
        self._renewed: dict[str, int] = {}
        self._taken: set[str] = set()
        self._checked: set[str] = set()
        self.from_the_living: set[str] = set()
        database.on_end.append(self._ended)
        if not database.exclusive:
            database.before_commit.append(self._agree)

    def epoch(self, account: str) -> int:
        """Give the epoch held, taking the lease at the first call; LeaseHeldError: another does."""
        held = self._epochs.get(account)
        if held is None:
            with self._database.transaction():
                self._database.begin()
                held = self._epochs[account] = self._take(account)
                self._taken.add(account)
                self._checked.add(account)
        return held

    def check(self, account: str) -> None:
        """Renew inside the writing transaction; StaleWriterError where the epoch was superseded."""
        epoch = self.epoch(account)
        now_us = self._now_us()
        if self._database.write(_RENEW, of_account=account, of_epoch=epoch, now_us=now_us) != 1:
            raise StaleWriterError(
                f"account {account}: expected epoch {epoch} in the lease, found a newer writer's"
            )
        self._renewed[account] = now_us
        self._checked.add(account)

    def renew(self) -> None:
        """Renew every lease held that was not renewed for a third of its time (5 s), in one commit."""
        now_us, pace_us = self._now_us(), self._ttl_us() // _RENEWALS
        old = [name for name in sorted(self._epochs) if not 0 <= now_us - self._renewed[name] < pace_us]
        with self._database.transaction():
            for account in old:
                self.check(account)

    def _now_us(self) -> int:
        return micros(self._clock()) if self._clock is not None else self._database.now_us()

    def _ttl_us(self) -> int:
        return int(self.ttl_s * 1_000_000)

    def _agree(self) -> None:
        """Agree to a commit of any table while every lease held is still ours."""
        for account in sorted(self._epochs.keys() - self._checked):
            self.check(account)

    def _ended(self, committed: bool) -> None:  # noqa: FBT001 - a listener of Database.on_end
        if not committed:
            for account in self._taken:
                self._epochs.pop(account, None)
        self._taken.clear()
        self._checked.clear()

    def _take(self, account: str) -> int:
        now_us = self._renewed[account] = self._now_us()
        found = self._database.rows(_READ, of_account=account)
        if not found:
            row = {
                "account": account,
                "holder": self._holder,
                "epoch": 1,
                "build_hash": self._build_hash,
                "renewed_us": now_us,
            }
            self._database.insert(LEASE, [row])
            return 1
        holder, epoch, renewed_us = found[0]
        fresh = abs(now_us - renewed_us) < self._ttl_us()
        if holder != self._holder and fresh and not self._sole:
            until = instant(renewed_us + self._ttl_us())
            raise LeaseHeldError(
                f"account {account}: expected a free lease, was held by {holder!r} until "
                f"{until:%Y-%m-%d %H:%M:%S} UTC; stop that process and try again, or wait until then "
                f"if it is dead"
            )
        taken = self._database.write(
            _TAKE,
            of_account=account,
            of_epoch=epoch,
            new_holder=self._holder,
            new_epoch=epoch + 1,
            new_build=self._build_hash,
            now_us=now_us,
        )
        if holder != self._holder and not self._sole:
            self.from_the_living.add(account)
        if taken != 1:
            raise StaleWriterError(f"account {account}: another writer took the lease at the same moment")
        return int(epoch) + 1
