"""What can go wrong between us and the venue. Pure.

BrokerUnavailable    a read without a trustworthy answer
├── NoAnswer         bytes were written, and no whole answer came back
│   └── NotSent      no byte was written: nothing can have happened
├── Refused          the venue answered with an error
│   └── KeysRefused  it does not take the keys
├── WireError        a value that is not what it should be: expected, found, where
└── WrongAccount     another account answered than the one configured
"""

from ops_pipeline.ports import AccessRefused, BrokerUnavailable


class WireError(BrokerUnavailable):
    """An answer that does not fit: the text says what was expected, what was found, and where."""


class NoAnswer(BrokerUnavailable):
    """A request went out, wholly or in part, and no whole answer came back."""


class NotSent(NoAnswer):
    """A request of which no byte was written."""


class Refused(BrokerUnavailable):
    """An answer that is an error; `status` of HTTP, `code` of the venue (0: none was given)."""

    def __init__(self, text: str, *, status: int, code: int) -> None:
        """Keep both numbers beside the text."""
        super().__init__(text)
        self.status = status
        self.code = code


class KeysRefused(Refused, AccessRefused):
    """The venue's own word that these keys may not ask."""


class WrongAccount(BrokerUnavailable):
    """An account other than the configured one answered."""
