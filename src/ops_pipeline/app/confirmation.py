"""How a person says that real money may be traded: words in a terminal, or a token they signed. Pure."""

import hmac
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256

_TOKEN_HOURS = 24
_STAMP = "%Y%m%dT%H%M%SZ"


class Confirmation(StrEnum):
    """How a person said that real money may be traded."""

    NONE = "none"
    TYPED = "typed in a terminal"
    TOKEN = "signed token"  # noqa: S105 - the name of a way, not a secret


def sign_confirmation(key: bytes, *, number: str, build: str, until: datetime) -> str:
    """Give a token that stands for the typed words, for one account, one code, until an instant (UTC)."""
    stamp = until.strftime(_STAMP)
    return f"{stamp}.{_signature(key, number, build, stamp)}"


def confirmed_by(token: str, key: bytes, *, number: str, build: str, now: datetime) -> bool:
    """Tell whether a token was signed with `key` for this account and code and has not run out."""
    stamp, _, signature = token.partition(".")
    if not hmac.compare_digest(signature.encode(), _signature(key, number, build, stamp).encode()):
        return False
    until = datetime.strptime(stamp, _STAMP).replace(tzinfo=now.tzinfo)
    return now < until <= now + timedelta(hours=_TOKEN_HOURS)


def _signature(key: bytes, number: str, build: str, stamp: str) -> str:
    return hmac.new(key, f"live|{number}|{build}|{stamp}".encode(), sha256).hexdigest()
