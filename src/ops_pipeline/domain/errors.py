"""The project's exceptions: broken assumptions, never business refusals. Pure.

OpsError
├── ConfigurationError   settings that contradict each other or the accounts
├── MissingDataError     a file, table or service that the work cannot go without
├── LedgerError          an event the fold may not apply; the ledger stays as it was
│   ├── ForbiddenError   an order that the kill level forbids by now
│   ├── StaleWriterError a commit under an epoch that is no longer the newest
│   └── LeaseHeldError   another process writes this account now
├── StoreUnavailableError  the database takes no write now; nothing of it was stored
└── InvariantError       a state that must never happen (RULEBOOK 12)
"""


class OpsError(Exception):
    """Root of the errors a person may meet; its text is shown without a traceback."""


class ConfigurationError(OpsError):
    """Settings that contradict each other, the accounts or the rulebook."""


class MissingDataError(OpsError):
    """A file, table or service that the requested work cannot go without."""


class LedgerError(OpsError):
    """An event that the ledger's state does not allow."""


class ForbiddenError(LedgerError):
    """A SENDING that the kill level, as it stands in the same transaction, forbids."""


class StaleWriterError(LedgerError):
    """A commit under an epoch that another writer has superseded."""


class LeaseHeldError(LedgerError):
    """Another living process writes this account; try again once it has stopped."""


class StoreUnavailableError(OpsError):
    """The database is locked, full, damaged or gone: nothing was stored, and it may be tried again."""

    def __init__(self, text: str, *, full: bool = False) -> None:
        """Say what the database said; `full`: its disk has no room."""
        super().__init__(text)
        self.full = full


class InvariantError(OpsError):
    """A state that must never happen."""
